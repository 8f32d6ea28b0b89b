//! What an answer means: the same whatever the bytes, the order and the pieces that it came from.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::bytes::hex;
use super::metadata;
use crate::adapter::{Answer, Blob};
use crate::case::Spec;
use crate::dissect;

/// Bytes of a part that stand in a meaning as they are; longer ones by their digest, since equality is all that is asked.
const PLAIN: usize = 64;

/// What the messages of an answer say: `{"messages": [{"metadata", "payload", …}], "rest"}`. `None` when it is no
/// answer with messages.
///
/// Of `decode` it is the message that was read, of `decode_stream` all of them, of anything that answers a part `message`
/// what the harness's dissector reads in it. What a message says is its metadata after the proto3 defaults and its
/// uncompressed payload: whether it was compressed, and whether a checksum came with it, belongs to its form.
pub fn meaning(answer: &Answer, spec: Spec) -> Option<Value> {
    let Answer::Ok { ok, parts } = answer else { return None };
    let (messages, rest) = if let Some(list) = ok.get("messages").and_then(Value::as_array) {
        let one = |(index, message): (usize, &Value)| {
            let metadata = message.get("metadata").and_then(Value::as_object);
            let payload = parts.iter().find(|part| part.name == format!("payload{index}"));
            json!({ "metadata": metadata.map(said), "payload": payload.map(|part| bytes(&part.bytes)) })
        };
        (list.iter().enumerate().map(one).collect(), ok.get("rest").and_then(Value::as_u64).unwrap_or(0))
    } else if let Some(metadata) = ok.get("metadata").and_then(Value::as_object) {
        (vec![message(metadata, parts)], 0)
    } else {
        let written = parts.iter().find(|part| part.name == "message")?;
        (vec![message_meaning(&written.bytes, spec)?], 0)
    };
    Some(json!({ "messages": Value::Array(messages), "rest": rest }))
}

/// What the harness's dissector reads in a message, as [`meaning`] has it. `None` when it is malformed.
pub fn message_meaning(message: &[u8], spec: Spec) -> Option<Value> {
    let done = dissect::message(message, spec);
    if !done.faults.is_empty() {
        return None;
    }
    let (metadata, payload) = (done.metadata_json()?, done.payload.as_deref()?);
    Some(json!({ "metadata": said(&metadata), "payload": bytes(payload) }))
}

fn message(metadata: &Map<String, Value>, parts: &[Blob]) -> Value {
    let mut message = Map::from_iter([("metadata".to_owned(), said(metadata))]);
    message.extend(parts.iter().map(|part| (part.name.clone(), bytes(&part.bytes))));
    Value::Object(message)
}

/// The metadata with its defaults, without what belongs to the form.
fn said(metadata: &Map<String, Value>) -> Value {
    Value::Object(metadata::with_defaults(metadata))
}

/// Bytes as a value that is equal when they are.
pub fn bytes(bytes: &[u8]) -> Value {
    if bytes.len() <= PLAIN {
        return hex(bytes).into();
    }
    json!({
        "len": bytes.len(),
        "begins": hex(&bytes[..PLAIN / 4]),
        "sha256": hex(&Sha256::digest(bytes)),
    })
}

/// Where two values part, as a JSON pointer, and what stands there. `None` when they are the same.
pub fn parting(a: &Value, b: &Value) -> Option<(String, Value, Value)> {
    parting_but(a, b, &|_, _, _| false)
}

/// The same, but for places where the values may differ: `free` is told the place and what stands there.
pub fn parting_but(
    a: &Value,
    b: &Value,
    free: &dyn Fn(&str, &Value, &Value) -> bool,
) -> Option<(String, Value, Value)> {
    walk("", a, b, free)
}

fn walk(
    at: &str,
    a: &Value,
    b: &Value,
    free: &dyn Fn(&str, &Value, &Value) -> bool,
) -> Option<(String, Value, Value)> {
    match (a, b) {
        _ if a == b => None,
        (Value::Object(left), Value::Object(right)) => {
            let mut keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            keys.find_map(|key| {
                let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                walk(&format!("{at}/{key}"), &value(left), &value(right), free)
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(index, (a, b))| walk(&format!("{at}/{index}"), a, b, free))
        }
        // Languages differ in whether they write 4 or 4.0.
        (Value::Number(left), Value::Number(right)) if super::compare::same_number(left, right) => None,
        _ if free(at, a, b) => None,
        _ => Some((at.to_owned(), a.clone(), b.clone())),
    }
}
