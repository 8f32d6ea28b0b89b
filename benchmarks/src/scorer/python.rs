//! CODE → ANSWERS: what programs of ours ask of code that a model wrote, and what they hear.
//!
//! Two programs, never one. The *candidate* (`candidate.py`) loads the code and answers calls; the tests, the expected answers and
//! the word that a verdict stands behind are never in its sandbox. Its answers leave as data by their exact types (`values.py`), so
//! an object that is equal to everything, a printed verdict, a patched `assert` or an exit code is at most a wrong answer. What
//! holds a verdict is either a *judge* (`judge.py`), an interpreter of its own that runs the published tests on the answers, or
//! this crate.
//!
//! A candidate can see the calls: it may answer by a table of the inputs that it knows, as code that passes any test may.
//!
//! Hashes have a fixed seed, so that the order of sets is the same in every run.

pub(super) mod blocks;
pub(super) mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::sandbox::{End, Infrastructure, Judged, Limits, Nonce, Outcome, Program, Sandbox};

use self::value::Value;
use super::Score;

const VALUES: &str = include_str!("python/values.py");
const CHOOSE: &str = include_str!("python/choose.py");
const CANDIDATE: &str = include_str!("python/candidate.py");
const JUDGE: &str = include_str!("python/judge.py");
const UNIT: &str = include_str!("python/unit.py");
const NODES: &str = include_str!("python/nodes.py");
const NAMES: &str = include_str!("python/names.py");

/// One way to read a reply as a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Reading {
    /// The program.
    pub(super) source: String,
    /// Whether it was made by putting a body under the prompt's function. Such a function must return something: an example of
    /// its use, put there, would be a function too.
    pub(super) body: bool,
    /// The part of the reply that it was made of.
    #[serde(skip)]
    pub(super) part: String,
}

/// What a program must define. The first reading that can be parsed and defines it is taken; no reading is run to find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wanted {
    /// The function, or the method of the class.
    pub(super) function: Option<String>,
    /// The class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<String>,
}

/// What became of a reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tried<T> {
    /// Which one was taken; nothing where none can be.
    pub(super) chosen: Option<usize>,
    /// A number of its syntax tree, of [`calls`]: the same for the same program with other comments and other space.
    pub(super) tree: Option<i64>,
    /// What was found.
    pub(super) found: T,
}

#[derive(Deserialize)]
struct Verdict {
    passed: bool,
    chosen: Option<usize>,
    how: String,
}

/// Runs published tests, a function `check` that is given the code's function, in a judge.
pub(super) fn check(
    sandbox: &Sandbox,
    readings: &[Reading],
    function: &str,
    prompt: &str,
    test: &str,
) -> Tried<Outcome> {
    let nothing = |outcome| Tried { chosen: None, tree: None, found: outcome };
    let nonce = match Nonce::new() {
        Ok(nonce) => nonce,
        Err(what) => return nothing(Outcome::Infrastructure(what)),
    };
    let job = json!({"nonce": nonce.as_str(), "entry": function, "prompt": prompt, "test": test, "readings": readings});
    let limits = Limits::default();
    let (judge, candidate) = (format!("{VALUES}{JUDGE}"), format!("{VALUES}{CHOOSE}{CANDIDATE}"));
    let judge = Program { text: &judge, input: format!("{job}\n").into_bytes(), limits };
    let candidate = Program { text: &candidate, input: Vec::new(), limits };
    let judged = match sandbox.judge(&judge, &candidate, &nonce) {
        Ok(judged) => judged,
        Err(Infrastructure(what)) => return nothing(Outcome::Infrastructure(what)),
    };
    let verdict: Option<Verdict> =
        judged.verdict.as_deref().and_then(|verdict| serde_json::from_str(verdict).ok());
    let chosen =
        verdict.as_ref().and_then(|verdict| verdict.chosen).filter(|chosen| *chosen < readings.len());
    Tried { chosen, tree: None, found: outcome(&judged, verdict) }
}

fn outcome(judged: &Judged, verdict: Option<Verdict>) -> Outcome {
    match (verdict, judged.candidate) {
        (Some(Verdict { passed: true, .. }), _) => Outcome::Passed,
        (_, End::TimedOut) => Outcome::TimedOut,
        (_, End::OutputFlood) => Outcome::OutputFlood,
        (Some(Verdict { how, .. }), _) => Outcome::failed(how),
        (None, _) if judged.judge == End::TimedOut => Outcome::TimedOut,
        // Whatever silenced the judge came from the candidate's answers: nothing else reaches it.
        (None, candidate) => {
            Outcome::failed(format!("no verdict: candidate {candidate:?}, judge {:?}", judged.judge))
        }
    }
}

