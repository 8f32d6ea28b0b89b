//! REPLY → SCORE: what a model wrote, held against what is known.

pub mod choice;
pub mod classeval;
pub mod debugbench;
mod formula;
pub mod gsm8k;
pub mod hotpot;
pub mod humaneval;
mod kind;
pub mod math;
mod python;
mod rational;
mod said;
mod term;
mod tex;
mod unit;
mod upstream;

use std::collections::BTreeMap;

use regex_lite::Regex;

pub use kind::Scorer;

/// The mark of the upstream project's scorer.
pub const COMPAT: &str = "compat";

/// The mark of an item that no reply can be right for.
pub const UNSCOREABLE: &str = "unscoreable";

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

/// Marks by name.
fn mark<const N: usize>(marks: [(&str, f64); N]) -> BTreeMap<String, f64> {
    marks.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A pattern written in this program.
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern that a test has tried")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wording_tests;
