//! Identity, hello, resolution.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Request, invalid};
use crate::error::{Error, ErrorClass};
use crate::session::json::{Json, JsonLimits};
use crate::session::{self, Hello, ModelIdentity, ProjectionMethod, Vocabulary};

#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    config: &'a RawValue,
}

pub(super) fn identity_extract<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Config<'a> = request.args()?;
    let config = Json::parse(args.config.get(), &JsonLimits::CONFIG)?;
    let extracted = ModelIdentity::from_config(&config)?;
    let diagnostics: &[&str] = if extracted.hidden_dim_zero { &["hidden_dim_zero"] } else { &[] };
    Ok(Answer::new(json!({"identity": extracted.identity.to_json(), "diagnostics": diagnostics})))
}

#[derive(Deserialize)]
struct Identity {
    identity: Value,
}

pub(super) fn identity_encode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Identity = request.args()?;
    let identity = ModelIdentity::from_json(&args.identity).map_err(as_argument)?;
    Ok(Answer::new(json!({})).part("json", identity.to_json().to_string().into_bytes()))
}

pub(super) fn identity_decode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let identity = ModelIdentity::from_text(request.part("json")?.bytes)?;
    Ok(Answer::new(json!({"identity": full(&identity)})))
}

#[derive(Deserialize)]
struct HelloArgs {
    hello: Value,
}

pub(super) fn hello_encode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: HelloArgs = request.args()?;
    let hello = Hello::from_json(&args.hello).map_err(as_argument)?;
    Ok(Answer::new(json!({})).part("json", hello.to_json().to_string().into_bytes()))
}

pub(super) fn hello_decode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let hello = Hello::from_text(request.part("json")?.bytes)?;
    let mut shown = hello.to_json();
    if let Some(identity) = &hello.identity {
        shown["identity"] = full(identity);
    }
    Ok(Answer::new(json!({"hello": shown})))
}

/// What was decoded, with every field, the empty tokenizer hash too.
fn full(identity: &ModelIdentity) -> Value {
    let mut value = identity.to_json();
    value["tokenizer_hash"] = identity.tokenizer_hash.as_str().into();
    value
}

/// A wrong value in an argument is the caller's fault, not a peer's.
fn as_argument(mut error: Error) -> Error {
    if error.class == ErrorClass::Handshake {
        error.class = ErrorClass::InvalidArgument;
    }
    error
}

#[derive(Deserialize)]
struct Resolve<'a> {
    local: Value,
    remote: Value,
    #[serde(borrow, default)]
    local_vocab: Option<&'a RawValue>,
    #[serde(borrow, default)]
    remote_vocab: Option<&'a RawValue>,
    #[serde(default)]
    maps: Option<Vec<(String, String)>>,
}

pub(super) fn resolve<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Resolve<'a> = request.args()?;
    let (local, remote) = (ModelIdentity::from_json(&args.local)?, ModelIdentity::from_json(&args.remote)?);
    let maps: HashSet<_> = args.maps.unwrap_or_default().into_iter().collect();
    let ours = args.local_vocab.map(tokens).transpose()?;
    let theirs = args.remote_vocab.map(tokens).transpose()?;
    let resolution = session::resolve(&local, &remote, &maps, ours.as_ref().zip(theirs.as_ref()))?;
    let diagnostics: Vec<_> = resolution.diagnostics.iter().map(|diagnostic| diagnostic.code()).collect();
    Ok(Answer::new(json!({
        "mode": resolution.mode.as_str(),
        "avp_map_id": resolution.avp_map_id,
        "resolution_path": resolution.path.as_str(),
        "session_id": resolution.session_id.as_str(),
        "local": full(&resolution.local),
        "remote": full(&resolution.remote),
        "diagnostics": diagnostics,
    })))
}

/// A list of tokens, or an object of tokens and ids.
fn tokens(raw: &RawValue) -> Result<Vocabulary<'_>, Refusal> {
    match Json::parse(raw.get(), &JsonLimits::TOKENIZER)? {
        Json::Array(items) => {
            let mut tokens = Vec::with_capacity(items.len());
            for (place, item) in items.into_iter().enumerate() {
                match item {
                    Json::Text(token) => tokens.push((token, place as u64)),
                    other => return Err(invalid("vocab", "a list of tokens", other.kind()).into()),
                }
            }
            Ok(Vocabulary::new(tokens))
        }
        object => Ok(Vocabulary::from_json(object)?),
    }
}

#[derive(Deserialize)]
struct Method<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

pub(super) fn projection_method<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Method<'a> = request.args()?;
    let method = ProjectionMethod::from_name(&args.name, request.dialect)?;
    Ok(Answer::new(json!({"name": method.as_str()})))
}
