//! REPLY → SCORE: what a model wrote, held against what is known.

use std::collections::BTreeMap;

/// What a reply is worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// What was taken for the answer; nothing where none was found.
    pub answer: Option<String>,
    /// Whether that is right.
    pub right: bool,
    /// Further marks by name, each from 0 to 1: what another scorer says (`compat`, by the upstream project's rules), or a part of
    /// the answer that is right (`f1`).
    pub marks: BTreeMap<String, f64>,
    /// Why nothing could be scored; says nothing about the reply.
    pub error: Option<String>,
}
