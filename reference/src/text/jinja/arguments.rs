//! What a call is given.

use super::{value::Value, wrong};
use crate::error::Result;

/// Arguments by place and by name.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(String, Value)>,
}

impl Arguments {
    pub(super) fn get(&self, at: usize, name: &str) -> Option<&Value> {
        self.positional
            .get(at)
            .or_else(|| self.named.iter().find(|(key, _)| key == name).map(|(_, value)| value))
    }

    pub(super) fn need(&self, at: usize, name: &str) -> Result<&Value> {
        self.get(at, name).ok_or_else(|| wrong(format!("an argument {name}"), "none"))
    }

    /// A text; nothing where there is none, or `None`.
    pub(super) fn text(&self, at: usize, name: &str) -> Result<Option<&str>> {
        match self.get(at, name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(format!("a str as {name}"), other.kind())),
        }
    }

    pub(super) fn need_text(&self, at: usize, name: &str) -> Result<&str> {
        self.text(at, name)?.ok_or_else(|| wrong(format!("a str as {name}"), "none"))
    }

    /// A whole number; nothing where there is none, or `None`.
    pub(super) fn int(&self, at: usize, name: &str) -> Result<Option<i64>> {
        match self.get(at, name) {
            None | Some(Value::None) => Ok(None),
            Some(value) => match value.as_int() {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(format!("an int as {name}"), value.kind())),
            },
        }
    }

    pub(super) fn flag(&self, at: usize, name: &str) -> bool {
        self.get(at, name).is_some_and(Value::is_true)
    }
}
