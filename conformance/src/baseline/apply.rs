//! Baseline × what a run saw → what was expected, what is stale, what is wrong with the baseline.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use super::{Baseline, Date, Entry, Kind, Pattern};
use crate::{
    event::CaseEvent,
    glob::nearest,
    verdict::{Check, Outcome},
};

/// What a run saw, as a baseline looks at it: cases, and under each the outcomes of its checks by name. A check that
/// was made of several steps counts by its worst outcome.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    cases: BTreeMap<String, BTreeMap<String, Outcome>>,
    unselected: Vec<String>,
}

impl Seen {
    /// Of the cases of a run.
    pub fn new<'a>(cases: impl IntoIterator<Item = &'a CaseEvent>) -> Self {
        let mut seen = Self::default();
        for case in cases {
            seen.add(&case.key, &case.checks);
        }
        seen
    }

    /// Adds what one case came to.
    pub fn add(&mut self, key: &str, checks: &[Check]) {
        let case = self.cases.entry(key.to_owned()).or_default();
        for check in checks {
            let worst = case.entry(check.name.clone()).or_insert(check.outcome);
            if weight(check.outcome) > weight(*worst) {
                *worst = check.outcome;
            }
        }
    }

    /// Names cases that exist and were not asked for in this run: an entry that speaks for one of them is not wrong.
    #[must_use]
    pub fn with_unselected(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.unselected = keys.into_iter().filter(|key| !self.cases.contains_key(key)).collect();
        self
    }

    pub(super) fn unselected(&self) -> &[String] {
        &self.unselected
    }

    /// The cases that a pattern speaks for. Keys are in order, so that only those are looked at that begin as it does:
    /// hundreds of patterns are held against tens of thousands of cases.
    fn fitting<'s>(
        &'s self,
        pattern: &'s Pattern,
    ) -> impl Iterator<Item = (&'s String, &'s BTreeMap<String, Outcome>)> {
        let prefix = pattern.prefix();
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let near = self.cases.range::<str, _>(from).take_while(move |(key, _)| key.starts_with(prefix));
        near.filter(|(key, _)| pattern.fits_case(key))
    }

    /// The checks of a case by name.
    pub(super) fn cases(&self) -> &BTreeMap<String, BTreeMap<String, Outcome>> {
        &self.cases
    }
}

fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::NotApplicable => 0,
        Outcome::Info => 1,
        Outcome::Pass => 2,
        Outcome::Fail => 3,
        Outcome::Timeout => 4,
        Outcome::Crash => 5,
    }
}

/// What a baseline has to say about a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// No entry speaks for it.
    Unexpected,
    /// Listed, and just as listed.
    Expected(&'a Entry),
    /// Listed, and it shows itself in another way now.
    OtherKind(&'a Entry),
    /// Listed, and the entry's date has passed.
    Expired(&'a Entry),
}

/// Something that is wrong with the baseline itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A pattern fits no case or check of the suite.
    Unmatched {
        /// The pattern.
        pattern: String,
        /// The name that it may have meant.
        nearest: Option<String>,
    },
    /// Two entries claim one check.
    Overlap {
        /// `case@spec#check`.
        check: String,
        /// 1 for the first entry of the file.
        entries: (usize, usize),
    },
    /// An entry fits more deviations than it allows itself.
    OverMax {
        /// The entry's first pattern.
        pattern: String,
        /// What it allows.
        max: usize,
        /// What it fits.
        found: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmatched { pattern, nearest } => {
                write!(f, "\"{pattern}\" fits no check of this suite")?;
                match nearest {
                    None => Ok(()),
                    Some(name) => write!(f, "; did you mean \"{name}\"?"),
                }
            }
            Self::Overlap { check, entries: (first, second) } => {
                write!(
                    f,
                    "{check} is claimed by entry {first} and by entry {second}; leave it to one of them"
                )
            }
            Self::OverMax { pattern, max, found } => {
                write!(f, "\"{pattern}\" fits {found} deviations, and its max is {max}")
            }
        }
    }
}

/// A baseline held against a run.
#[derive(Clone, Debug)]
pub struct Applied<'a> {
    standings: BTreeMap<(String, String), Standing<'a>>,
    /// `case@spec` or `case@spec#check` of listed deviations that are gone, each with its entry.
    pub stale: Vec<(String, &'a Entry)>,
    /// What is wrong with the baseline.
    pub problems: Vec<Problem>,
}

impl<'a> Applied<'a> {
    /// What the baseline says about a deviation: a check that was missed or not run.
    pub fn standing(&self, key: &str, check: &str) -> Standing<'a> {
        self.standings.get(&(key.to_owned(), check.to_owned())).copied().unwrap_or(Standing::Unexpected)
    }

    /// How many deviations are just as listed.
    pub fn expected(&self) -> usize {
        self.standings.values().filter(|standing| matches!(standing, Standing::Expected(_))).count()
    }
}

