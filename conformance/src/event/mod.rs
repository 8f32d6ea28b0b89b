//! The NDJSON event stream of a run: every report is a pure function of it.
//!
//! One event a line, one JSON object an event, told apart by the key `event`. The first is `run.start`, the last is
//! `summary` or `interrupted`; whoever reads a stream without either has a run that was cut off.

mod counterexample;
mod dump;
mod stream;
mod ulp;

use serde::{Deserialize, Serialize};

pub use self::counterexample::{Counterexample, Earlier};
pub use self::dump::{Annotate, AnswerDump, DUMP_BYTES, Dissector, NoAnnotations, PartDump, StepDump};
pub use self::stream::{EventWriter, ReadError, read_events};
pub use self::ulp::{ULP_BUCKETS, UlpErrors, add_errors};

use crate::adapter::Hello;
use crate::case::{Level, PatchedRange, Source, Spec};
use crate::requirement::Basis;
use crate::verdict::{Check, Outcome};

/// Version of this format. It rises when a reader of the old form would misread the new one; new keys and new events
/// do not raise it, readers skip what they do not know.
pub const EVENTS_VERSION: u32 = 1;

/// One line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// What is run, against what. Always first.
    #[serde(rename = "run.start")]
    RunStart(Box<RunStart>),
    /// A question that decides whether the answers can be believed.
    #[serde(rename = "probe")]
    Probe(Probe),
    /// One case with all its checks.
    #[serde(rename = "case")]
    Case(Box<CaseEvent>),
    /// A failing generated case, made small. After the cases.
    #[serde(rename = "counterexample")]
    Counterexample(Box<Counterexample>),
    /// A child ended.
    #[serde(rename = "adapter.exit")]
    AdapterExit(AdapterExit),
    /// The run is over; all selected cases were judged unless `complete` is false.
    #[serde(rename = "summary")]
    Summary(Summary),
    /// A person stopped the run. What stands before holds. Always last.
    #[serde(rename = "interrupted")]
    Interrupted(Summary),
    /// An event of a later version of the suite.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Event {
    /// The same without what two runs of one seed differ in though nothing else does: times, and how many children there
    /// were, which depends on the number of cores and of parts. What is left, and every report on it, has the same bytes.
    #[must_use]
    pub fn without_times(mut self) -> Self {
        match &mut self {
            Self::RunStart(start) => start.started = 0,
            Self::Case(case) => case.duration_ms = 0.0,
            Self::Summary(summary) | Self::Interrupted(summary) => {
                summary.children = 0;
                summary.duration_ms = 0.0;
            }
            Self::Probe(_) | Self::Counterexample(_) | Self::AdapterExit(_) | Self::Unknown => {}
        }
        self
    }
}

/// Provenance of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStart {
    /// [`EVENTS_VERSION`].
    pub version: u32,
    /// Version of the suite.
    pub suite: String,
    /// Digest of the vectors that were loaded (hex), or empty when none were.
    pub vectors: String,
    /// Seconds since 1970, UTC.
    pub started: u64,
    /// How the adapter is started, for people.
    pub adapter: String,
    /// The same as it is typed, for the command that repeats a case: `--adapter NAME@VERSION` or `-- COMMAND`. Empty for
    /// the built-in reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repeat: String,
    /// What the adapter said of itself.
    pub hello: Hello,
    /// Decides the order of the cases.
    pub seed: u64,
    /// How the cases were selected, for people and for a repeat: one entry an option.
    pub selection: Vec<String>,
    /// Dialects that are run.
    pub specs: Vec<Spec>,
    /// How many cases were selected. A case of a dialect that the adapter does not declare and nobody asked for is
    /// not among them.
    pub cases: usize,
    /// How many cases were left out because their dialect is not declared.
    pub undeclared: usize,
    /// The requirements that the selected cases test, and what the reports say about each.
    pub requirements: Vec<RequirementBrief>,
    /// Requirements that a complete run would test and no selected case does: the selection was narrowed. Empty for a
    /// run of everything.
    pub unselected: Vec<String>,
}

/// What a report says about a requirement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequirementBrief {
    /// E.g. `AVP-HDR-002`.
    pub id: String,
    /// Weight after caps.
    pub level: Level,
    /// Where it stands.
    pub basis: Basis,
    /// The sentence.
    pub sentence: String,
    /// Source, as the catalogue cites it.
    pub source: String,
}

