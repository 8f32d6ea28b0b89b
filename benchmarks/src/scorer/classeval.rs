//! ClassEval: a class from its skeleton, held against its published tests.
//!
//! | | ours (`right`) | upstream's (`marks["compat"]`) |
//! |---|---|---|
//! | code | the last fenced block with the class; else the reply from its first line of code; behind the item's imports | the last fence, else the reply; from the class on; behind the imports where they are not in it |
//! | verdict | every test of every class of tests ran, alone, and passed | the exit code of `unittest.main()` |
//!
//! Further marks: `tests`, the share of tests passed; `methods`, the share of classes of tests passed in full, one a method and one of
//! all together.
//!
//! Code and tests share an interpreter: see `unit_tests` in `python.rs` for why. Exits, objects that are equal to everything in one
//! direction, and changes to what tests judge with (builtins, `unittest`, its classes and their functions, the modules by those
//! names) do not pass. What does: code that walks the stack or the collector's objects, for the verdict's word or a test's object;
//! changes that are put back before they are looked for; changes to other modules that `unittest` works with; and an object that
//! says it equals everything passes `assertEqual`, as it would for its author.

use std::time::Duration;

use super::python::{self, Reading, blocks};
use super::{Score, upstream};
use crate::sandbox::{Outcome, Sandbox};
use crate::task::TaskItem;

/// What upstream allows, by the clock.
const COMPAT_TIME: Duration = Duration::from_secs(30);

/// Whether an item can be scored: its own solution passes its tests here, where modules beyond the standard ones are missing.
///
/// # Errors
/// Why not.
pub fn scoreable(item: &TaskItem, sandbox: &Sandbox) -> Result<(), String> {
    let solution = field(item, "solution_code");
    match strict(item, solution, sandbox).1 {
        Outcome::Passed => Ok(()),
        outcome => Err(format!("its own solution: {outcome:?}")),
    }
}

/// What a reply is worth.
#[must_use]
pub fn score(item: &TaskItem, reply: &str, sandbox: &Sandbox) -> Score {
    if field(item, "class_name").is_empty() || field(item, "test").is_empty() {
        let error = "an item of ClassEval has the fields class_name and test";
        return Score { error: Some(error.to_owned()), ..Score::default() };
    }
    let (answer, outcome, shares) = strict(item, reply, sandbox);
    let mut score = Score::of(answer, &outcome);
    score.marks.extend([("tests".to_owned(), shares[0]), ("methods".to_owned(), shares[1])]);
    score.mark_compat(python::exits_with_0(sandbox, &compat_script(item, reply), COMPAT_TIME));
    score
}

fn strict(item: &TaskItem, reply: &str, sandbox: &Sandbox) -> (Option<String>, Outcome, [f64; 2]) {
    let (class, imports) = (field(item, "class_name"), field(item, "imports"));
    let mut parts = blocks::fenced(reply);
    parts.reverse();
    if parts.is_empty() {
        parts = [Some(reply.to_owned()), blocks::unfenced(reply)].into_iter().flatten().collect();
    }
    let holds = |part: &&String| upstream::position(part, "class", class, &['(', ':']).is_some();
    let reading = |part: &String| {
        [format!("{imports}\n{part}\n"), part.clone()].map(|source| Reading {
            source,
            body: false,
            part: part.clone(),
        })
    };
    let readings: Vec<_> = parts.iter().filter(holds).flat_map(reading).collect();
    if readings.is_empty() {
        return (None, Outcome::failed("no code found"), [0.0; 2]);
    }
    let tried = python::unit_tests(sandbox, &readings, class, field(item, "test"));
    let (outcome, tests) = tried.found;
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let sum = |of: fn(&(u64, u64)) -> u64| tests.classes.values().map(of).sum();
    let whole = tests.classes.values().filter(|(of, passed)| of == passed).count() as u64;
    let shares =
        [share(sum(|class| class.1), sum(|class| class.0)), share(whole, tests.classes.len() as u64)];
    (tried.chosen.map(|chosen| readings[chosen].part.clone()), outcome, shares)
}

fn compat_script(item: &TaskItem, reply: &str) -> String {
    let (class, imports) = (field(item, "class_name"), field(item, "imports").trim());
    let reply = blocks::head(reply);
    let code = upstream::last_fence(reply).unwrap_or(reply).trim();
    // From a line that begins with the class, if there is one.
    let mut at = 0;
    let starts = |line: &str, rest: &str| {
        line.trim_start().starts_with("class")
            && upstream::begins(rest.trim_start(), "class", class, &['(', ':'])
    };
    let begin = code.split_inclusive('\n').find_map(|line| {
        let here = at;
        at += line.len();
        starts(line, &code[here..]).then_some(here)
    });
    let mut code = begin.map_or(code, |begin| code[begin..].trim()).to_owned();
    if !imports.is_empty() && !code.contains(imports) {
        code = format!("{imports}\n\n{code}");
    }
    let test = field(item, "test").trim();
    let main = "\n\nif __name__ == '__main__':\n    unittest.main()\n";
    let main = if test.contains("unittest.main()") { "" } else { main };
    format!("{code}\n\n{test}{main}")
}

fn field<'a>(item: &'a TaskItem, name: &str) -> &'a str {
    item.fields.get(name).map(String::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_reply_of_many_classes_is_read_once() {
        let fields = [("class_name", "Box"), ("imports", ""), ("test", "pass")];
        let item = TaskItem {
            id: String::new(),
            family: String::new(),
            context: String::new(),
            question: String::new(),
            answer: String::new(),
            reply: String::new(),
            fields: fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
        };
        let begun = Instant::now();
        let script = compat_script(&item, &"class x\n".repeat(1 << 20));
        assert!(script.len() < 1 << 19, "{}", script.len());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(compat_script(&item, "class A: pass\n  class Box:\n    pass").starts_with("class Box:"));
    }
}
