//! What messages and errors look like in JSON output.

use avp::adapter::metadata;
use avp::wire::Message;
use serde_json::{Value, json};

/// A decoded message without its payload.
pub(crate) fn message(message: &Message<'_>) -> Value {
    let diagnostics: Vec<_> = message
        .diagnostics
        .iter()
        .map(|found| json!({"code": found.code.as_str(), "requirement": found.requirement, "error": error(&found.error)}))
        .collect();
    let mut value = json!({
        "dialect": if message.neutral { "neutral" } else { message.dialect.as_str() },
        "header": {
            "version": message.header.version,
            "flags": message.header.flags,
            "payload_length": message.header.payload_length,
            "metadata_length": message.header.metadata_length,
        },
        "metadata": metadata::to_json(&message.metadata, message.dialect),
        "payload_bytes": message.payload.len(),
        "consumed": message.consumed,
        "diagnostics": diagnostics,
    });
    if let Some(text) = &message.text_fallback {
        value["text_fallback"] = text.as_str().into();
    }
    value
}

/// An error with all its fields.
pub(crate) fn error(error: &avp::Error) -> Value {
    json!({
        "class": error.class.code(),
        "field": error.field,
        "offset": error.offset,
        "expected": error.expected,
        "found": error.found,
    })
}

/// Pretty text with an end of line.
pub(crate) fn text(value: &Value) -> String {
    format!("{value:#}\n")
}
