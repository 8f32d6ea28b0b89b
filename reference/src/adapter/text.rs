//! Text messages and what else is not binary.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::metadata::number_json;
use super::request::Request;
use crate::error::{Error, ErrorClass};
use crate::session::envelope::{PackedFormat, unpack_text};
use crate::session::{FallbackRequest, TextMessage};

#[derive(Deserialize)]
struct Message {
    message: Value,
}

pub(super) fn json_encode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Message = request.args()?;
    let message = TextMessage::from_json(&args.message).map_err(as_argument)?;
    Ok(Answer::new(json!({})).part("json", message.to_json().to_string().into_bytes()))
}

pub(super) fn json_decode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let message = TextMessage::from_text(request.part("json")?.bytes)?;
    let mut shown = message.to_json();
    shown["extra"] = Value::Object(message.extra);
    Ok(Answer::new(json!({"message": shown})))
}

#[derive(Deserialize)]
struct Fallback {
    #[serde(default)]
    form: Option<Form>,
    #[serde(default)]
    request: Value,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Json,
    Proto,
}

pub(super) fn fallback_encode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Fallback = request.args()?;
    let fallback = FallbackRequest::from_json(&args.request).map_err(as_argument)?;
    let data = match args.form.unwrap_or_default() {
        Form::Json => fallback.to_json().to_string().into_bytes(),
        Form::Proto => fallback.to_protobuf(),
    };
    Ok(Answer::new(json!({})).part("data", data))
}

pub(super) fn fallback_decode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Fallback = request.args()?;
    let data = request.part("data")?.bytes;
    let fallback = match args.form.unwrap_or_default() {
        Form::Json => FallbackRequest::from_text(data)?,
        Form::Proto => FallbackRequest::from_protobuf(data)?,
    };
    let mut shown = fallback.to_json();
    shown["perplexity_score"] = number_json(fallback.perplexity_score);
    Ok(Answer::new(json!({"request": shown})))
}

pub(super) fn unpack_detect<'a>(request: &Request<'a>) -> Outcome<'a> {
    let format = PackedFormat::detect(request.part("data")?.bytes)?;
    Ok(Answer::new(json!({"format": format.as_str()})))
}

pub(super) fn easy_unpack<'a>(request: &Request<'a>) -> Outcome<'a> {
    let content = unpack_text(request.part("data")?.bytes)?;
    Ok(Answer::new(json!({"content": content})))
}

/// A wrong value in an argument is the caller's fault, not a peer's.
fn as_argument(mut error: Error) -> Error {
    if error.class == ErrorClass::Decode {
        error.class = ErrorClass::InvalidArgument;
    }
    error
}
