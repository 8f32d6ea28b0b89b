//! FILE → RECORDS: JSON lines or one JSON list, and errors that say where.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Error, Result};
use crate::task::TaskItem;

/// Most characters of a found value in an error.
const MAX_SHOWN: usize = 60;

/// One record with its place.
pub(super) struct Record<'a> {
    /// The data set.
    pub(super) name: &'a str,
    path: &'a Path,
    /// From 0, empty lines not counted.
    pub(super) number: usize,
    /// `line 7` or `record 7`, from 1.
    place: String,
    fields: Map<String, Value>,
}

/// Reads each record: of a list where the first character opens one, of lines otherwise.
pub(super) fn each(
    name: &str,
    path: &Path,
    bytes: &[u8],
    read: fn(&Record<'_>) -> Result<TaskItem>,
) -> Result<Vec<TaskItem>> {
    let wrong = |place: String, expected: &str, found: String| Error::Record {
        name: name.to_owned(),
        path: path.to_owned(),
        place: place.into(),
        field: "json".into(),
        expected: expected.into(),
        found: found.into(),
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        wrong(format!("line {line}"), "UTF-8", error.to_string())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let object = |place: String, value: Value| match value {
        Value::Object(fields) => Ok((place, fields)),
        other => Err(wrong(place, "an object", shown(&other))),
    };
    let records: Vec<(String, Map<String, Value>)> = if text.trim_start().starts_with('[') {
        let values: Vec<Value> = serde_json::from_str(text).map_err(|error| {
            wrong(format!("line {}", error.line()), "a list of objects", error.to_string())
        })?;
        values
            .into_iter()
            .enumerate()
            .map(|(number, value)| object(format!("record {}", number + 1), value))
            .collect::<Result<_>>()?
    } else {
        // Not `lines`: a text may hold characters that end lines elsewhere, but a newline it holds escaped.
        let lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(number, line)| {
                let place = format!("line {}", number + 1);
                match serde_json::from_str(line) {
                    Ok(value) => object(place, value),
                    Err(error) => Err(wrong(place, "an object", error.to_string())),
                }
            })
            .collect::<Result<_>>()?
    };
    if records.is_empty() {
        return Err(wrong("line 1".to_owned(), "at least one record", "none".to_owned()));
    }
    let items = records.into_iter().enumerate();
    items.map(|(number, (place, fields))| read(&Record { name, path, number, place, fields })).collect()
}

impl Record<'_> {
    /// The data set's name and the record's number, from 0.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.name, self.number)
    }

    /// A text that may be empty.
    pub(super) fn text(&self, field: &str) -> Result<&str> {
        let value = self.value(field, "a text")?;
        value.as_str().ok_or_else(|| self.wrong(field, "a text", &shown(value)))
    }

    /// A text that is not empty.
    pub(super) fn filled(&self, field: &str) -> Result<&str> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            return Err(self.wrong(field, "a text", "an empty one"));
        }
        Ok(text)
    }

    /// A list of texts.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<&str>> {
        self.texts_in(field, self.value(field, "a list of texts")?)
    }

    /// A list of texts inside a value of this record.
    pub(super) fn texts_in<'v>(&self, field: &str, value: &'v Value) -> Result<Vec<&'v str>> {
        let list = value.as_array().ok_or_else(|| self.wrong(field, "a list of texts", &shown(value)))?;
        let text = |value: &'v Value| {
            value
                .as_str()
                .ok_or_else(|| self.wrong(field, "a list of texts", &format!("{} in it", shown(value))))
        };
        list.iter().map(text).collect()
    }

    /// A field of any kind, which has to be there.
    pub(super) fn value(&self, field: &str, expected: &str) -> Result<&Value> {
        self.fields.get(field).ok_or_else(|| self.wrong(field, expected, "no such field"))
    }

    /// What is wrong with a field.
    pub(super) fn wrong(&self, field: &str, expected: &str, found: &str) -> Error {
        Error::Record {
            name: self.name.to_owned(),
            path: self.path.to_owned(),
            place: self.place.as_str().into(),
            field: field.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// A found value in a few words.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing (null)".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            let short: String = text.chars().take(MAX_SHOWN).collect();
            format!("{short:?}")
        }
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(fields) => format!("an object of {}", fields.len()),
    }
}

/// Fields of an item.
pub(super) fn fields<const N: usize>(
    pairs: [(&str, String); N],
) -> std::collections::BTreeMap<String, String> {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}
