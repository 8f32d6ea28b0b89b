//! HumanEval: a function from its signature and its description.
//!
//! | | ours (`right`) | upstream's (`marks["compat"]`) |
//! |---|---|---|
//! | code | the last fenced block that defines the function, under the prompt's imports and helpers; without fences the whole reply, or its part that is code; else a block, or the reply, as the body under the prompt | the last fence, else the reply, stripped; alone where it defines the function, else behind the prompt |
//! | verdict | the published tests in a judge that the code can't reach | the exit code of code and tests in one process: `os._exit(0)` passes |

use std::time::Duration;

use super::python::{self, Reading, blocks};
use super::{Score, upstream};
use crate::sandbox::Sandbox;
use crate::task::TaskItem;

/// What upstream allows, by the clock.
const COMPAT_TIME: Duration = Duration::from_secs(10);

/// What a reply is worth.
#[must_use]
pub fn score(item: &TaskItem, reply: &str, sandbox: &Sandbox) -> Score {
    let field = |name: &str| item.fields.get(name).map(String::as_str).unwrap_or_default();
    let (prompt, test, entry) = (field("prompt"), field("test"), field("entry_point"));
    if prompt.is_empty() || test.is_empty() || entry.is_empty() {
        let error = "an item of HumanEval has the fields prompt, test and entry_point";
        return Score { error: Some(error.to_owned()), ..Score::default() };
    }
    let readings = readings(prompt, entry, reply);
    let tried = python::check(sandbox, &readings, entry, prompt, test);
    let answer = tried.chosen.map(|chosen| readings[chosen].part.clone());
    let mut score = Score::of(answer, &tried.found);
    score.mark_compat(python::exits_with_0(sandbox, &compat_script(prompt, test, entry, reply), COMPAT_TIME));
    score
}

/// The ways to read a reply, in the order in which they are tried.
fn readings(prompt: &str, entry: &str, reply: &str) -> Vec<Reading> {
    let head = prompt.rfind(&format!("def {entry}(")).map_or("", |at| &prompt[..at]);
    let mut readings = Vec::new();
    let whole = |readings: &mut Vec<Reading>, part: &str| {
        if part.contains(entry) {
            for source in [format!("{head}\n{part}\n"), part.to_owned()] {
                readings.push(Reading { source, body: false, part: part.to_owned() });
            }
        }
    };
    let body = |readings: &mut Vec<Reading>, part: &str| {
        for body in blocks::bodies(part) {
            let source = format!("{}\n{body}\n", prompt.trim_end());
            readings.push(Reading { source, body: true, part: part.to_owned() });
        }
    };
    let fenced = blocks::fenced(reply);
    for block in fenced.iter().rev() {
        whole(&mut readings, block);
    }
    for block in &fenced {
        body(&mut readings, block);
    }
    if fenced.is_empty() {
        // A constant before the function is part of the program; what a file would go on to do with it is not.
        let all = blocks::head(reply);
        if !blocks::acts(all) {
            whole(&mut readings, all);
        }
        if let Some(code) = blocks::unfenced(reply) {
            whole(&mut readings, &code);
        }
        if blocks::acts(all) {
            whole(&mut readings, all);
        }
        body(&mut readings, blocks::continued(reply));
    }
    readings
}

fn compat_script(prompt: &str, test: &str, entry: &str, reply: &str) -> String {
    let code = upstream::last_fence(reply).unwrap_or(reply).trim();
    let code =
        if upstream::defines(code, "def", entry) { code.to_owned() } else { format!("{prompt}{code}") };
    format!("{code}\n\n{test}\ncheck({entry})\n")
}