/// What a call gave: the value, and the arguments as they were afterwards.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// A value.
    Value {
        /// What was returned.
        value: Value,
        /// The arguments afterwards.
        args: Vec<Value>,
    },
    /// An exception.
    Error(String),
}

/// Why there are no answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The code, or what it did, is the reason.
    Candidate {
        /// What is said of it.
        outcome: Outcome,
        /// How its process ended.
        end: End,
    },
    /// Nothing was learnt.
    Infrastructure(String),
}

/// Makes calls of the code, with the names that published problems take for granted.
pub(super) fn calls(
    sandbox: &Sandbox,
    readings: &[Reading],
    wanted: &Wanted,
    calls: &[Json],
    limits: Limits,
) -> Tried<Result<Vec<Answer>, Silence>> {
    let request = json!({"readings": readings, "wanted": wanted, "names": NAMES});
    let mut input = format!("{request}\n");
    for call in calls {
        input.push_str(&format!("{call}\n"));
    }
    let text = format!("{VALUES}{NODES}{CHOOSE}{CANDIDATE}");
    let program = Program { text: &text, input: input.into_bytes(), limits };
    let ended = match sandbox.run(&program) {
        Ok(ended) => ended,
        Err(Infrastructure(what)) => {
            return Tried { chosen: None, tree: None, found: Err(Silence::Infrastructure(what)) };
        }
    };
    // Only whole lines count.
    let whole = ended.output.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = ended.output[..whole].split(|byte| *byte == b'\n').take(calls.len() + 2);
    let mut line = || lines.next().and_then(|line| serde_json::from_slice::<Json>(line).ok());
    let first = line().unwrap_or_default();
    let chosen = first.get("chosen").and_then(Json::as_u64).and_then(|chosen| usize::try_from(chosen).ok());
    let tree = first.get("tree").and_then(Json::as_i64);
    let Some(chosen) = chosen.filter(|chosen| *chosen < readings.len()) else {
        // Reading alone may take too much.
        let how = if ended.end == End::Exited(0) { "no code found" } else { "no answer" };
        let silence = Silence::Candidate { outcome: by_end(ended.end, how), end: ended.end };
        return Tried { chosen: None, tree: None, found: Err(silence) };
    };
    let silence = |outcome| Tried {
        chosen: Some(chosen),
        tree,
        found: Err(Silence::Candidate { outcome, end: ended.end }),
    };
    match line() {
        Some(line) if line.get("loaded") == Some(&Json::Bool(true)) => {}
        Some(line) => return silence(by_end(ended.end, &error_of(&line))),
        None => return silence(by_end(ended.end, "it ended while it was loaded")),
    }
    let mut answers = Vec::new();
    for _ in calls {
        let Some(answer) = line() else { return silence(by_end(ended.end, "it ended before its answer")) };
        answers.push(answer_of(&answer));
    }
    Tried { chosen: Some(chosen), tree, found: Ok(answers) }
}

fn by_end(end: End, how: &str) -> Outcome {
    match end {
        End::TimedOut => Outcome::TimedOut,
        End::OutputFlood => Outcome::OutputFlood,
        End::Exited(_) => Outcome::failed(how),
        end => Outcome::failed(format!("{how} ({end:?})")),
    }
}

fn error_of(line: &Json) -> String {
    line.get("error").and_then(Json::as_str).unwrap_or("no answer").to_owned()
}

fn answer_of(line: &Json) -> Answer {
    let parts = || {
        let value = Value::from_json(line.get("value")?)?;
        let args = line.get("args")?.as_array()?.iter().map(Value::from_json).collect::<Option<_>>()?;
        Some(Answer::Value { value, args })
    };
    parts().unwrap_or_else(|| Answer::Error(error_of(line)))
}

/// What tests of a class found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Tests {
    /// Which reading was taken.
    pub(super) chosen: Option<usize>,
    /// Tests by the class that holds them: how many there are, and how many were passed.
    pub(super) classes: BTreeMap<String, (u64, u64)>,
    /// What happened where something did.
    pub(super) how: String,
}

