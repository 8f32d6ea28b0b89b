//! Case × answers → checks. No input or output.
//!
//! `vectors/README.md` describes the expectations; this is their meaning in code.

mod bytes;
mod cache;
mod compare;
mod encoded;
mod expect;
mod meaning;
mod metadata;
mod relation;
mod tensor;
#[cfg(test)]
mod tests;
mod ulp;

use std::time::Duration;

use serde_json::{Value, json};

pub use self::compare::resolve_from;
pub use self::meaning::{bytes as bytes_meaning, meaning, message_meaning, parting, parting_but};
pub use self::ulp::errors as ulp_errors;

use crate::adapter::{Answer, Blob, Lost, Request};
use crate::case::{Case, Expect, Level, Step};
use crate::glob::Glob;
use crate::requirement::Catalogue;
use crate::verdict::{Check, Outcome};

/// Said by whatever kills a decoder, beside the requirements of the case.
const MEMORY_SAFETY: &str = "AVP-SEC-012";

/// Most characters of an expected or actual value that a check carries.
const SHOWN: usize = 2000;

/// What came of one step.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What was sent; `None` when nothing was.
    pub request: Option<Request>,
    /// What came back.
    pub reply: Reply,
    /// Growth of the peak memory in bytes, where it was asked for and could be measured.
    pub rss_growth: Option<u64>,
    /// How long the answer took, where that is judged.
    pub took: Option<Took>,
    /// Paths in the case's own folder after the step, where it was asked for and could be read.
    pub files: Option<Vec<String>>,
}

/// The time of an answer that must come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// From the request to the answer.
    pub time: Duration,
    /// How long it may take on this machine.
    pub limit: Duration,
}

impl Took {
    /// Whether it took too long.
    pub fn too_long(self) -> bool {
        self.time > self.limit
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An answer.
    Answered(Answer),
    /// None.
    Lost(Lost),
    /// Nothing was sent: a step before it gave no value to send. Says which.
    NotSent(String),
}

impl Observed {
    /// A part of the answer.
    pub fn answered_part(&self, name: &str) -> Option<&Blob> {
        self.ok()?.1.iter().find(|part| part.name == name)
    }

    /// The answer's content and parts, when it is `ok`.
    fn ok(&self) -> Option<(&serde_json::Map<String, Value>, &[Blob])> {
        match &self.reply {
            Reply::Answered(Answer::Ok { ok, parts }) => Some((ok, parts)),
            _ => None,
        }
    }
}

/// Judges a case. `observed` has one entry a step, in order; steps without one were not reached.
pub fn judge(case: &Case, observed: &[Observed], catalogue: &Catalogue) -> Vec<Check> {
    let bench = Bench { case, observed, catalogue };
    let mut checks = Vec::new();
    for (index, step) in case.steps.iter().enumerate().take(observed.len()) {
        checks.extend(bench.step(index, step));
    }
    if let Some(relation) = &case.relation {
        checks.push(bench.relation(relation));
    }
    merged(checks)
}

/// The one check of a case that is not asked.
pub fn not_applicable(case: &Case, why: &str, catalogue: &Catalogue) -> Vec<Check> {
    let bench = Bench { case, observed: &[], catalogue };
    let name = case.steps.first().map_or("accepts", |step| primary(&step.expect));
    vec![Check { outcome: Outcome::NotApplicable, note: why.to_owned(), ..bench.check(0, name) }]
}

/// The check of a case that passes alone, and in whose company a child died: something lingers from case to case, or
/// the answer depends on what else is in flight. It warns, since which case is to blame is not known for sure.
pub fn unsteady(case: &Case, lost: &Lost, in_flight: usize, catalogue: &Catalogue) -> Check {
    let bench = Bench { case, observed: &[], catalogue };
    let op = case.steps.first().map_or("", |step| step.op.as_str());
    let company = match in_flight {
        0 | 1 => String::new(),
        many => format!(", the first of {many} in flight"),
    };
    Check {
        name: "steady".into(),
        level: Level::Should,
        expected: "the same answer alone and after other cases".into(),
        note: format!("the child was lost at this case{company}; alone, none of them repeats it"),
        ..bench.lost(0, op, "steady", Outcome::Fail, lost.to_string())
    }
}

/// The check of a step that says whether there was an answer of the right kind.
pub fn primary(expect: &Expect) -> &'static str {
    match expect {
        Expect::Ok { .. } | Expect::Encoded(_) => "accepts",
        Expect::Reject(_) | Expect::Refused { .. } => "rejects",
        Expect::Either(_) => "either",
        Expect::Alive => "alive",
    }
}

