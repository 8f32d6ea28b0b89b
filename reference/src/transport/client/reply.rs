//! What a server answers, and how much of it is believed.

use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};
use crate::session::fields::{kind, parse};
use crate::transport::binding::JSON_CONTENT_TYPE;

/// Longest answer that is read: as long as the longest text message (A-028).
pub(super) const MAX_REPLY_BYTES: usize = 10 << 20;
/// Longest answer of a refusal that is read: it holds one sentence.
pub(super) const MAX_REFUSAL_BYTES: usize = 64 << 10;
/// The binding's code for work that was given up.
const BEGUN: &str = "timeout";
/// How much of a server's own words stands in an error, in characters.
const SHOWN_CHARACTERS: usize = 256;

/// An answer with status 200.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// All of it.
    pub body: Map<String, Value>,
}

impl Reply {
    /// Whether a session keeps the message that this answers, where the server says so.
    pub fn kept(&self) -> Option<bool> {
        self.body.get("kept").and_then(Value::as_bool)
    }

    /// Whether the server's model can go on from the context that this answers, where the server says so.
    pub fn usable(&self) -> Option<bool> {
        self.body.get("usable").and_then(Value::as_bool)
    }

    /// Why it is not kept, in the server's words.
    pub fn reason(&self) -> Option<&str> {
        self.text("reason")
    }

    /// The text that answers a question.
    pub fn content(&self) -> Option<&str> {
        self.text("content")
    }

    /// The server's name for the request.
    pub fn request_id(&self) -> Option<&str> {
        self.text("request_id")
    }

    /// Whether the server says that no context, or no session of its own, stands behind this answer.
    pub fn lacks_context(&self) -> bool {
        ["context", "session_id"].iter().any(|key| self.body.get(*key) == Some(&Value::Null))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.body.get(key).and_then(Value::as_str)
    }

    /// Reads an answer with status 200.
    ///
    /// # Errors
    /// Of class `class`, when it is no JSON object or says `success: false`; `limit_exceeded` when it has too many values.
    pub(super) fn read(
        content_type: Option<&str>,
        body: &[u8],
        class: ErrorClass,
        field: &'static str,
    ) -> Result<Self> {
        // An answer that does not say what it is, is taken for what it should be.
        if let Some(found) = content_type.filter(|found| !is_json(found)) {
            return Err(Error::new(class, field, format!("an answer of {JSON_CONTENT_TYPE}"), shown(found)));
        }
        match parse(body, MAX_REPLY_BYTES, class, field)? {
            Value::Object(body) => match body.get("success") {
                None | Some(Value::Bool(true)) => Ok(Self { body }),
                Some(_) => {
                    let found = said(&body).unwrap_or_else(|| "success: false".to_owned());
                    let mut error = Error::new(class, field, "success", found);
                    error.peer = peer_class(&body);
                    Err(error)
                }
            },
            other => Err(Error::new(class, field, "a JSON object", kind(&other))),
        }
    }
}

/// An answer with another status than 200.
pub(super) struct Refused {
    pub(super) error: Error,
    /// The server began to work on the request, and gave up: a question whose answer took too long.
    pub(super) begun: bool,
}

/// Reads an answer with another status than 200. Its body is believed for what it says to people, and for the class that it
/// names.
pub(super) fn refusal(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
    class: ErrorClass,
    field: &'static str,
) -> Refused {
    let object = match parse(body, MAX_REFUSAL_BYTES, class, field) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let peer = peer_class(&object);
    let code = object.get("code").and_then(Value::as_str);
    let begun = code == Some(BEGUN);
    let mut found = format!("status {status}");
    // Only names that have the form of one.
    let is_name =
        |code: &&str| code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if let Some(code) = code.filter(is_name) {
        found.push_str(&format!(" ({code})"));
    }
    if (300..400).contains(&status) {
        let expected = "an answer; redirects are not followed, since a token would go where they lead";
        let error = Error { status: Some(status), ..Error::new(class, field, expected, found) };
        return Refused { error, begun };
    }
    match said(&object) {
        Some(said) => found.push_str(&format!(": {said}")),
        None if body.is_empty() => {}
        None => {
            let what = content_type
                .map_or_else(|| "without a content type".to_owned(), |it| format!("of {}", shown(it)));
            found.push_str(&format!(" with {} bytes {what}", body.len()));
        }
    }
    let error = Error { status: Some(status), peer, ..Error::new(class, field, "status 200", found) };
    Refused { error, begun }
}

