//! Reading typed fields out of JSON objects that a peer sent.

use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};

/// An object's fields, with the class that a wrong one is refused with.
pub(crate) struct Fields<'a> {
    pub(crate) object: &'a Map<String, Value>,
    pub(crate) class: ErrorClass,
}

impl<'a> Fields<'a> {
    /// Of a value that must be an object.
    pub(crate) fn of(value: &'a Value, class: ErrorClass, field: &'static str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Self { object, class }),
            other => Err(Error::new(class, field, "an object", kind(other))),
        }
    }

    /// The string under the last name of `field`; `None` when absent.
    pub(crate) fn string(&self, field: &'static str) -> Result<Option<&'a str>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::new(self.class, field, "a string", kind(other))),
        }
    }

    /// The object under the last name of `field`; `None` when absent or null.
    pub(crate) fn object(&self, field: &'static str) -> Result<Option<&'a Map<String, Value>>> {
        match self.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(Error::new(self.class, field, "an object", kind(other))),
        }
    }

    /// The value under the last name of `field`.
    pub(crate) fn get(&self, field: &'static str) -> Option<&'a Value> {
        self.object.get(field.rsplit('.').next().unwrap_or(field))
    }
}

/// In words, for error texts. Numbers are shown, texts are not: they may be long or private.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Most values, keys and brackets of a document from a peer. A value takes up to 140 times its text in memory, and hellos
/// and text messages have a few dozen; this keeps any of them below some 10 MiB.
const MAX_VALUES: usize = 1 << 16;

/// Reads JSON text of at most `limit` bytes and [`MAX_VALUES`] values.
pub(crate) fn parse(text: &[u8], limit: usize, class: ErrorClass, field: &'static str) -> Result<Value> {
    if text.len() > limit {
        return Err(Error::new(
            ErrorClass::LimitExceeded,
            field,
            format!("at most {limit} bytes"),
            format!("{} bytes", text.len()),
        ));
    }
    let values = count_values(text);
    if values > MAX_VALUES {
        let expected = format!("at most {MAX_VALUES} values");
        return Err(Error::new(ErrorClass::LimitExceeded, field, expected, format!("{values} values")));
    }
    serde_json::from_slice(text).map_err(|error| {
        let expected = "JSON text in UTF-8";
        // Line and column are what the reader gives; a byte offset follows from them.
        let offset = offset_of(text, error.line(), error.column());
        Error::new(class, field, expected, error.to_string()).at(offset)
    })
}

/// Counts what opens or separates values, outside of strings: at least one for every value but the outermost.
fn count_values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' | b',' | b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
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
    fn documents_of_too_many_values_are_refused_before_they_are_read() {
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        let error = parse(many.as_bytes(), many.len(), ErrorClass::Decode, "message").unwrap_err();
        assert_eq!(error.class, ErrorClass::LimitExceeded);
        let text = format!("{{\"content\": \"{}\"}}", ",:[{\\\"".repeat(MAX_VALUES));
        assert!(parse(text.as_bytes(), text.len(), ErrorClass::Decode, "message").is_ok());
    }

    #[test]
    fn faults_have_byte_offsets() {
        for (text, offset) in [("{\n \"a\": x}", 8), ("[1,]", 3), ("{\"a\":1", 5)] {
            let error = parse(text.as_bytes(), 100, ErrorClass::Decode, "message").unwrap_err();
            assert_eq!(error.offset, Some(offset), "{text:?}: {error}");
        }
    }
}
