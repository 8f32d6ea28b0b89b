//! Errors as a peer sees them.

use serde_json::{Value, json};

use crate::error::{Error, ErrorClass};

/// Why a request is not answered with 200, and with which status.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Status code of HTTP.
    pub status: u16,
    /// The class, as ACP/1 names it, or one of the binding's own: `unauthorized`, `forbidden`, `rate_limited`, `busy`, `timeout`.
    pub code: &'static str,
    /// For people. Never holds bytes of a payload or text of a message.
    pub message: String,
    /// The field that was wrong, dotted.
    pub field: Option<&'static str>,
    /// Offset of the offending byte.
    pub offset: Option<u64>,
    /// Seconds after which it is worth while to try again.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal of the binding itself.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, offset: None, retry_after: None }
    }

    /// The same, worth trying again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The JSON of the answer: `success` false and what went wrong (AVP-HTTP-004, 007, 008).
    pub fn to_json(&self) -> Value {
        let mut body = json!({"success": false, "message": self.message, "code": self.code});
        if let Some(field) = self.field {
            body["field"] = json!(field);
        }
        if let Some(offset) = self.offset {
            body["offset"] = json!(offset);
        }
        body
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.class {
            ErrorClass::InvalidMagic
            | ErrorClass::UnsupportedVersion
            | ErrorClass::Decode
            | ErrorClass::ShapeMismatch
            | ErrorClass::Handshake
            | ErrorClass::InvalidArgument => 400,
            ErrorClass::LimitExceeded => 413,
            ErrorClass::Session | ErrorClass::SessionExpired => 409,
            ErrorClass::IncompatibleModels | ErrorClass::Projection => 422,
            ErrorClass::EngineUnavailable => 501,
            ErrorClass::Transport => 503,
            ErrorClass::Configuration => 500,
        };
        Self {
            status,
            code: error.class.code(),
            message: error.to_string(),
            field: Some(error.field),
            offset: error.offset,
            retry_after: None,
        }
    }
}
