//! Known deviations of an implementation: what a run is expected to find.
//!
//! A baseline changes the exit code of a run, never its verdict: a listed failure is still a failure against its
//! requirement. Every entry is run. An entry whose checks pass is stale, an entry that fits nothing is an error, and so
//! are two entries that claim the same check.
//!
//! ```toml
//! [[expect]]
//! check  = "cmp/zstd-bomb/*#rejects"   # a pattern, or a list of patterns
//! kind   = "fail"                      # fail, crash, timeout, flaky, not_run
//! reason = "decompression has no output limit"
//! issue  = "https://example.org/issues/12"   # optional
//! max    = 6                           # optional: most checks the entry may cover
//! until  = "2027-01-01"                # optional: from that day on the entry no longer excuses
//! ```
//!
//! A pattern is `case`, `case@spec`, `case#check` or `case@spec#check`; a part that is left out stands for all.
//! Wildcards are those of [`crate::glob`].

mod apply;
mod parse;
mod update;

use std::fmt;

pub use apply::{Applied, Problem, Seen, Standing};
pub use chrono::NaiveDate as Date;
pub use parse::ParseError;
use serde::Deserialize;
pub use update::{Change, Deviation, Update, update};

use crate::{glob::Glob, verdict::Outcome};

/// The known deviations of one implementation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

/// One known deviation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The checks that it speaks for.
    pub patterns: Vec<Pattern>,
    /// How they end.
    pub kind: Kind,
    /// Why, for people.
    pub reason: String,
    /// Where it is tracked.
    pub issue: Option<String>,
    /// Most checks that it may excuse.
    pub max: Option<usize>,
    /// The first day on which it no longer excuses anything.
    pub until: Option<Date>,
}

/// How a deviation shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The check fails.
    Fail,
    /// The implementation dies or reports a fault.
    Crash,
    /// No answer in time.
    Timeout,
    /// It may pass or miss in any way.
    Flaky,
    /// The operation or feature is not declared, so that the case is not run. The pattern may be broad: it speaks only for
    /// what is not run.
    NotRun,
}

impl Kind {
    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Crash => "crash",
            Self::Timeout => "timeout",
            Self::Flaky => "flaky",
            Self::NotRun => "not_run",
        }
    }

    /// The kind that an outcome would be listed under; `None` for outcomes that need no entry.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Fail => Some(Self::Fail),
            Outcome::Crash => Some(Self::Crash),
            Outcome::Timeout => Some(Self::Timeout),
            Outcome::NotApplicable => Some(Self::NotRun),
            Outcome::Pass | Outcome::Info => None,
        }
    }

    /// Whether an entry of this kind expects that outcome.
    pub fn expects(self, outcome: Outcome) -> bool {
        match self {
            Self::Flaky => matches!(outcome, Outcome::Fail | Outcome::Crash | Outcome::Timeout),
            kind => Self::of(outcome) == Some(kind),
        }
    }
}

/// `case[@spec][#check]`, with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    case: Glob,
    check: Option<Glob>,
}

impl Pattern {
    /// Takes the pattern apart; every text is a valid pattern.
    pub fn new(text: &str) -> Self {
        let (case, check) = match text.split_once('#') {
            Some((case, check)) => (case, Some(Glob::new(check))),
            None => (text, None),
        };
        Self { text: text.to_owned(), case: Glob::new(case), check }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the key of every case that it speaks for begins with.
    pub fn prefix(&self) -> &str {
        self.case.prefix()
    }

    /// Whether it speaks for the case `id@spec`, whatever the check.
    pub fn fits_case(&self, key: &str) -> bool {
        let named = if self.case.as_str().contains('@') { key } else { key.split('@').next().unwrap_or(key) };
        self.case.matches(named)
    }

    /// Whether it speaks for the check called `name` of the case `id@spec`.
    pub fn fits(&self, key: &str, name: &str) -> bool {
        self.fits_case(key) && self.check.as_ref().is_none_or(|wanted| wanted.matches(name))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