impl Baseline {
    /// Holds the baseline against what a run saw. `today` decides which entries have expired.
    ///
    /// An entry speaks for a case when at least one of the checks that it fits deviates there; so `case#check` is stale as
    /// soon as that check passes, and `case` as soon as all of the case's checks do. An entry of kind `not_run` is stale
    /// when everything that it fits was run.
    pub fn apply(&self, seen: &Seen, today: Date) -> Applied<'_> {
        let mut applied = Applied { standings: BTreeMap::new(), stale: Vec::new(), problems: Vec::new() };
        let mut owners: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let expired = entry.until.is_some_and(|until| today >= until);
            let (mut found, mut ran) = (0, false);
            // A case that two of its patterns speak for is one.
            let cases: BTreeMap<_, _> =
                entry.patterns.iter().flat_map(|pattern| seen.fitting(pattern)).collect();
            for (key, checks) in cases {
                let fitting: Vec<_> = checks.iter().filter(|(name, _)| entry.fits(key, name)).collect();
                if fitting.is_empty() {
                    continue;
                }
                ran = true;
                let mut deviates = false;
                for (name, outcome) in &fitting {
                    let Some(standing) = entry.standing(**outcome, expired) else { continue };
                    deviates = true;
                    found += 1;
                    let check = (key.clone(), (*name).clone());
                    match owners.get(&check) {
                        Some(first) => applied.problems.push(Problem::Overlap {
                            check: format!("{key}#{name}"),
                            entries: (first + 1, index + 1),
                        }),
                        None => {
                            owners.insert(check.clone(), index);
                            applied.standings.insert(check, standing);
                        }
                    }
                }
                if !deviates && entry.can_be_stale(fitting.iter().map(|(_, outcome)| **outcome)) {
                    applied.stale.push((entry.stale_name(key, &fitting), entry));
                }
            }
            if entry.kind == Kind::NotRun && found == 0 && ran {
                applied.stale.push((entry.patterns[0].to_string(), entry));
            }
            if let Some(max) = entry.max.filter(|max| found > *max) {
                applied.problems.push(Problem::OverMax {
                    pattern: entry.patterns[0].to_string(),
                    max,
                    found,
                });
            }
            applied.problems.extend(entry.unmatched(seen));
        }
        applied
    }

    /// Patterns that fit none of the suite's cases: known before anything is run.
    pub fn unmatched_cases<'k>(&self, keys: impl IntoIterator<Item = &'k str> + Clone) -> Vec<Problem> {
        let patterns = self.entries.iter().flat_map(|entry| &entry.patterns);
        patterns
            .filter(|pattern| !keys.clone().into_iter().any(|key| pattern.fits_case(key)))
            .map(|pattern| unmatched(pattern, keys.clone()))
            .collect()
    }
}

impl Entry {
    /// Whether one of its patterns speaks for the check.
    pub fn fits(&self, key: &str, check: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.fits(key, check))
    }

    fn standing(&self, outcome: Outcome, expired: bool) -> Option<Standing<'_>> {
        let kind = Kind::of(outcome)?;
        // What was not run says nothing about how it fails, and the other way round.
        if (kind == Kind::NotRun) != (self.kind == Kind::NotRun) {
            return None;
        }
        Some(match self.kind.expects(outcome) {
            true if expired => Standing::Expired(self),
            true => Standing::Expected(self),
            false => Standing::OtherKind(self),
        })
    }

    /// A check that was not run says nothing about an entry that expects it to fail, and a flaky one may pass. What an
    /// implementation leaves out is described in broad strokes: such an entry is looked at as a whole.
    fn can_be_stale(&self, outcomes: impl IntoIterator<Item = Outcome>) -> bool {
        !matches!(self.kind, Kind::Flaky | Kind::NotRun)
            && outcomes.into_iter().any(|outcome| outcome != Outcome::NotApplicable)
    }

    fn stale_name(&self, key: &str, fitting: &[(&String, &Outcome)]) -> String {
        match fitting {
            [(name, _)] => format!("{key}#{name}"),
            _ => key.to_owned(),
        }
    }

    fn unmatched(&self, seen: &Seen) -> Vec<Problem> {
        let fits_something = |pattern: &&Pattern| {
            let fits_seen =
                seen.fitting(pattern).any(|(key, checks)| checks.keys().any(|name| pattern.fits(key, name)));
            fits_seen || seen.unselected.iter().any(|key| pattern.fits_case(key))
        };
        // A case that was not run, or that died on the way, lacks the checks that it usually has.
        let cut_short = |pattern: &&Pattern| {
            seen.fitting(pattern).any(|(_, checks)| {
                checks.values().any(|outcome| {
                    matches!(outcome, Outcome::NotApplicable | Outcome::Crash | Outcome::Timeout)
                })
            })
        };
        let wrong: Vec<&Pattern> =
            self.patterns.iter().filter(|pattern| !fits_something(pattern) && !cut_short(pattern)).collect();
        if wrong.is_empty() {
            return Vec::new();
        }
        let names: Vec<String> = seen
            .cases()
            .iter()
            .flat_map(|(key, checks)| checks.keys().map(move |name| format!("{key}#{name}")))
            .collect();
        wrong.iter().map(|pattern| unmatched(pattern, names.iter().map(String::as_str))).collect()
    }
}

/// Offers names in the form in which the pattern was written.
fn unmatched<'k>(pattern: &Pattern, names: impl IntoIterator<Item = &'k str>) -> Problem {
    let shortened: Vec<String> = names.into_iter().map(|name| like(pattern, name)).collect();
    let near = nearest(pattern.as_str(), shortened.iter().map(String::as_str));
    Problem::Unmatched { pattern: pattern.to_string(), nearest: near.first().map(|name| (*name).to_owned()) }
}

fn like(pattern: &Pattern, name: &str) -> String {
    let (key, check) = name.split_once('#').unwrap_or((name, ""));
    let (id, spec) = key.split_once('@').unwrap_or((key, ""));
    let mut text = id.to_owned();
    if pattern.as_str().contains('@') {
        text = format!("{text}@{spec}");
    }
    if pattern.as_str().contains('#') && !check.is_empty() {
        text = format!("{text}#{check}");
    }
    text
}

#[cfg(test)]
mod tests;
