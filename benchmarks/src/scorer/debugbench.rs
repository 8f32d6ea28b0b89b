//! DebugBench: a solution with a fault, to be mended. There are no tests: what counts is what the published solution, the
//! *oracle*, gives on the examples' inputs.
//!
//! | | ours (`right`) | upstream's (`marks["compat"]`) |
//! |---|---|---|
//! | code | the last fenced block with the class; else with the method; else the reply from its first line of code | the last fence; else from the first `class` or `def` at the left margin; else the reply |
//! | method | of the oracle's: that whose parameters are the examples', then by their number; of several, the one that shares most words with the problem's name; of those, the one with most annotations; of those, the last | the first that is not private, be it a helper |
//! | names | all that the site gives: standard modules, trees, lists | some |
//! | inputs | read as JSON; trees and lists built from their levels | read as Python: `null` and `true` fail |
//! | comparison | here, of plain values by type; numbers within 1e-5; the outermost order is free where the description says that any is right; arguments where the method returns nothing; classes by their methods in turn | `!=` in the process of both |
//! | without inputs | not scoreable | passes when it can be parsed |
//!
//! An item whose code with its fault gives the oracle's values on all examples is not scoreable: nothing there shows whether a reply
//! mends it. The code with its fault, unchanged but for space and comments, is wrong and marked `unchanged`.
//! Where a description takes any of several answers, ours takes the oracle's alone: some right answers count as wrong.

mod problem;

use std::time::Duration;

use serde_json::json;

use super::python::{self, Answer, Reading, Silence, blocks};
use super::{Score, UNSCOREABLE, upstream};
use crate::sandbox::{End, Infrastructure, Limits, Outcome, Sandbox};
use crate::task::TaskItem;

use self::problem::{Problem, compat_inputs, examples};

/// What upstream allows, by the clock.
const COMPAT_TIME: Duration = Duration::from_secs(10);
const COMPAT: &str = include_str!("debugbench/compat.py");
/// Processor time of the code with its fault: what takes longer than this on examples shows its fault, such as a loop without end.
const FAULTY_SECONDS: u64 = 2;
/// The signal that ends a program from outside, and that nothing inside can refuse.
const KILLED: i32 = 9;

/// Why an item can't be scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unscoreable {
    /// Its own solution gives nothing that can be compared, for a reason that lies in the item.
    #[error("{0}")]
    Item(String),
    /// Nothing was learnt about it.
    #[error("{0}")]
    Infrastructure(String),
}

/// Whether an item can be scored: its own solution runs on its examples, and gives the same plain values twice, which the code with
/// its fault does not give.
///
/// # Errors
/// Why not.
pub fn scoreable(item: &TaskItem, sandbox: &Sandbox) -> Result<(), Unscoreable> {
    let problem = Problem::of(item).map_err(Unscoreable::Item)?;
    let (first, _) = expected(&problem, item, sandbox)?;
    let (again, _) = expected(&problem, item, sandbox)?;
    if !problem.same(&again, &first) {
        return Err(Unscoreable::Item("its own solution gives other values on a second run".to_owned()));
    }
    faulty(&problem, item, &first, sandbox).map(drop)
}

/// What a reply is worth. An item that is not [`scoreable`] gives no right reply, and the mark `unscoreable`.
#[must_use]
pub fn score(item: &TaskItem, reply: &str, sandbox: &Sandbox) -> Score {
    let mut score = match strict(item, reply, sandbox) {
        Ok(score) => score,
        Err(Unscoreable::Infrastructure(what)) => return Score { error: Some(what), ..Score::default() },
        Err(Unscoreable::Item(_)) => {
            let mut score = Score::default();
            score.marks.insert(UNSCOREABLE.to_owned(), 1.0);
            score
        }
    };
    score.mark_compat(compat(item, reply, sandbox));
    score
}

fn strict(item: &TaskItem, reply: &str, sandbox: &Sandbox) -> Result<Score, Unscoreable> {
    let problem = Problem::of(item).map_err(Unscoreable::Item)?;
    let readings = readings(&problem, reply);
    if readings.is_empty() {
        return Ok(Score::default());
    }
    let (expected, oracle) = expected(&problem, item, sandbox)?;
    let buggy = faulty(&problem, item, &expected, sandbox)?;
    let tried = python::calls(sandbox, &readings, &problem.wanted, &problem.calls, Limits::default());
    let answer = tried.chosen.map(|chosen| readings[chosen].part.clone());
    let is_unchanged = tried.tree.is_some() && tried.tree == buggy && tried.tree != oracle;
    let outcome = match tried.found {
        Ok(_) if is_unchanged => Outcome::failed("unchanged"),
        Ok(answers) if problem.same(&answers, &expected) => Outcome::Passed,
        Ok(_) => Outcome::failed("other values than the published solution's"),
        Err(Silence::Candidate { outcome, .. }) => outcome,
        Err(Silence::Infrastructure(what)) => return Err(Unscoreable::Infrastructure(what)),
    };
    let mut score = Score::of(answer, &outcome);
    if is_unchanged {
        score.marks.insert("unchanged".to_owned(), 1.0);
    }
    Ok(score)
}