/// Runs published tests of the module `unittest` on a class, in one interpreter: they reach into objects, patch modules and
/// share files, which no two interpreters can. The code stands beside the tests here, so that code which looks for them on the
/// stack or among all objects, or for the word of the verdict, can say what it likes.
pub(super) fn unit_tests(
    sandbox: &Sandbox,
    readings: &[Reading],
    class: &str,
    test: &str,
) -> Tried<(Outcome, Tests)> {
    let nothing = |outcome| Tried { chosen: None, tree: None, found: (outcome, Tests::default()) };
    let nonce = match Nonce::new() {
        Ok(nonce) => nonce,
        Err(what) => return nothing(Outcome::Infrastructure(what)),
    };
    let wanted = Wanted { function: None, class: Some(class.to_owned()) };
    let job = json!({"nonce": nonce.as_str(), "wanted": wanted, "test": test, "readings": readings});
    let text = format!("{CHOOSE}{UNIT}");
    let program = Program { text: &text, input: format!("{job}\n").into_bytes(), limits: Limits::default() };
    let ended = match sandbox.run(&program) {
        Ok(ended) => ended,
        Err(Infrastructure(what)) => return nothing(Outcome::Infrastructure(what)),
    };
    let tests: Option<Tests> = nonce.verdict(&ended.errors).and_then(|said| serde_json::from_str(&said).ok());
    let Some(tests) = tests else { return nothing(by_end(ended.end, "no verdict")) };
    let (passed, of) = tests.classes.values().fold((0, 0), |sum, class| (sum.0 + class.1, sum.1 + class.0));
    let outcome = if tests.how.is_empty() && passed == of && of > 0 {
        Outcome::Passed
    } else {
        by_end(ended.end, &tests.how)
    };
    let chosen = tests.chosen.filter(|chosen| *chosen < readings.len());
    Tried { chosen, tree: None, found: (outcome, tests) }
}

/// Runs a text as a script, as one would from a shell, and says whether it exited with 0 within `seconds` by the clock. That is no
/// verdict of ours: it is what the upstream project's scorers go by.
pub(super) fn exits_with_0(
    sandbox: &Sandbox,
    script: &str,
    seconds: std::time::Duration,
) -> Result<bool, Infrastructure> {
    // exit and quit come with the module that -S leaves out.
    let text = "import builtins, sys, _sitebuiltins
builtins.exit, builtins.quit = (_sitebuiltins.Quitter(name, 'Ctrl-D') for name in ('exit', 'quit'))
_script = compile(sys.stdin.buffer.read(), 'script.py', 'exec', dont_inherit=True)
del builtins, sys, _sitebuiltins
exec(_script)
";
    // What upstream allows by the clock, a program may work.
    let cpu_seconds = seconds.as_secs().max(Limits::default().cpu_seconds);
    let limits = Limits { wall: seconds, cpu_seconds, ..Limits::default() };
    let ended = sandbox.run(&Program { text, input: script.as_bytes().to_vec(), limits })?;
    Ok(ended.end == End::Exited(0))
}

impl Score {
    /// The score of an outcome. Code that takes too long, or writes without end, is wrong, and marked.
    pub(super) fn of(answer: Option<String>, outcome: &Outcome) -> Self {
        let mut score = Self { answer, right: *outcome == Outcome::Passed, ..Self::default() };
        match outcome {
            Outcome::Infrastructure(what) => score.error = Some(what.clone()),
            Outcome::TimedOut => drop(score.marks.insert("timeout".to_owned(), 1.0)),
            Outcome::OutputFlood => drop(score.marks.insert("output_flood".to_owned(), 1.0)),
            Outcome::Passed | Outcome::Failed { .. } => {}
        }
        score
    }

    /// What upstream's scorer says.
    pub(super) fn mark_compat(&mut self, passed: Result<bool, Infrastructure>) {
        match passed {
            Ok(passed) => drop(self.marks.insert("compat".to_owned(), f64::from(u8::from(passed)))),
            Err(Infrastructure(what)) => self.error = Some(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_keeps_its_kind_before_the_first_answer_too() {
        assert_eq!(by_end(End::TimedOut, "no answer"), Outcome::TimedOut);
        assert_eq!(by_end(End::OutputFlood, "no answer"), Outcome::OutputFlood);
        let killed = Outcome::Failed { how: "no answer (Signalled(9))".to_owned() };
        assert_eq!(by_end(End::Signalled(9), "no answer"), killed);
    }
}
