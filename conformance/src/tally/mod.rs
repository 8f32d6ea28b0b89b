//! Events → verdicts: per requirement, per area, per profile, and the causes of what was missed.
//!
//! A verdict is a pure function of the event stream. A baseline never changes one.

mod cause;
mod merge;
mod profile;
#[cfg(test)]
pub(crate) mod sample;

use std::collections::{HashMap, HashSet};

pub use self::cause::{Cause, Miss};
pub use self::merge::{MergeError, merge};
pub use self::profile::{PROFILES, Profile, ProfileVerdict, Standing, profile_named};
use crate::{
    case::Level,
    check::CASES_PER_AREA,
    event::{AdapterExit, CaseEvent, Counterexample, Event, Probe, RequirementBrief, RunStart, Summary},
    http::{BINDING_OPS, is_peer_op},
    requirement::{Catalogue, Requirement, area_of},
    verdict::{Check, Outcome},
};

/// The operations of the contract's own table, without those of the HTTP binding. A requirement that can be judged through
/// them alone is asked of everyone; the further operations are an adapter's choice.
pub const CORE_OPS: &[&str] = &[
    "hello",
    "encode",
    "decode",
    "kv_encode",
    "kv_decode",
    "model_hash",
    "tokenizer_hash",
    "identity_extract",
    "hello_encode",
    "hello_decode",
    "resolve",
    "session_script",
    "json_encode",
    "json_decode",
    "target_norm",
    "realign_matrix",
    "realign_apply",
    "normalize",
    "soft_embed",
    "project_vocab",
    "project_overlap",
    "vocab_overlap",
    "validate_decide",
    "assess_transfer",
    "context_to_bytes",
    "context_from_bytes",
    "rss",
];

/// A run, put together from its events.
#[derive(Clone, Debug)]
pub struct Tally {
    /// What was run against what.
    pub start: RunStart,
    /// The questions that decide whether the answers can be believed.
    pub probes: Vec<Probe>,
    /// In the order of the areas, then by key: the order in which a run asks them is random and says nothing.
    pub cases: Vec<CaseEvent>,
    /// Failing generated cases made small, in the order in which they were found.
    pub counterexamples: Vec<Counterexample>,
    /// How children ended.
    pub exits: Vec<AdapterExit>,
    /// `None`: the stream was cut off.
    pub summary: Option<Summary>,
    /// A person stopped the run.
    pub interrupted: bool,
    /// In the order of the catalogue.
    pub requirements: Vec<RequirementVerdict>,
}

/// Why events are no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TallyError {
    /// The stream does not begin with `run.start`.
    #[error("these are no events of a run: the first one must be `run.start`")]
    NoStart,
    /// A second run begins in the middle.
    #[error("these are the events of more than one run; put them together with `merge`")]
    SecondStart,
    /// Written by a suite whose events mean something else.
    #[error("events of version {found}; this suite reads version {known}")]
    Version {
        /// In the stream.
        found: u32,
        /// What is understood.
        known: u32,
    },
}

/// What a requirement came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No check that speaks for it was made.
    NotRun,
    /// Only recorded: which legal branch was taken, or a miss that weighs nothing.
    Info,
    /// All checks hold.
    Pass,
    /// A check was missed that weighs as SHOULD.
    Warn,
    /// A check was missed that weighs as MUST.
    Fail,
}

/// One requirement and the checks that speak for it.
#[derive(Clone, Debug)]
pub struct RequirementVerdict {
    /// What it says.
    pub brief: RequirementBrief,
    /// What it came to.
    pub status: Status,
    /// It is a MUST, and at least one of its cases needs no more than the operations of the contract's own table.
    pub required: bool,
    /// Checks made.
    pub checks: usize,
    /// Of these, missed.
    pub missed: usize,
}

/// The requirements of one area, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AreaVerdict {
    /// E.g. `HDR`.
    pub code: String,
    /// For people.
    pub title: String,
    /// Requirements that hold.
    pub pass: usize,
    /// Requirements with a missed MUST.
    pub fail: usize,
    /// Requirements with a missed SHOULD.
    pub warn: usize,
    /// Requirements of which something was recorded.
    pub info: usize,
    /// Requirements of which nothing was asked.
    pub not_run: usize,
    /// Checks made.
    pub checks: usize,
    /// Of these, missed.
    pub missed: usize,
}

impl AreaVerdict {
    /// How many requirements of the area the run knows of.
    pub fn requirements(&self) -> usize {
        self.pass + self.fail + self.warn + self.info + self.not_run
    }

    fn add(&mut self, requirement: &RequirementVerdict) {
        *match requirement.status {
            Status::NotRun => &mut self.not_run,
            Status::Info => &mut self.info,
            Status::Pass => &mut self.pass,
            Status::Warn => &mut self.warn,
            Status::Fail => &mut self.fail,
        } += 1;
    }
}

