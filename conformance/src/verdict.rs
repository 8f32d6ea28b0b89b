//! What a check came to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::case::Level;

/// How a single check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As required.
    Pass,
    /// Not as required.
    Fail,
    /// The child died (or caught a panic and said so).
    Crash,
    /// No answer in time, confirmed alone in a fresh child.
    Timeout,
    /// A legal branch was taken, or something worth knowing was seen.
    Info,
    /// Not run: the operation or feature is not declared.
    NotApplicable,
}

/// One check of one case. Its full name is `case-id@spec#name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// `accepts`, `rejects`, `code`, `metadata`, `payload`, …
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Requirement ids that it speaks for.
    pub requirements: Vec<String>,
    /// Weight: the level of the weightiest requirement after caps (proposed ones warn at most, `#code` too).
    pub level: Level,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// What was there.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub actual: Value,
    /// One sentence for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Which step, for cases of several.
    #[serde(default)]
    pub step: usize,
}

impl Check {
    /// Whether this counts against the implementation at all.
    pub fn missed(&self) -> bool {
        matches!(self.outcome, Outcome::Fail | Outcome::Crash | Outcome::Timeout)
    }
}
