//! Events → text, HTML, JSON, JUnit, Markdown, SARIF, badges, annotations.
//!
//! Every report is a pure function of a [`Tally`] (and so of the event stream) and, where there is one, of the baseline
//! that was held against it.

pub mod badge;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod numbers;
pub mod sarif;
pub mod text;
pub mod verdict;
pub(crate) mod words;

pub use words::{short, spaced};

use crate::{
    baseline::Applied,
    event::CaseEvent,
    tally::{Profile, Standing, Tally},
    verdict::Check,
};

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The run.
    pub tally: &'a Tally,
    /// The baseline that was held against it.
    pub baseline: Option<&'a Applied<'a>>,
    /// A missed SHOULD fails.
    pub strict: bool,
    /// The profile that the verdict speaks of.
    pub profile: &'a Profile,
}

impl<'a> Subject<'a> {
    /// A run without a baseline, judged for everything.
    pub fn new(tally: &'a Tally) -> Self {
        let full = &crate::tally::PROFILES[crate::tally::PROFILES.len() - 1];
        Self { tally, baseline: None, strict: false, profile: full }
    }

    /// What the run says about the profile; `None` when it asked nothing of it.
    pub fn standing(&self) -> Option<Standing> {
        self.tally.profile(self.profile, self.strict).map(|verdict| verdict.standing)
    }

    /// What the baseline says about a missed check.
    fn listed(&self, case: &CaseEvent, check: &Check) -> crate::baseline::Standing<'a> {
        let unlisted = crate::baseline::Standing::Unexpected;
        self.baseline.map_or(unlisted, |baseline| baseline.standing(&case.key, &check.name))
    }
}