/// A case with what came of it.
struct Bench<'a> {
    case: &'a Case,
    observed: &'a [Observed],
    catalogue: &'a Catalogue,
}

impl Bench<'_> {
    /// A check that holds, for this case's requirements.
    fn check(&self, step: usize, name: impl Into<String>) -> Check {
        let ids = self.case.requirements.iter().map(String::as_str);
        Check {
            name: name.into(),
            outcome: Outcome::Pass,
            requirements: self.case.requirements.clone(),
            level: self.case.level.unwrap_or_else(|| self.catalogue.level_of(ids)),
            expected: Value::Null,
            actual: Value::Null,
            note: String::new(),
            step,
        }
    }

    fn step(&self, index: usize, step: &Step) -> Vec<Check> {
        let observed = &self.observed[index];
        let lost = |outcome, how| self.lost(index, &step.op, primary(&step.expect), outcome, how);
        let mut checks = match &observed.reply {
            Reply::Answered(Answer::Fault(text)) => {
                vec![lost(Outcome::Crash, format!("fault: {text}"))]
            }
            Reply::Lost(how @ Lost::Timeout { .. }) => vec![lost(Outcome::Timeout, how.to_string())],
            Reply::Lost(how) => vec![lost(Outcome::Crash, how.to_string())],
            Reply::NotSent(why) => vec![Check {
                outcome: Outcome::Fail,
                note: format!("not sent: {why}"),
                ..self.check(index, primary(&step.expect))
            }],
            Reply::Answered(Answer::Unsupported(why)) => vec![Check {
                outcome: Outcome::Fail,
                actual: Value::String(format!("unsupported: {why}")),
                note: format!("`{}` is declared, and answered as unsupported", step.op),
                ..self.check(index, primary(&step.expect))
            }],
            Reply::Answered(answer) => self.expectation(index, &step.expect, answer),
        };
        if let Some(limit) = step.rss_growth_mib
            && matches!(observed.reply, Reply::Answered(_))
        {
            checks.push(self.memory(index, limit, observed.rss_growth));
            checks.extend(observed.took.map(|took| self.time(index, took)));
        }
        if let Some(patterns) = &step.files
            && matches!(observed.reply, Reply::Answered(_))
        {
            checks.push(self.files(index, patterns, observed.files.as_deref()));
        }
        for check in &mut checks {
            shorten(&mut check.expected);
            shorten(&mut check.actual);
        }
        checks
    }

    /// No answer. Whatever the case weighs: a crash or a hang on any input is a fault of its own.
    fn lost(&self, index: usize, op: &str, name: &str, outcome: Outcome, how: String) -> Check {
        let mut check = self.check(index, name);
        if decodes(op) && !check.requirements.iter().any(|id| id == MEMORY_SAFETY) {
            check.requirements.push(MEMORY_SAFETY.to_owned());
        }
        Check { outcome, level: Level::Must, expected: "an answer".into(), actual: how.into(), ..check }
    }

    fn memory(&self, index: usize, limit_mib: u64, growth: Option<u64>) -> Check {
        let check = self.check(index, "memory");
        let Some(growth) = growth else {
            return Check {
                outcome: Outcome::NotApplicable,
                note: "peak memory can't be measured here".into(),
                ..check
            };
        };
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0));
        Check {
            outcome: if growth <= limit_mib * 1024 * 1024 { Outcome::Pass } else { Outcome::Fail },
            expected: format!("peak memory grows by at most {limit_mib} MiB").into(),
            actual: mib(growth).into(),
            ..check
        }
    }
}