/// The number of the tree of the code with its fault; nothing where it can't be read.
///
/// # Errors
/// Where it gives what the oracle gives: no reply to such an item shows whether the fault was found.
fn faulty(
    problem: &Problem,
    item: &TaskItem,
    expected: &[Answer],
    sandbox: &Sandbox,
) -> Result<Option<i64>, Unscoreable> {
    let buggy = field(item, "buggy_code");
    if buggy.is_empty() {
        return Ok(None);
    }
    let readings = [Reading { source: buggy.to_owned(), body: false, part: String::new() }];
    let limits = Limits { cpu_seconds: FAULTY_SECONDS, ..Limits::default() };
    let tried = python::calls(sandbox, &readings, &problem.wanted, &problem.calls, limits);
    match tried.found {
        Ok(answers) if problem.same(&answers, expected) => {
            Err(Unscoreable::Item("its examples do not show the fault".to_owned()))
        }
        Err(Silence::Infrastructure(what)) => Err(Unscoreable::Infrastructure(what)),
        _ => Ok(tried.tree),
    }
}

/// What the oracle gives, and the number of its tree.
fn expected(
    problem: &Problem,
    item: &TaskItem,
    sandbox: &Sandbox,
) -> Result<(Vec<Answer>, Option<i64>), Unscoreable> {
    let oracle = field(item, "oracle_code");
    let readings = [Reading { source: oracle.to_owned(), body: false, part: String::new() }];
    let tried = python::calls(sandbox, &readings, &problem.wanted, &problem.calls, Limits::default());
    match tried.found {
        Ok(answers) => {
            for answer in &answers {
                match answer {
                    Answer::Error(how) => {
                        return Err(Unscoreable::Item(format!("its own solution fails: {how}")));
                    }
                    Answer::Value { value, .. } if !value.is_plain() => {
                        return Err(Unscoreable::Item(format!("its own solution gives {value:?}")));
                    }
                    Answer::Value { .. } => {}
                }
            }
            Ok((answers, tried.tree))
        }
        // A machine that is too busy, or short of memory, says nothing about an item.
        Err(Silence::Candidate { outcome, end: end @ (End::TimedOut | End::Signalled(KILLED)) }) => {
            Err(Unscoreable::Infrastructure(format!("its own solution was ended: {outcome:?} ({end:?})")))
        }
        Err(Silence::Candidate { outcome, .. }) => {
            Err(Unscoreable::Item(format!("its own solution does not run: {outcome:?}")))
        }
        Err(Silence::Infrastructure(what)) => Err(Unscoreable::Infrastructure(what)),
    }
}

/// The ways to read a reply, in the order in which they are tried.
fn readings(problem: &Problem, reply: &str) -> Vec<Reading> {
    let reading = |source: &str| Reading { source: source.to_owned(), body: false, part: source.to_owned() };
    let mut parts = blocks::fenced(reply);
    parts.reverse();
    if parts.is_empty() {
        parts = [Some(reply.to_owned()), blocks::unfenced(reply)].into_iter().flatten().collect();
    }
    let class = problem.wanted.class.as_deref().unwrap_or_default();
    let (whole, bare): (Vec<_>, Vec<_>) =
        parts.iter().partition(|part| upstream::position(part, "class", class, &['(', ':']).is_some());
    let mut readings: Vec<_> = whole.into_iter().map(|part| reading(part)).collect();
    let Some(method) = problem.wanted.function.as_deref() else { return readings };
    for part in bare.into_iter().filter(|part| upstream::defines(part, "def", method)) {
        // The method without its class, as a method or as a function. Not where the class stands beside it: that the method
        // has slipped out of its class may be the very fault.
        let indented: Vec<_> = part.lines().map(|line| format!("    {line}")).collect();
        let mut wrapped = reading(&format!("class {class}:\n{}\n", indented.join("\n")));
        wrapped.part.clone_from(part);
        let as_is = reading(part);
        if part.contains("(self") { readings.extend([wrapped]) } else { readings.extend([as_is]) }
    }
    readings
}

fn compat(item: &TaskItem, reply: &str, sandbox: &Sandbox) -> Result<bool, Infrastructure> {
    let code = match upstream::last_fence(reply) {
        Some(code) => code,
        None => {
            let mut at = 0;
            let starts = |line: &&str| {
                ["class", "def"].iter().any(|word| {
                    line.strip_prefix(word).is_some_and(|rest| rest.starts_with(char::is_whitespace))
                })
            };
            let found = reply.split_inclusive('\n').any(|line| {
                let is = starts(&line);
                at += if is { 0 } else { line.len() };
                is
            });
            if found { &reply[at..] } else { reply }
        }
    };
    let inputs: Vec<String> = examples(item).filter_map(|example| compat_inputs(&example)).collect();
    let job = json!({"code": code.trim(), "oracle": field(item, "oracle_code"), "inputs": inputs});
    // The job as a text inside the script: JSON's strings are Python's.
    let script = format!("job = {}\n{COMPAT}", serde_json::Value::String(job.to_string()));
    python::exits_with_0(sandbox, &script, COMPAT_TIME)
}

fn field<'a>(item: &'a TaskItem, name: &str) -> &'a str {
    item.fields.get(name).map(String::as_str).unwrap_or_default()
}
