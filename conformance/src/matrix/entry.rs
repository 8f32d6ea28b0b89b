//! One implementation: a run, reduced to what a page of many can show.

use std::collections::{BTreeMap, BTreeSet};

use super::example::Example;
use crate::case::Spec;
use crate::report::words;
use crate::tally::{AreaVerdict, PROFILES, ProfileVerdict, Standing, Status, Tally};

/// One column of the matrix.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name and version.
    pub label: String,
    /// Name of the implementation.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The language that it is written in.
    pub language: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an implementation.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was judged.
    Judged(Box<Verdicts>),
    /// It could not be run, and why.
    Absent(String),
}

/// The verdicts of a run.
#[derive(Clone, Debug)]
pub struct Verdicts {
    /// Dialects that were run.
    pub specs: Vec<Spec>,
    /// Operations that it declares.
    pub ops: BTreeSet<String>,
    /// The verdict on everything; `None` when nothing was asked.
    pub full: Option<ProfileVerdict>,
    /// The verdicts on the smaller profiles.
    pub profiles: Vec<ProfileVerdict>,
    /// The areas, in the order of the catalogue.
    pub areas: Vec<AreaVerdict>,
    /// Its requirements, by id.
    pub cells: BTreeMap<String, Cell>,
    /// Why the run ended early; empty when it did not.
    pub stopped: String,
    /// Cases that were asked.
    pub ran: usize,
    /// Digest of the golden vectors.
    pub vectors: String,
    /// Version of the suite.
    pub suite: String,
    /// The seed.
    pub seed: u64,
    /// The run was narrowed to a part of the suite.
    pub narrowed: bool,
    /// The options that mean this implementation, where they mean it on every machine.
    pub repeat: String,
}

/// One requirement of one implementation.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What it came to.
    pub status: Status,
    /// Checks made.
    pub checks: usize,
    /// Of these, missed.
    pub missed: usize,
    /// One of the missed, where it counts.
    pub example: Option<Example>,
}

impl Entry {
    /// Reduces a run.
    pub fn of(tally: &Tally) -> Self {
        let hello = &tally.start.hello;
        let all = tally.profiles(false);
        let last = PROFILES[PROFILES.len() - 1].name;
        let (full, profiles): (Vec<_>, Vec<_>) = all.into_iter().partition(|profile| profile.name == last);
        let mut examples = Example::of_each(tally);
        let cells = tally
            .requirements
            .iter()
            .map(|requirement| {
                let counts = matches!(requirement.status, Status::Fail | Status::Warn);
                let example = examples.remove(&requirement.brief.id).filter(|_| counts);
                let cell = Cell {
                    status: requirement.status,
                    checks: requirement.checks,
                    missed: requirement.missed,
                    example,
                };
                (requirement.brief.id.clone(), cell)
            })
            .collect();
        let stopped = match &tally.summary {
            None => "the recording ends in the middle of the run".to_owned(),
            Some(summary) if summary.complete => String::new(),
            Some(summary) => {
                format!("{} of {} cases judged: {}", summary.cases, summary.selected, summary.stopped)
            }
        };
        let verdicts = Verdicts {
            specs: tally.start.specs.clone(),
            ops: hello.ops.iter().cloned().collect(),
            full: full.into_iter().next(),
            profiles,
            areas: tally.areas(),
            cells,
            stopped,
            ran: tally.cases.iter().filter(|case| case.ran()).count(),
            vectors: tally.start.vectors.clone(),
            suite: tally.start.suite.clone(),
            seed: tally.start.seed,
            repeat: match tally.start.repeat.as_str() {
                everywhere if everywhere.is_empty() || everywhere.starts_with("--adapter ") => {
                    everywhere.to_owned()
                }
                _ => "-- COMMAND".to_owned(),
            },
            narrowed: tally.is_narrowed() || !tally.start.unselected.is_empty(),
        };
        Self {
            label: words::implementation(&tally.start),
            name: hello.name.clone(),
            version: hello.version.clone(),
            language: hello.language.clone(),
            outcome: Outcome::Judged(Box::new(verdicts)),
        }
    }

    /// An implementation that could not be run.
    pub fn absent(name: &str, version: &str, why: impl Into<String>) -> Self {
        Self {
            label: if version.is_empty() { name.to_owned() } else { format!("{name} {version}") },
            name: name.to_owned(),
            version: version.to_owned(),
            language: String::new(),
            outcome: Outcome::Absent(why.into()),
        }
    }

    /// The version, or the name where there is none: for narrow columns beside those of the same implementation.
    pub fn short(&self) -> &str {
        if self.version.is_empty() { &self.label } else { &self.version }
    }

    /// The verdicts, when there are any.
    pub fn verdicts(&self) -> Option<&Verdicts> {
        match &self.outcome {
            Outcome::Judged(verdicts) => Some(verdicts),
            Outcome::Absent(_) => None,
        }
    }

    /// What a requirement came to; `None` when the run did not know of it.
    pub fn cell(&self, id: &str) -> Option<&Cell> {
        self.verdicts()?.cells.get(id)
    }
}

impl Verdicts {
    /// The verdict in words, and whether it is a good one.
    pub fn verdict(&self) -> (String, Option<bool>) {
        if !self.stopped.is_empty() {
            return (format!("ended early: {}", self.stopped), Some(false));
        }
        match &self.full {
            None => ("nothing was asked".to_owned(), None),
            Some(full) => match full.standing {
                Standing::Conformant => ("conformant".to_owned(), Some(true)),
                Standing::NotConformant => {
                    (format!("breaks {}", words::count(full.broken.len(), "requirement")), Some(false))
                }
                Standing::Incomplete => (
                    format!("breaks nothing, {} of {} not verified", full.unverified.len(), full.required),
                    None,
                ),
                Standing::NotJudged => ("no verdict: the run was narrowed".to_owned(), None),
            },
        }
    }

    /// How many requirements came to that.
    pub fn count(&self, status: Status) -> usize {
        self.cells.values().filter(|cell| cell.status == status).count()
    }
}
