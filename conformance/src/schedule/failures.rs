//! Generated cases that failed, one of each kind, for the search of small ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::adapter::Lost;
use crate::case::{Case, Level, Source, Spec};
use crate::event::CaseEvent;
use crate::verdict::Outcome;

/// Cases that a child was asked, in order, by their indices.
pub(super) type Asked = Arc<Mutex<Vec<u32>>>;

/// What a child was asked before a case: so many of these.
pub(super) type Before = Option<(Asked, usize)>;

/// The check of a case whose child died, and which passes alone.
const STEADY: &str = "steady";

/// The check of measured memory: it can't be told from chance how little is too much.
const MEMORY: &str = "memory";

/// What a small case must miss, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missed {
    pub(super) check: String,
    pub(super) requirements: Vec<String>,
    pub(super) outcome: Kind,
}

/// How a check was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Fail,
    Crash,
    Timeout,
    /// The child was lost, and alone the case passes.
    Unsteady,
}

impl Kind {
    /// The outcome of the check when the loss or the miss comes about again.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Fail => Outcome::Fail,
            Self::Crash | Self::Unsteady => Outcome::Crash,
            Self::Timeout => Outcome::Timeout,
        }
    }
}

/// A failing case: the first of its kind, in the order of the cases.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Index in the cases of the run.
    pub(super) case: usize,
    pub(super) missed: Missed,
    /// What its child was asked before it: the cases up to this many.
    pub(super) before: Before,
}

/// Property, then what was missed.
type Group = (String, Missed);
/// Order of the cases of a property.
type Order = (u32, Spec);

/// Collects them.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<BTreeMap<Group, (Order, Failure)>>);

impl Failures {
    /// Takes what a case missed. `before` is what its child was asked when it failed.
    pub(super) fn add(&self, index: usize, case: &Case, event: &CaseEvent, before: Before) {
        let Source::Generated { index: number, .. } = case.source else { return };
        let Some(property) = case.id.rsplit_once('/').map(|(property, _)| property.to_owned()) else {
            return;
        };
        let missed = event
            .checks
            .iter()
            .filter(|check| check.missed() && check.level > Level::May && check.name != MEMORY);
        for check in missed {
            let outcome = match check.outcome {
                _ if check.name == STEADY => Kind::Unsteady,
                Outcome::Crash => Kind::Crash,
                Outcome::Timeout => Kind::Timeout,
                _ => Kind::Fail,
            };
            let missed =
                Missed { check: check.name.clone(), requirements: check.requirements.clone(), outcome };
            let failure = Failure { case: index, missed: missed.clone(), before: before.clone() };
            let order = (number, case.spec);
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get_mut(&(property.clone(), missed.clone())) {
                Some(first) if first.0 <= order => {}
                Some(first) => *first = (order, failure),
                None => _ = all.insert((property.clone(), missed), (order, failure)),
            }
        }
    }

    /// The first of each kind, by property and number.
    pub(super) fn in_order(&self) -> Vec<Failure> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all: Vec<(Group, (Order, Failure))> = all.into_iter().collect();
        all.sort_by(|(a, (first, _)), (b, (second, _))| (&a.0, first, &a.1).cmp(&(&b.0, second, &b.1)));
        all.into_iter().map(|(_, (_, failure))| failure).collect()
    }
}

/// Whether an answer was lost in the way that a kind means.
pub(super) fn is_lost(kind: Kind, lost: Option<&Lost>) -> bool {
    kind == Kind::Unsteady && lost.is_some_and(|lost| !matches!(lost, Lost::Timeout { .. }))
}
