//! Contexts and their stores that are wrong on purpose.

use serde_json::{Value, json};

use crate::{Mutant, frame::Frame, mutant, wire::Wire};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "context-zero-steps-left-out",
        "takes no steps for nothing to say",
        tell | asked,
        told | {
            edit_written(asked, told, |wire| {
                wire.edit(|n, _, bytes| match n == 14 && bytes.ends_with(b"num_steps\x12\x010") {
                    true => Vec::new(),
                    false => bytes.to_vec(),
                });
            });
        }
    ),
    mutant!(
        "context-entries-renamed",
        "calls the model's hash by another name",
        tell | asked,
        told | {
            edit_written(asked, told, |wire| {
                wire.edit(|n, _, bytes| {
                    let mut bytes = bytes.to_vec();
                    if n == 14
                        && let Some(at) = bytes.windows(10).position(|name| name == b"model_hash")
                    {
                        bytes[at..at + 10].copy_from_slice(b"hash_model");
                    }
                    bytes
                });
            });
        }
    ),
    mutant!(
        "context-ids-swapped",
        "writes the receiver where the sender belongs",
        ask | frame | {
            if frame.op() == "context_to_bytes" {
                let args = frame.args_mut();
                let (source, target) = (args.remove("source_agent_id"), args.remove("target_agent_id"));
                args.extend(source.map(|id| ("target_agent_id".to_owned(), id)));
                args.extend(target.map(|id| ("source_agent_id".to_owned(), id)));
            }
        }
    ),
    mutant!(
        "context-dtype-left-out",
        "says FLOAT32 of every cache",
        tell | asked,
        told | {
            edit_written(asked, told, |wire| wire.drop_field(8));
        }
    ),
    mutant!(
        "context-keys-for-values",
        "gives keys and values in the other's place",
        tell | asked,
        told | {
            if asked.op() == "context_from_bytes" {
                for part in &mut told.parts {
                    let name = match part.name().split_at_checked(1) {
                        Some(("k", layer)) => format!("v{layer}"),
                        Some(("v", layer)) => format!("k{layer}"),
                        _ => continue,
                    };
                    part.spec.insert("name".to_owned(), name.into());
                }
            }
        }
    ),
    mutant!(
        "context-tokens-from-shape",
        "believes the message's shape about the tokens",
        tell | asked,
        told | {
            if asked.op() == "context_from_bytes"
                && let Some(ok) = told.ok_mut()
                && let Some(dims) =
                    ok.get("metadata").and_then(|metadata| metadata["tensor_shape"].as_array())
                && let Some(tokens) = dims.get(3).cloned()
            {
                ok.insert("seq_len".to_owned(), tokens);
            }
        }
    ),
    mutant!(
        "context-entries-required",
        "refuses a cache without entries",
        tell | asked,
        told | {
            if asked.op() == "context_from_bytes"
                && told.ok_mut().is_some_and(|ok| ok.get("model_hash") == Some(&"".into()))
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "context-bad-steps-are-none",
        "takes a count that it can't read for zero",
        ask | frame | {
            edit_read(frame, |wire| {
                let bad = |value: &[u8]| value.is_empty() || !value.iter().all(u8::is_ascii_digit);
                wire.edit(|n, _, bytes| {
                    let name = bytes.windows(9).position(|name| name == b"num_steps");
                    match name.filter(|_| n == 14) {
                        Some(at) if bad(bytes.get(at + 11..).unwrap_or_default()) => Vec::new(),
                        _ => bytes.to_vec(),
                    }
                });
            });
        }
    ),
    mutant!(
        "context-hidden-read-as-cache",
        "never looks at the type of the payload",
        ask | frame | {
            edit_read(frame, |wire| {
                if wire.fields().is_some_and(|fields| fields.iter().all(|(n, ..)| *n != 7)) {
                    wire.metadata.extend([0x38, 1]);
                }
            });
        }
    ),
    mutant!(
        "context-cache-holds-hidden",
        "claims a hidden state that no message carried",
        tell | asked,
        told | {
            if asked.op() == "context_from_bytes"
                && let Some(ok) = told.ok_mut()
                && ok.contains_key("holds")
            {
                ok.insert("holds".to_owned(), json!(["cache", "hidden"]));
            }
        }
    ),
    mutant!(
        "context-hidden-refused",
        "writes caches only",
        tell | asked,
        told | {
            if asked.op() == "context_to_bytes" && asked.part("hidden").is_some() {
                told.become_err("invalid_argument");
            }
        }
    ),
    mutant!(
        "context-hidden-without-tokens",
        "does not say how many tokens hidden states stand for",
        tell | asked,
        told | {
            edit_written(asked, told, |wire| {
                wire.edit(|n, _, bytes| match n == 14 && bytes.windows(7).any(|key| key == b"seq_len") {
                    true => Vec::new(),
                    false => bytes.to_vec(),
                });
            });
        }
    ),
    mutant!(
        "context-of-nothing-written",
        "writes a context without cache and hidden state as a cache of no layers",
        tell | asked,
        told | {
            if asked.op() == "context_to_bytes" && asked.parts.is_empty() {
                let empty = Wire { version: 1, flags: 0, metadata: vec![0x38, 1], section: vec![0; 17] };
                told.become_ok(json!({}), &[("message", &empty.bytes())]);
            }
        }
    ),
    mutant!(
        "context-device-ignored",
        "restores into the host's memory whatever was asked",
        ask | frame | {
            if frame.op() == "context_from_bytes" {
                frame.args_mut().remove("device");
            }
        }
    ),
    mutant!(
        "store-default-ttl-hour",
        "keeps contexts as long as sessions",
        ask | frame | {
            if frame.op() == "store_script" && frame.args().get("ttl").is_none_or(Value::is_null) {
                frame.args_mut().insert("ttl".to_owned(), 3600.into());
            }
        }
    ),
    mutant!(
        "store-own-ttl-ignored",
        "gives every context the store's time to live",
        ask | frame | {
            steps(frame, |step| drop(step.as_object_mut().and_then(|step| step.remove("ttl"))));
        }
    ),
    mutant!(
        "store-first-value-stays",
        "does not replace what is stored again",
        ask | frame | {
            let mut seen = Vec::new();
            steps(frame, |step| {
                if step["do"] == "store" {
                    match seen.contains(&step["key"]) {
                        true => step["do"] = "len".into(),
                        false => seen.push(step["key"].clone()),
                    }
                }
            });
        }
    ),
    mutant!(
        "store-never-expires",
        "keeps contexts for ever",
        ask | frame | {
            if frame.op() == "store_script" {
                frame.args_mut().insert("ttl".to_owned(), json!(1e9));
            }
            steps(frame, |step| {
                if step.get("ttl").is_some() {
                    step["ttl"] = json!(1e9);
                }
            });
        }
    ),
    mutant!(
        "store-expires-in-silence",
        "drops what has ended without a word",
        tell | asked,
        told | {
            events(asked, told, "get", |event| event["warned"] = false.into());
        }
    ),
    mutant!(
        "store-warns-always",
        "warns of every key that is not there",
        tell | asked,
        told | {
            events(asked, told, "get", |event| event["warned"] = event["value"].is_null().into());
        }
    ),
    mutant!(
        "store-length-of-all",
        "counts what has ended",
        tell | asked,
        told | {
            let stored = asked.args().get("steps").and_then(Value::as_array).into_iter().flatten();
            let count = stored.filter(|step| step["do"] == "store").count();
            events(asked, told, "len", |event| event["len"] = count.into());
        }
    ),
    mutant!(
        "store-cleanup-counts-nothing",
        "reports no freed contexts",
        tell | asked,
        told | {
            events(asked, told, "cleanup", |event| event["removed"] = 0.into());
        }
    ),
    mutant!(
        "store-remove-always-true",
        "says that it removed what was not there",
        tell | asked,
        told | {
            events(asked, told, "remove", |event| event["found"] = true.into());
        }
    ),
    mutant!(
        "store-default-ttl-minute",
        "keeps contexts for a minute",
        ask | frame | {
            if frame.op() == "store_script" && frame.args().get("ttl").is_none_or(Value::is_null) {
                frame.args_mut().insert("ttl".to_owned(), 60.into());
            }
        }
    ),
    mutant!(
        "store-keys-folded",
        "takes keys that differ in case alone for one",
        ask | frame | {
            steps(frame, |step| {
                if let Some(key) = step.get("key").and_then(Value::as_str).map(str::to_lowercase) {
                    step["key"] = key.into();
                }
            });
        }
    ),
    mutant!(
        "store-expired-is-an-error",
        "fails where a context has ended",
        tell | asked,
        told | {
            let steps = asked.args().get("steps").and_then(Value::as_array);
            let mut ends = std::collections::BTreeMap::new();
            for step in steps.into_iter().flatten().filter(|_| asked.op() == "store_script") {
                let ttl = step.get("ttl").or_else(|| asked.args().get("ttl")).and_then(Value::as_f64);
                let (at, key) = (step["at"].as_f64().unwrap_or(0.0), step["key"].to_string());
                match step["do"].as_str() {
                    Some("store") => drop(ends.insert(key, at + ttl.unwrap_or(300.0))),
                    Some("get") if ends.get(&key).is_some_and(|end| at >= *end) => {
                        told.become_err("session_expired");
                    }
                    _ => {}
                }
            }
        }
    ),
    mutant!(
        "store-lost-update",
        "loses a context under concurrent use",
        tell | asked,
        told | {
            if asked.op() == "store_stress"
                && let Some(len) = told.ok_mut().and_then(|ok| ok.get_mut("len"))
            {
                *len = len.as_u64().map(|n| n.saturating_sub(1)).into();
            }
        }
    ),
];