fn peer_class(body: &Map<String, Value>) -> Option<ErrorClass> {
    body.get("code").and_then(Value::as_str).and_then(ErrorClass::from_code)
}

/// What a refusal says to people: `message` by the binding, `detail` by many frameworks, `error.message` by OpenAI's form.
fn said(body: &Map<String, Value>) -> Option<String> {
    let nested = body.get("error").and_then(|error| error.get("message").or(Some(error)));
    [body.get("message"), body.get("detail"), nested].into_iter().flatten().find_map(Value::as_str).map(shown)
}

/// A server's words: quoted, so that they can't move a terminal's cursor, and cut.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == JSON_CONTENT_TYPE || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Seconds of a Retry-After header. Dates are not read: the binding's servers write seconds.
pub(super) fn retry_after(value: Option<&str>) -> Option<u64> {
    let value = value?.trim();
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: Option<&str>, body: &str) -> Result<Reply> {
        Reply::read(content_type, body.as_bytes(), ErrorClass::Transport, "text")
    }

    #[test]
    fn answers_are_objects_of_json_that_do_not_say_failure() {
        let body = r#"{"success":true,"kept":false,"reason":"full","content":"hi","context":null}"#;
        for content_type in [
            None,
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/x+json"),
        ] {
            let reply = read(content_type, body).unwrap();
            assert_eq!(
                (reply.kept(), reply.reason(), reply.content()),
                (Some(false), Some("full"), Some("hi"))
            );
            assert!(reply.lacks_context());
        }
        assert!(!read(None, "{}").unwrap().lacks_context());
        for (content_type, body) in [
            (Some("text/html"), body),
            (Some(""), body),
            (Some("json"), body),
            (None, ""),
            (None, "{"),
            (None, "[]"),
            (None, "null"),
            (None, "{}{}"),
            (None, r#"{"success":false}"#),
            (None, r#"{"success":null}"#),
            (None, r#"{"success":"true"}"#),
        ] {
            assert_eq!(read(content_type, body).unwrap_err().class, ErrorClass::Transport, "{body}");
        }
        let error = read(None, r#"{"success":false,"code":"decode","message":"no"}"#).unwrap_err();
        assert_eq!((error.peer, &*error.found), (Some(ErrorClass::Decode), "\"no\""));
    }

    #[test]
    fn refusals_carry_status_class_and_a_cut_text() {
        let of = |status, body: &str| {
            refusal(status, Some("x/y"), body.as_bytes(), ErrorClass::Transport, "transmit").error
        };
        let error = of(409, r#"{"success":false,"message":"gone","code":"session_expired"}"#);
        assert_eq!((error.status, error.peer), (Some(409), Some(ErrorClass::SessionExpired)));
        assert_eq!(error.found, "status 409 (session_expired): \"gone\"");
        assert_eq!(of(404, r#"{"detail":"Not Found"}"#).found, "status 404: \"Not Found\"");
        assert_eq!(of(500, "Oops").found, "status 500 with 4 bytes of \"x/y\"");
        assert_eq!(of(502, "").found, "status 502");
        assert_eq!(
            of(400, r#"{"code":"\u001b[2J","message":"\u001b[2J"}"#).found,
            "status 400: \"\\u{1b}[2J\""
        );
        let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(5000));
        assert!(of(400, &long).found.chars().count() < 300);
        assert!(of(307, "").expected.contains("not followed"));
    }

    #[test]
    fn waits_are_seconds() {
        assert_eq!(retry_after(Some(" 3 ")), Some(3));
        for text in ["", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "+3", "99999999999999999999999"] {
            assert!(retry_after(Some(text)).is_none_or(|seconds| text.is_empty() && seconds == 0), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(
            status: u16,
            bytes: Vec<u8>,
            kind: Option<String>,
            text in r#"\{("(success|code|message|detail|error|kept)":[0-9"a-z\{\}\[\]]{0,8},?){0,4}\}"#,
        ) {
            for body in [&bytes[..], text.as_bytes()] {
                let _ = Reply::read(kind.as_deref(), body, ErrorClass::Transport, "text");
                let error = refusal(status, kind.as_deref(), body, ErrorClass::Transport, "text").error;
                proptest::prop_assert_eq!(error.status, Some(status));
                proptest::prop_assert!(error.found.len() < 8 * SHOWN_CHARACTERS + 100);
            }
            let _ = retry_after(kind.as_deref());
        }
    }
}
