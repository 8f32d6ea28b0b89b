//! Implementations to which the form of a message matters: how it came, how it is written, what stands beside it.

use serde_json::{Value, json};

use crate::decoder::wire_of;
use crate::frame::Frame;
use crate::wire::{Wire, varint};
use crate::{Mutant, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "stream-header-in-pieces",
        "loses a message whose header came in two pieces",
        tell | asked,
        told | {
            let cut: Vec<u64> = splits(asked);
            let starts = starts(asked);
            if let Some(messages) = messages_mut(told)
                && let Some(at) = starts
                    .iter()
                    .take(messages.len())
                    .position(|start| cut.iter().any(|cut| (start + 1..start + 12).contains(cut)))
            {
                messages.remove(at);
            }
        }
    ),
    mutant!(
        "stream-fields-carried-over",
        "starts the next message with the fields of the one before",
        tell | asked,
        told | {
            if asked.op() == "decode_stream"
                && let Some(messages) = messages_mut(told)
            {
                for at in 1..messages.len() {
                    let before = messages[at - 1].pointer("/metadata/session_id").cloned();
                    let before = before.filter(|id| id.as_str().is_some_and(|id| !id.is_empty()));
                    if let (Some(id), Some(metadata)) =
                        (before, messages[at].get_mut("metadata").and_then(Value::as_object_mut))
                        && metadata.get("session_id").and_then(Value::as_str).is_none_or(str::is_empty)
                    {
                        metadata.insert("session_id".to_owned(), id);
                    }
                }
            }
        }
    ),
    mutant!(
        "decode-longer-varint-refused",
        "refuses numbers in more bytes than they need",
        tell | asked,
        told | {
            if wire_of(asked).and_then(|wire| wire.fields()).is_some_and(|fields| fields.iter().any(padded)) {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-extra-ascending-only",
        "drops entries of `extra` that do not follow the one before in the order of their keys",
        tell | asked,
        told | {
            let keys = wire_of(asked).map(|wire| extra_keys(&wire)).unwrap_or_default();
            let dropped: Vec<&String> =
                keys.windows(2).filter(|pair| pair[0] > pair[1]).map(|pair| &pair[1]).collect();
            if let Some(extra) =
                told.ok_mut().and_then(|ok| ok.get_mut("metadata")?.get_mut("extra")?.as_object_mut())
            {
                extra.retain(|key, _| !dropped.contains(&key));
            }
        }
    ),
    mutant!(
        "decode-compressed-without-source",
        "forgets who sent a message when its payload was compressed",
        tell | asked,
        told | {
            if wire_of(asked).is_some_and(|wire| wire.flags & 1 != 0)
                && let Some(metadata) = told.ok_mut().and_then(|ok| ok.get_mut("metadata")?.as_object_mut())
            {
                metadata.insert("source_agent_id".to_owned(), json!(""));
                metadata.insert("session_id".to_owned(), json!(""));
            }
        }
    ),
];

/// Where the pieces of a stream end.
fn splits(asked: &Frame) -> Vec<u64> {
    let splits = asked.args().get("splits").and_then(Value::as_array);
    splits.into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// Where the messages of a stream begin.
fn starts(asked: &Frame) -> Vec<u64> {
    let mut starts = Vec::new();
    let mut rest = asked.part("stream").unwrap_or_default();
    let all = rest.len();
    while let Some(wire) = Wire::parse(rest) {
        starts.push((all - rest.len()) as u64);
        rest = rest.get(wire.bytes().len()..).unwrap_or_default();
    }
    starts
}

fn messages_mut(told: &mut Frame) -> Option<&mut Vec<Value>> {
    told.ok_mut()?.get_mut("messages")?.as_array_mut()
}

/// Whether a number of a field ends in a byte that says nothing.
fn padded((number, kind, bytes): &(u64, u8, Vec<u8>)) -> bool {
    let mut rest = bytes.as_slice();
    if varint(&mut rest).is_none() {
        return false;
    }
    if (*number, *kind) == (9, 2) {
        let _ = varint(&mut rest);
    } else if *kind != 0 {
        return false;
    }
    while !rest.is_empty() {
        let before = rest;
        if varint(&mut rest).is_none() {
            return false;
        }
        let used = before.len() - rest.len();
        if used > 1 && before[used - 1] == 0 {
            return true;
        }
    }
    false
}

/// The keys of `extra` as they stand in the message.
fn extra_keys(wire: &Wire) -> Vec<String> {
    let mut keys = Vec::new();
    for (number, kind, bytes) in wire.fields().unwrap_or_default() {
        let mut rest = bytes.as_slice();
        if (number, kind) != (14, 2) || varint(&mut rest).is_none() || varint(&mut rest).is_none() {
            continue;
        }
        let entry = Wire { version: 1, flags: 0, metadata: rest.to_vec(), section: Vec::new() };
        for (number, _, bytes) in entry.fields().unwrap_or_default() {
            let mut rest = bytes.as_slice();
            if number == 1 && varint(&mut rest).is_some() && varint(&mut rest).is_some() {
                keys.push(String::from_utf8_lossy(rest).into_owned());
            }
        }
    }
    keys
}
