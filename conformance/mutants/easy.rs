//! Easy APIs that are wrong on purpose: names, stores, arguments, results.

use serde_json::{Map, Value, json};

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "easy-loads-every-time",
        "loads a model for every call",
        tell | asked,
        told | {
            let mut calls = 0;
            events(asked, told, |step, event| {
                calls += u64::from(is_call(step));
                if event.contains_key("loads") {
                    event.insert("loads".to_owned(), calls.into());
                }
            });
        }
    ),
    mutant!(
        "easy-clear-keeps-models",
        "keeps its models when it is told to let them go",
        ask | frame | {
            steps(frame, |step| {
                if step.get("do") == Some(&"clear".into()) {
                    step.insert("do".to_owned(), "loads".into());
                }
            });
        }
    ),
    mutant!(
        "easy-one-model-for-all-names",
        "takes the first model for every name",
        ask | frame | {
            steps(frame, |step| {
                if is_call(step) && step.get("model").is_some_and(|model| *model != "text-only") {
                    step.insert("model".to_owned(), "one".into());
                }
            });
        }
    ),
    mutant!(
        "easy-default-steps-10",
        "takes ten steps where nobody says how many",
        ask | frame | {
            steps(frame, |step| {
                if is_call(step) {
                    step.entry("steps").or_insert(10.into());
                }
            });
        }
    ),
    mutant!(
        "easy-keys-without-store-ignored",
        "keeps nothing where there is no store, without a word",
        ask | frame | {
            steps(frame, |step| {
                if step.get("store") != Some(&true.into()) {
                    step.remove("store_key");
                    step.remove("prior_key");
                }
            });
        }
    ),
    mutant!(
        "easy-prior-ignored",
        "starts from nothing whatever the store holds",
        ask | frame | {
            steps(frame, |step| {
                if step.get("store") == Some(&true.into()) {
                    step.remove("prior_key");
                }
            });
        }
    ),
    mutant!(
        "easy-nothing-kept",
        "never puts a context into the store",
        ask | frame | {
            steps(frame, |step| {
                if step.get("store") == Some(&true.into()) {
                    step.remove("store_key");
                }
            });
        }
    ),
    mutant!(
        "easy-empty-prompt-accepted",
        "thinks about nothing",
        ask | frame | {
            steps(frame, |step| {
                if step.get("prompt") == Some(&"".into()) {
                    step.insert("prompt".to_owned(), " ".into());
                }
            });
        }
    ),
    mutant!(
        "easy-model-guessed",
        "takes some model where none is named",
        ask | frame | {
            steps(frame, |step| {
                if is_call(step) {
                    step.entry("model").or_insert("one".into());
                }
            });
        }
    ),
    mutant!(
        "easy-mistakes-as-missing-engines",
        "calls a mistake in a call a missing engine",
        tell | asked,
        told | {
            events(asked, told, |_, event| {
                if event.get("error") == Some(&"configuration".into()) {
                    event.insert("error".to_owned(), "engine_unavailable".into());
                }
            });
        }
    ),
    mutant!(
        "easy-metrics-left-out",
        "answers results without metrics",
        tell | asked,
        told | {
            events(asked, told, |_, event| {
                event.remove("metrics");
            });
        }
    ),
    mutant!(
        "easy-text-as-shown",
        "answers a text as a debugger shows it",
        tell | asked,
        told | {
            events(asked, told, |_, event| {
                if let Some(text) = event.get("text").map(ToString::to_string) {
                    event.insert("text".to_owned(), text.into());
                }
            });
        }
    ),
    mutant!(
        "easy-engine-thinks-nothing",
        "answers an empty context for an engine that can't think",
        tell | asked,
        told | {
            events(asked, told, |step, event| {
                let thinks = step["do"] == "engine_think" || step["do"] == "think";
                if thinks && step.get("model") == Some(&"text-only".into()) {
                    *event = Map::from_iter([("num_steps".to_owned(), json!(0))]);
                }
            });
        }
    ),
    mutant!(
        "easy-engine-drops-contexts",
        "leaves out the context of an engine that can't take one",
        ask | frame | {
            steps(frame, |step| {
                if step.get("model") == Some(&"text-only".into()) {
                    step.remove("context");
                    step.remove("prior_key");
                }
            });
        }
    ),
];

fn is_call(step: &Map<String, Value>) -> bool {
    matches!(step.get("do").and_then(Value::as_str), Some("think" | "generate"))
}

/// The steps of a script before they are asked.
fn steps(frame: &mut Frame, edit: impl FnMut(&mut Map<String, Value>)) {
    if frame.op() == "easy_script"
        && let Some(Value::Array(steps)) = frame.args_mut().get_mut("steps")
    {
        steps.iter_mut().filter_map(Value::as_object_mut).for_each(edit);
    }
}

/// Steps and their events before they are told.
fn events(
    asked: &Frame,
    told: &mut Frame,
    mut edit: impl FnMut(&Map<String, Value>, &mut Map<String, Value>),
) {
    if asked.op() == "easy_script"
        && let Some(Value::Array(steps)) = asked.args().get("steps")
        && let Some(Value::Array(events)) = told.ok_mut().and_then(|ok| ok.get_mut("events"))
    {
        for (step, event) in steps.iter().zip(events) {
            if let (Some(step), Some(event)) = (step.as_object(), event.as_object_mut()) {
                edit(step, event);
            }
        }
    }
}