/// Changes the message that `context_to_bytes` wrote.
pub(crate) fn edit_written(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Wire)) {
    if asked.op() == "context_to_bytes" {
        edit(told, change);
    }
}

/// Changes the message that `context_from_bytes` is to read.
pub(crate) fn edit_read(asked: &mut Frame, change: impl FnOnce(&mut Wire)) {
    if asked.op() == "context_from_bytes" {
        edit(asked, change);
    }
}

fn edit(frame: &mut Frame, change: impl FnOnce(&mut Wire)) {
    if let Some(message) = frame.part_mut("message")
        && let Some(mut wire) = Wire::parse(message)
    {
        change(&mut wire);
        *message = wire.bytes();
    }
}

/// Changes the steps of a store's script.
fn steps(frame: &mut Frame, change: impl FnMut(&mut Value)) {
    if frame.op() == "store_script" {
        frame
            .args_mut()
            .get_mut("steps")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .for_each(change);
    }
}

/// Changes the events of one kind of step.
fn events(asked: &Frame, told: &mut Frame, kind: &str, change: impl Fn(&mut Value)) {
    if asked.op() != "store_script" {
        return;
    }
    let steps = asked.args().get("steps").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(events) = told.ok_mut().and_then(|ok| ok.get_mut("events")).and_then(Value::as_array_mut) {
        let named = steps.iter().zip(events).filter(|(step, _)| step["do"] == kind);
        named.for_each(|(_, event)| change(event));
    }
}