impl Tally {
    /// Puts a run together.
    ///
    /// # Errors
    /// [`TallyError`] when the events are not those of one run.
    pub fn new(events: impl IntoIterator<Item = Event>) -> Result<Self, TallyError> {
        let mut events = events.into_iter();
        let Some(Event::RunStart(start)) = events.next() else { return Err(TallyError::NoStart) };
        if start.version != crate::event::EVENTS_VERSION {
            return Err(TallyError::Version { found: start.version, known: crate::event::EVENTS_VERSION });
        }
        let mut tally = Self {
            start: *start,
            probes: Vec::new(),
            cases: Vec::new(),
            counterexamples: Vec::new(),
            exits: Vec::new(),
            summary: None,
            interrupted: false,
            requirements: Vec::new(),
        };
        for event in events {
            match event {
                Event::RunStart(_) => return Err(TallyError::SecondStart),
                Event::Probe(probe) => tally.probes.push(probe),
                Event::Case(case) => tally.cases.push(*case),
                Event::Counterexample(found) => tally.counterexamples.push(*found),
                Event::AdapterExit(exit) => tally.exits.push(exit),
                Event::Summary(summary) => tally.summary = Some(summary),
                Event::Interrupted(summary) => {
                    tally.summary = Some(summary);
                    tally.interrupted = true;
                }
                Event::Unknown => {}
            }
        }
        tally.put_in_order();
        tally.requirements = tally.judge_requirements();
        Ok(tally)
    }

    /// Whether an honesty probe failed: whatever the answers say, they are not to be believed.
    pub fn is_dishonest(&self) -> bool {
        self.probes.iter().any(|probe| probe.passed == Some(false))
    }

