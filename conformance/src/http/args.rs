//! What a step of the harness is told.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{DEFAULT_WITHIN, MAX_WITHIN};

/// A step that can't be taken as the case has it, or no means to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadArgs(pub(super) &'static str);

/// Arguments of a step.
pub(super) struct Args<'a> {
    map: &'a Map<String, Value>,
    scale: f64,
}

impl<'a> Args<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, scale: f64) -> Self {
        Self { map, scale }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn object(&self, key: &str) -> Option<&'a Map<String, Value>> {
        self.get(key).and_then(Value::as_object)
    }

    /// A count; an error when there is something else.
    pub(super) fn count(&self, key: &'static str) -> Result<Option<u64>, BadArgs> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(BadArgs("a count is a whole number from 0")),
        }
    }

    /// `within_ms`, on this machine.
    pub(super) fn within(&self) -> Result<Duration, BadArgs> {
        let time = self.count("within_ms")?.map_or(DEFAULT_WITHIN, Duration::from_millis).min(MAX_WITHIN);
        let scale = if self.scale > 0.0 { self.scale } else { 1.0 };
        Ok(Duration::try_from_secs_f64(time.as_secs_f64() * scale).unwrap_or(MAX_WITHIN))
    }
}
