//! Errors in OpenAI's form.

use serde_json::{Value, json};

use crate::error::Error;
use crate::transport::Refusal;

/// What OpenAI's clients go by before they repeat a request: `true` or `false`.
pub const SHOULD_RETRY_HEADER: &str = "x-should-retry";

/// Why a completion is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatError {
    /// Status code of HTTP.
    pub status: u16,
    /// For people. Never holds text of a message.
    pub message: String,
    /// The parameter that was wrong, e.g. `messages[0].content`.
    pub param: Option<String>,
    /// For programs, e.g. `model_not_found`.
    pub code: Option<&'static str>,
    /// Seconds after which it is worth while to try again.
    pub retry_after: Option<u64>,
}

impl ChatError {
    /// A request that is wrong in one parameter: 400.
    pub(in crate::transport::server) fn invalid(
        param: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status: 400,
            message: message.into(),
            param: Some(param.into()),
            code: Some("invalid_value"),
            retry_after: None,
        }
    }

    /// A parameter that asks for what this server does not do: 400.
    pub(super) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Some("unsupported_parameter"), ..Self::invalid(param, message) }
    }

    /// The kind of error that OpenAI has for this status.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        }
    }

    /// Whether the same request is not to be repeated, whatever its client makes of the status: a session that has expired
    /// stays so, and an answer that took too long or failed on its way would be begun anew. A server that only has no room
    /// says when it may.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self.status {
            408 => false,
            400..=428 | 500 | 501 => true,
            502.. => self.retry_after.is_none(),
            _ => false,
        }
    }

    /// The JSON of the answer.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind(), "param": self.param, "code": self.code}})
    }
}

impl From<Refusal> for ChatError {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status,
            message: refusal.message,
            param: refusal.field.map(str::to_owned),
            code: Some(refusal.code),
            retry_after: refusal.retry_after,
        }
    }
}

impl From<Error> for ChatError {
    fn from(error: Error) -> Self {
        Refusal::from(error).into()
    }
}