/// How long it took.
impl Bench<'_> {
    fn time(&self, index: usize, took: Took) -> Check {
        let check = self.check(index, "time");
        if !took.too_long() {
            return check;
        }
        Check {
            outcome: Outcome::Fail,
            expected: format!("an answer within {:?}", took.limit).into(),
            actual: format!("{:.2} s", took.time.as_secs_f64()).into(),
            note: "what is claimed was worked through, or something of that size, before the answer".into(),
            ..check
        }
    }
}

/// What lies in the case's own folder.
impl Bench<'_> {
    fn files(&self, index: usize, patterns: &[String], found: Option<&[String]>) -> Check {
        let check = self.check(index, "files");
        let Some(found) = found else {
            let note = "the case's folder can't be read".to_owned();
            return Check { outcome: Outcome::NotApplicable, note, ..check };
        };
        let fits = |pattern: &String, file: &String| Glob::new(pattern).matches(file);
        let extra = found.iter().find(|file| !patterns.iter().any(|pattern| fits(pattern, file)));
        let missing = patterns.iter().find(|pattern| !found.iter().any(|file| fits(pattern, file)));
        let note = match (missing, extra) {
            (None, None) => return check,
            (Some(pattern), _) => format!("no file fits {pattern}"),
            (None, Some(file)) => format!("{file} should not be there"),
        };
        let (expected, actual) = (json!(patterns), json!(found));
        Check { outcome: Outcome::Fail, expected, actual, note, ..check }
    }
}

/// Whether an operation takes bytes from a peer.
fn decodes(op: &str) -> bool {
    op.starts_with("decode")
        || op.ends_with("_decode")
        || matches!(op, "context_from_bytes" | "easy_unpack" | "inspect" | "map_load" | "unpack_detect")
}

fn shorten(value: &mut Value) {
    let text = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => return,
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        *value = Value::String(format!("{}… ({} bytes)", &text[..at], text.len()));
    }
}

/// Puts the checks of the same name together, so that every name stands once in a case: the worst of them speaks, and
/// says which other steps missed too.
fn merged(checks: Vec<Check>) -> Vec<Check> {
    let mut done: Vec<Check> = Vec::with_capacity(checks.len());
    let mut missed: Vec<Vec<usize>> = Vec::with_capacity(checks.len());
    for check in checks {
        let steps = if check.missed() { vec![check.step] } else { Vec::new() };
        let Some(at) = done.iter().position(|other| other.name == check.name) else {
            done.push(check);
            missed.push(steps);
            continue;
        };
        missed[at].extend(steps);
        if badness(&check) > badness(&done[at]) {
            done[at] = check;
        }
    }
    for (check, steps) in done.iter_mut().zip(missed) {
        if let Some((_, others)) = steps.split_first().filter(|(_, others)| !others.is_empty()) {
            let shown: Vec<String> = others.iter().take(5).map(|step| (step + 1).to_string()).collect();
            let more = if others.len() > 5 { ", …" } else { "" };
            let separator = if check.note.is_empty() { "" } else { "; " };
            check.note += &format!("{separator}also missed in step {}{more}", shown.join(", "));
        }
    }
    done
}

fn badness(check: &Check) -> (bool, Level, u8) {
    let rank = match check.outcome {
        Outcome::NotApplicable => 0,
        Outcome::Info => 1,
        Outcome::Pass => 2,
        Outcome::Fail => 3,
        Outcome::Timeout => 4,
        Outcome::Crash => 5,
    };
    (check.missed(), if check.missed() { check.level } else { Level::May }, rank)
}
