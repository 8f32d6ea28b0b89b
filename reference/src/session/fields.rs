//! Reading typed fields out of JSON objects that a peer sent.

use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};

/// An object's fields, with the class that a wrong one is refused with.
pub(super) struct Fields<'a> {
    pub(super) object: &'a Map<String, Value>,
    pub(super) class: ErrorClass,
}

impl<'a> Fields<'a> {
    /// Of a value that must be an object.
    pub(super) fn of(value: &'a Value, class: ErrorClass, field: &'static str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Self { object, class }),
            other => Err(Error::new(class, field, "an object", kind(other))),
        }
    }

    /// The string under the last name of `field`; `None` when absent.
    pub(super) fn string(&self, field: &'static str) -> Result<Option<&'a str>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::new(self.class, field, "a string", kind(other))),
        }
    }

    /// The object under the last name of `field`; `None` when absent or null.
    pub(super) fn object(&self, field: &'static str) -> Result<Option<&'a Map<String, Value>>> {
        match self.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(Error::new(self.class, field, "an object", kind(other))),
        }
    }

    /// The value under the last name of `field`.
    pub(super) fn get(&self, field: &'static str) -> Option<&'a Value> {
        self.object.get(field.rsplit('.').next().unwrap_or(field))
    }
}

/// In words, for error texts. Numbers are shown, texts are not: they may be long or private.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Reads JSON text of at most `limit` bytes.
pub(super) fn parse(text: &[u8], limit: usize, class: ErrorClass, field: &'static str) -> Result<Value> {
    if text.len() > limit {
        return Err(Error::new(
            ErrorClass::LimitExceeded,
            field,
            format!("at most {limit} bytes"),
            format!("{} bytes", text.len()),
        ));
    }
    serde_json::from_slice(text).map_err(|error| {
        let expected = "JSON text in UTF-8";
        // Line and column are what the reader gives; a byte offset follows from them.
        let offset = offset_of(text, error.line(), error.column());
        Error::new(class, field, expected, error.to_string()).at(offset)
    })
}

fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let line_start = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .nth(line.saturating_sub(2))
        .filter(|_| line > 1)
        .unwrap_or_default();
    (line_start + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_byte_offsets() {
        for (text, offset) in [("{\n \"a\": x}", 8), ("[1,]", 3), ("{\"a\":1", 5)] {
            let error = parse(text.as_bytes(), 100, ErrorClass::Decode, "message").unwrap_err();
            assert_eq!(error.offset, Some(offset), "{text:?}: {error}");
        }
    }
}
