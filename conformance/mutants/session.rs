//! Session stores that are wrong on purpose.

use serde_json::{Value, json};

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "session-ttl-two-seconds-short",
        "lets a session die two seconds early",
        ask | frame | {
            // At the very boundary both answers are legal; this is beyond it.
            ttls(frame, |ttl| ttl - 2.0);
        }
    ),
    mutant!(
        "session-ttl-in-milliseconds",
        "takes seconds for milliseconds",
        ask | frame | {
            ttls(frame, |ttl| ttl / 1000.0);
        }
    ),
    mutant!(
        "session-never-expires",
        "keeps sessions for ever",
        ask | frame | {
            ttls(frame, |_| 1e9);
        }
    ),
    mutant!(
        "session-ttl-zero-means-none",
        "takes a time to live of zero for no limit",
        ask | frame | {
            ttls(frame, |ttl| if ttl == 0.0 { 1e9 } else { ttl });
        }
    ),
    mutant!(
        "session-negative-ttl-as-default",
        "takes a negative time to live for the default",
        ask | frame | {
            ttls(frame, |ttl| if ttl < 0.0 { 3600.0 } else { ttl });
        }
    ),
    mutant!(
        "session-default-ttl-300",
        "has the context store's default of 300 s",
        ask | frame | {
            if frame.op() == "session_script" && frame.args().get("ttl").is_none_or(Value::is_null) {
                frame.args_mut().insert("ttl".to_owned(), 300.into());
            }
        }
    ),
    mutant!(
        "session-touch-extends",
        "starts the time to live anew at every look-up",
        ask | frame | {
            if frame.op() == "session_script"
                && let Some(steps) = frame.args_mut().get_mut("steps").and_then(Value::as_array_mut)
                && let Some(get) =
                    steps.iter().position(|step| step.get("do").and_then(Value::as_str) == Some("get"))
            {
                let shift = steps[get].get("at").and_then(Value::as_f64).unwrap_or(0.0);
                for step in steps.iter_mut().skip(get + 1) {
                    if let Some(at) = step.get_mut("at") {
                        *at = json!((at.as_f64().unwrap_or(0.0) - shift).max(shift));
                    }
                }
            }
        }
    ),
    mutant!(
        "session-invalidate-always-true",
        "says that it removed what was not there",
        tell | asked,
        told | {
            events(asked, told, "invalidate", |event| event["found"] = true.into());
        }
    ),
    mutant!(
        "session-unknown-found",
        "finds sessions that nobody made",
        tell | asked,
        told | {
            events(asked, told, "get", |event| event["found"] = true.into());
        }
    ),
    mutant!(
        "session-find-empty",
        "can't find sessions by agent",
        tell | asked,
        told | {
            events(asked, told, "find", |event| event["sessions"] = json!([]));
        }
    ),
    mutant!(
        "session-cleanup-counts-nothing",
        "reports no removed sessions",
        tell | asked,
        told | {
            events(asked, told, "cleanup", |event| event["removed"] = 0.into());
        }
    ),
    mutant!(
        "session-count-of-all",
        "counts expired sessions as active",
        tell | asked,
        told | {
            let created =
                asked.args().get("steps").and_then(Value::as_array).map_or(0, |steps| {
                    steps.iter().filter(|s| s.get("do") == Some(&"create".into())).count()
                });
            events(asked, told, "count", |event| event["active"] = created.into());
        }
    ),
    mutant!(
        "session-lost-update",
        "loses a session under concurrent use",
        tell | asked,
        told | {
            if asked.op() == "session_stress"
                && let Some(found) = told.ok_mut().and_then(|ok| ok.get_mut("found"))
            {
                *found = found.as_u64().map(|n| n.saturating_sub(1)).into();
            }
        }
    ),
];

/// Changes every time to live of a script.
fn ttls(frame: &mut Frame, change: impl Fn(f64) -> f64) {
    if frame.op() != "session_script" {
        return;
    }
    let args = frame.args_mut();
    if let Some(ttl) = args.get_mut("ttl")
        && let Some(seconds) = ttl.as_f64()
    {
        *ttl = json!(change(seconds));
    }
    for step in args.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(ttl) = step.get_mut("ttl")
            && let Some(seconds) = ttl.as_f64()
        {
            *ttl = json!(change(seconds));
        }
    }
}

/// Changes the events of one kind of step.
fn events(asked: &Frame, told: &mut Frame, kind: &str, change: impl Fn(&mut Value)) {
    if asked.op() != "session_script" {
        return;
    }
    let steps = asked.args().get("steps").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(events) = told.ok_mut().and_then(|ok| ok.get_mut("events")).and_then(Value::as_array_mut) {
        for (step, event) in steps.iter().zip(events) {
            if step.get("do").and_then(Value::as_str) == Some(kind) {
                change(event);
            }
        }
    }
}