    /// Whether every selected case was judged.
    pub fn is_complete(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.complete)
    }

    /// Whether the run was narrowed by more than areas and dialects, so that no verdict on a profile can be given.
    pub fn is_narrowed(&self) -> bool {
        self.start.selection.iter().any(|option| match option.split_once(' ') {
            Some(("--area" | "--profile" | "--spec", _)) => false,
            Some(("--cases", cases)) => cases.parse().is_ok_and(|cases: u32| cases < CASES_PER_AREA),
            _ => true,
        })
    }

    /// Whether anything at all was verified: a run in which nothing can fail is no success.
    pub fn verified_something(&self) -> bool {
        self.checks().any(|(_, check)| check.outcome == Outcome::Pass || check.missed())
    }

    /// All checks with their cases.
    pub fn checks(&self) -> impl Iterator<Item = (&CaseEvent, &Check)> {
        self.cases.iter().flat_map(|case| case.checks.iter().map(move |check| (case, check)))
    }

    /// Checks that were missed and count: MUST, and SHOULD too under `strict`.
    pub fn failures(&self, strict: bool) -> impl Iterator<Item = (&CaseEvent, &Check)> {
        self.checks().filter(move |(_, check)| check.missed() && counts(check.level, strict))
    }

    /// The requirement of that id, when the run knows of it.
    pub fn requirement(&self, id: &str) -> Option<&RequirementVerdict> {
        self.requirements.iter().find(|requirement| requirement.brief.id == id)
    }

    /// The areas, in the order of the catalogue.
    pub fn areas(&self) -> Vec<AreaVerdict> {
        let mut areas: Vec<AreaVerdict> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for requirement in &self.requirements {
            let code = area_of(&requirement.brief.id);
            let index = *places.entry(code).or_insert_with(|| {
                areas.push(AreaVerdict {
                    code: code.to_owned(),
                    title: area_title(code),
                    ..AreaVerdict::default()
                });
                areas.len() - 1
            });
            areas[index].add(requirement);
        }
        let mut met = Vec::new();
        for (_, check) in self.checks().filter(|(_, check)| check.outcome != Outcome::NotApplicable) {
            met.clear();
            met.extend(check.requirements.iter().filter_map(|id| places.get(area_of(id)).copied()));
            met.sort_unstable();
            met.dedup();
            for index in &met {
                areas[*index].checks += 1;
                areas[*index].missed += usize::from(check.missed() && check.level > Level::May);
            }
        }
        areas
    }

    /// Whether no case that was asked came out well: then it is not the cases that are wrong.
    pub fn everything_fails(&self) -> bool {
        /// From so many cases on, a total failure says more about the adapter than about the implementation.
        const ENOUGH: usize = 10;
        let asked = self.cases.iter().filter(|case| case.ran());
        asked.clone().count() >= ENOUGH && asked.clone().all(CaseEvent::missed)
    }

    /// Whether every case that was asked ended with an operation that is declared and answered as unsupported.
    pub fn supports_nothing(&self) -> bool {
        let unsupported = |check: &Check| {
            check.missed() && check.actual.as_str().is_some_and(|actual| actual.starts_with("unsupported: "))
        };
        let mut asked = self.cases.iter().filter(|case| case.ran()).peekable();
        asked.peek().is_some() && asked.all(|case| case.checks.iter().any(unsupported))
    }

    fn put_in_order(&mut self) {
        let catalogue = Catalogue::embedded();
        let rank: HashMap<String, usize> = catalogue
            .areas()
            .iter()
            .enumerate()
            .map(|(rank, area)| (area.code.to_ascii_lowercase(), rank))
            .collect();
        let rank_of = |id: &str| {
            let area = id.split('/').next().unwrap_or_default();
            rank.get(area).copied().unwrap_or(usize::MAX)
        };
        self.cases.sort_by_cached_key(|case| (rank_of(&case.id), case.key.clone()));
    }

    fn judge_requirements(&self) -> Vec<RequirementVerdict> {
        let mut found: HashMap<&str, (Status, usize, usize)> = HashMap::new();
        let levels: HashMap<&str, Level> =
            self.start.requirements.iter().map(|brief| (brief.id.as_str(), brief.level)).collect();
        for (_, check) in self.checks() {
            let own = |id: &String| levels.get(id.as_str()).copied().unwrap_or(check.level);
            // Above the weight of all its requirements is a check whose verdict the ambiguity list settles.
            let settled = check.requirements.iter().map(own).all(|level| level < check.level);
            for id in &check.requirements {
                let level = if settled { check.level } else { own(id).min(check.level) };
                let (status, checks, missed) = found.entry(id).or_insert((Status::NotRun, 0, 0));
                *status = (*status).max(status_of(check.outcome, level));
                *checks += usize::from(check.outcome != Outcome::NotApplicable);
                *missed += usize::from(check.missed());
            }
        }
        let catalogue = Catalogue::embedded();
        let asked_of_everyone = self.asked_of_everyone();
        // What every case can break without naming it, such as staying alive, is there when it was broken.
        let implied = found
            .iter()
            .filter(|(id, (_, _, missed))| *missed > 0 && !levels.contains_key(*id))
            .filter_map(|(id, _)| catalogue.get(id))
            .map(brief_of);
        let mut verdicts: Vec<RequirementVerdict> = self
            .start
            .requirements
            .iter()
            .cloned()
            .chain(implied)
            .map(|brief| {
                let (status, checks, missed) =
                    found.get(brief.id.as_str()).copied().unwrap_or((Status::NotRun, 0, 0));
                let required = brief.level == Level::Must && asked_of_everyone.contains(brief.id.as_str());
                RequirementVerdict { brief, status, required, checks, missed }
            })
            .collect();
        let ids = catalogue.requirements().iter().map(|known| known.id.as_str());
        let ranks: HashMap<&str, usize> = ids.enumerate().map(|(rank, id)| (id, rank)).collect();
        let rank = |id: &str| ranks.get(id).copied().unwrap_or(usize::MAX);
        // Of those that the catalogue does not know, by id.
        verdicts.sort_by_cached_key(|verdict| (rank(&verdict.brief.id), verdict.brief.id.clone()));
        verdicts
    }

    /// Requirements with a case that needs no more than the operations of the contract's own table. Those of the HTTP
    /// binding are an adapter's choice as a whole; who declares one of them is asked all that can be asked with it.
    fn asked_of_everyone(&self) -> HashSet<&str> {
        let asked = |op: &String| {
            let declared = || BINDING_OPS.contains(&op.as_str()) && self.start.hello.ops.contains(op);
            CORE_OPS.contains(&op.as_str()) || is_peer_op(op) || declared()
        };
        let core = |case: &&CaseEvent| case.ops.iter().all(asked);
        self.cases.iter().filter(core).flat_map(|case| case.requirements.iter().map(String::as_str)).collect()
    }
}

/// Whether a miss of that weight fails.
pub fn counts(level: Level, strict: bool) -> bool {
    level == Level::Must || strict && level == Level::Should
}

fn status_of(outcome: Outcome, level: Level) -> Status {
    match outcome {
        Outcome::NotApplicable => Status::NotRun,
        Outcome::Info => Status::Info,
        Outcome::Pass => Status::Pass,
        Outcome::Fail | Outcome::Crash | Outcome::Timeout => match level {
            Level::Must => Status::Fail,
            Level::Should => Status::Warn,
            Level::May => Status::Info,
        },
    }
}

fn brief_of(requirement: &Requirement) -> RequirementBrief {
    RequirementBrief {
        id: requirement.id.clone(),
        level: requirement.effective_level(),
        basis: requirement.basis,
        sentence: requirement.sentence.clone(),
        source: requirement.source.clone(),
    }
}

fn area_title(code: &str) -> String {
    Catalogue::embedded().area(code).map(|area| area.title.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
