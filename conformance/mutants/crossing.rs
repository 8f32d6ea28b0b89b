//! Transfers from one model to another that leave out, look up or advise in a wrong way on purpose.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{Mutant, again, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "crossing-without-flag",
        "projects whether it is asked to or not",
        ask | frame | {
            if frame.op() == "transfer" {
                frame.args_mut().remove("cross_model");
            }
        }
    ),
    mutant!(
        "crossing-state-made-up",
        "takes a context without hidden states for one that has them",
        ask | frame | {
            if frame.op() == "transfer" {
                frame.args_mut().remove("restored");
            }
        }
    ),
    mutant!(
        "crossing-left-out-silently",
        "leaves a context out without a word",
        tell | asked,
        told | {
            if asked.op() == "transfer"
                && let Some(ok) = told.ok_mut()
                && ok.get("latent") == Some(&false.into())
            {
                ok.insert("warnings".to_owned(), json!([]));
            }
        }
    ),
    mutant!(
        "crossing-left-out-refused",
        "refuses what it should leave out",
        tell | asked,
        told | {
            if asked.op() == "transfer" && !crosses(asked) {
                told.become_err("incompatible_models");
            }
        }
    ),
    mutant!(
        "crossing-left-out-told-of",
        "says that a context went over which was left out",
        tell | asked,
        told | {
            if asked.op() == "transfer"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("latent".to_owned(), true.into());
            }
        }
    ),
    mutant!(
        "crossing-memory-forgotten",
        "reads a map from the disk every time",
        tell | asked,
        told | {
            origins(asked, told, |origin| if origin == "memory" { "disk" } else { origin });
        }
    ),
    mutant!(
        "crossing-disk-ignored",
        "neither keeps its maps on the disk nor finds them there",
        ask | frame | {
            if frame.op() == "transfer"
                && let Some(folder) = frame.args().get("cache_dir").and_then(Value::as_str)
            {
                // One of its own, which is not there when the next request comes.
                let own = format!("{folder}-of-one-request");
                let _ = fs::remove_dir_all(Path::new(&own));
                frame.args_mut().insert("cache_dir".to_owned(), own.into());
            }
        }
    ),
    mutant!(
        "crossing-calibrates-every-time",
        "makes a map anew for every transfer",
        tell | asked,
        told | {
            origins(asked, told, |_| "calibrated");
        }
    ),
    mutant!(
        "crossing-gate-refuses",
        "refuses what the quality gate advises against",
        tell | asked,
        told | {
            if crosses(asked) && !passed(told) {
                told.become_err("invalid_argument");
            }
        }
    ),
    mutant!(
        "crossing-gate-leaves-out",
        "writes text alone where the quality gate advises it",
        tell | asked,
        told | {
            if crosses(asked) && !passed(told) {
                let alone = again(asked, "transfer", unasked);
                ["ids", "latent", "primed_len"].iter().for_each(|key| take(told, &alone, key));
            }
        }
    ),
    mutant!(
        "crossing-gate-silent",
        "warns of nothing",
        tell | asked,
        told | {
            tell_of(asked, told, |ok| _ = ok.insert("warnings".to_owned(), json!([])));
        }
    ),
    mutant!(
        "crossing-gate-open",
        "has no quality gate",
        tell | asked,
        told | {
            tell_of(asked, told, |ok| _ = ok.insert("quality_gate_passed".to_owned(), true.into()));
        }
    ),
    mutant!(
        "crossing-steps-are-prompt",
        "counts latent steps as tokens of the prompt",
        tell | asked,
        told | {
            let steps = number(asked, "steps").unwrap_or_default();
            gated(asked, told, |tokens| tokens + steps);
        }
    ),
    mutant!(
        "crossing-gate-of-the-target",
        "counts the tokens of the target's prompt",
        tell | asked,
        told | {
            gated(asked, told, |_| prompt(asked));
        }
    ),
    mutant!(
        "crossing-gate-one-early",
        "draws the line one token below three hundred",
        tell | asked,
        told | {
            tell_of(asked, told, |ok| {
                if ok.get("prompt_tokens").and_then(Value::as_u64) == Some(300) {
                    ok.insert("quality_gate_passed".to_owned(), false.into());
                }
            });
        }
    ),
];

/// Whether a request wants a projection.
pub(crate) fn crosses(frame: &Frame) -> bool {
    frame.op() == "transfer" && frame.args().get("cross_model") != Some(&false.into())
}

pub(crate) fn number(frame: &Frame, key: &str) -> Option<u64> {
    crosses(frame).then(|| frame.args().get(key)?.as_u64()).flatten()
}

/// Tokens of the target's prompt.
pub(crate) fn prompt(frame: &Frame) -> u64 {
    frame.args().get("ids").and_then(Value::as_array).map_or(0, Vec::len) as u64
}

pub(crate) fn unasked(args: &mut Map<String, Value>) {
    args.insert("cross_model".to_owned(), false.into());
}

/// Changes what is told of a projection.
pub(crate) fn tell_of(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Map<String, Value>)) {
    if crosses(asked)
        && let Some(ok) = told.ok_mut()
    {
        change(ok);
    }
}

/// Takes a key's value from another answer.
pub(crate) fn take(told: &mut Frame, other: &Frame, key: &str) {
    let value = other.json.get("ok").and_then(|ok| ok.get(key)).cloned();
    if let (Some(ok), Some(value)) = (told.ok_mut(), value) {
        ok.insert(key.to_owned(), value);
    }
}

fn origins(asked: &Frame, told: &mut Frame, change: impl for<'a> Fn(&'a str) -> &'a str) {
    tell_of(asked, told, |ok| {
        for origin in ok.get_mut("origins").and_then(Value::as_array_mut).into_iter().flatten() {
            *origin = change(origin.as_str().unwrap_or_default()).into();
        }
    });
}

fn passed(told: &Frame) -> bool {
    told.json.get("ok").and_then(|ok| ok.get("quality_gate_passed")) != Some(&false.into())
}

/// Gates by another number of tokens.
fn gated(asked: &Frame, told: &mut Frame, count: impl FnOnce(u64) -> u64) {
    tell_of(asked, told, |ok| {
        let tokens = count(ok.get("prompt_tokens").and_then(Value::as_u64).unwrap_or_default());
        ok.insert("prompt_tokens".to_owned(), tokens.into());
        ok.insert("quality_gate_passed".to_owned(), (tokens <= 300).into());
    });
}