/// A question that decides whether the answers can be believed: asked before any case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// `unknown-op`, `random-message`, `broken-magic`.
    pub name: String,
    /// `None`: could not be asked, since the operation is not declared.
    pub passed: Option<bool>,
    /// One sentence for a person.
    pub note: String,
}

/// One case with its checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseEvent {
    /// `id@spec`.
    pub key: String,
    /// The case's id.
    pub id: String,
    /// The dialect.
    pub spec: Spec,
    /// Requirement ids that it tests.
    pub requirements: Vec<String>,
    /// Why the case exists.
    pub why: String,
    /// Name of the bug that it catches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// Entry of the ambiguity list that settles the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguity: Option<String>,
    /// Where the case comes from.
    pub source: Source,
    /// Operations in the order of the steps; one that is repeated stands once.
    pub ops: Vec<String>,
    /// What the case came to. Never empty.
    pub checks: Vec<Check>,
    /// From sending to judging, in milliseconds; with a window, from the answer before it.
    pub duration_ms: f64,
    /// When the answer was lost among others in flight, or in a child that had answered before: how. The checks speak
    /// of the repetition alone in a fresh child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_try: Option<String>,
    /// What was sent and answered: there when a check was missed, or when all dumps were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepDump>,
    /// What the recipe patched, to be marked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patched: Vec<PatchedRange>,
    /// The end of stderr, when a check was missed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// How far its numbers are from the oracle's, where it answered some, whatever the checks say of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ulp: Vec<UlpErrors>,
}

impl CaseEvent {
    /// Whether any check counts against the implementation, whatever its weight.
    pub fn missed(&self) -> bool {
        self.checks.iter().any(Check::missed)
    }

    /// Whether the case was asked at all.
    pub fn ran(&self) -> bool {
        self.checks.iter().any(|check| check.outcome != Outcome::NotApplicable)
    }
}

/// A child ended, of its own or by us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterExit {
    /// Why: `end of run`, or what was lost.
    pub why: String,
    /// Exit status or signal in words, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The end of stderr, unless the child ended well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
}

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// All selected cases were judged.
    pub complete: bool,
    /// Why not, when they were not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stopped: String,
    /// Cases selected.
    pub selected: usize,
    /// Cases with an event.
    pub cases: usize,
    /// Of these, cases that were asked.
    pub ran: usize,
    /// Of these, cases whose every check was held (or only recorded).
    pub passed: usize,
    /// Of these, cases with a missed MUST.
    pub failed: usize,
    /// Of these, cases with a missed SHOULD and no missed MUST.
    pub warned: usize,
    /// Checks by outcome.
    pub checks: CheckCounts,
    /// Children started, all together.
    pub children: usize,
    /// From the first request to the last answer, in milliseconds.
    pub duration_ms: f64,
    /// How far the numbers of all cases are from the oracle's, by operation and element type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ulp: Vec<UlpErrors>,
}

/// How many checks ended how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of `Outcome`")]
pub struct CheckCounts {
    pub pass: usize,
    pub fail: usize,
    pub crash: usize,
    pub timeout: usize,
    pub info: usize,
    pub not_applicable: usize,
}

impl CheckCounts {
    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Pass => &mut self.pass,
            Outcome::Fail => &mut self.fail,
            Outcome::Crash => &mut self.crash,
            Outcome::Timeout => &mut self.timeout,
            Outcome::Info => &mut self.info,
            Outcome::NotApplicable => &mut self.not_applicable,
        } += 1;
    }
}

impl Summary {
    /// Counts one more case.
    pub fn add(&mut self, case: &CaseEvent) {
        self.cases += 1;
        for check in &case.checks {
            self.checks.add(check.outcome);
        }
        add_errors(&mut self.ulp, &case.ulp);
        if !case.ran() {
            return;
        }
        self.ran += 1;
        let missed = case.checks.iter().filter(|check| check.missed()).map(|check| check.level).max();
        match missed {
            Some(Level::Must) => self.failed += 1,
            Some(Level::Should) => self.warned += 1,
            Some(Level::May) | None => self.passed += 1,
        }
    }
}
