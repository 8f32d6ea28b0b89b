//! An expectation for people.

use avp_conformance::{
    case::{EncodedExpect, Expect, ExpectPart, PartContent},
    report::spaced,
};
use serde_json::{Map, Value};

/// Bytes of an expected part that are shown.
const BYTES: usize = 32;
/// Values of an expected tensor that are shown.
const NUMBERS: usize = 8;

/// One line a demand.
pub(super) fn lines(expect: &Expect) -> Vec<String> {
    match expect {
        Expect::Ok { ok, should, parts } => accepted(ok, should, parts),
        Expect::Reject(codes) if codes.is_empty() => vec!["a refusal".to_owned()],
        Expect::Refused { codes, status } => {
            vec![format!("a refusal with the status {status}, best with the class {}", codes.join(" or "))]
        }
        Expect::Reject(codes) => vec![format!("a refusal, best with the class {}", codes.join(" or "))],
        Expect::Encoded(encoded) => message(encoded),
        Expect::Either(branches) => {
            let mut lines = vec!["one of these; which one is recorded:".to_owned()];
            for (name, branch) in branches {
                for (n, line) in self::lines(branch).into_iter().enumerate() {
                    lines.push(if n == 0 { format!("- {name}: {line}") } else { format!("    {line}") });
                }
            }
            lines
        }
        Expect::Alive => vec!["any answer, but no crash, no hang and no fault".to_owned()],
    }
}

fn accepted(ok: &Map<String, Value>, should: &Map<String, Value>, parts: &[ExpectPart]) -> Vec<String> {
    let mut lines = vec!["an answer".to_owned()];
    for (key, value) in ok {
        match key.strip_suffix('?') {
            Some(key) => lines.push(format!("with {key}, if there is one: {}", spaced(value))),
            None => lines.push(format!("with {key}: {}", spaced(value))),
        }
    }
    for (key, value) in should {
        lines.push(format!("it should have {}: {}", key.trim_end_matches('?'), spaced(value)));
    }
    for part in parts {
        let content = match &part.content {
            PartContent::Bytes(bytes) => hex(bytes),
            PartContent::Json(value) => format!("JSON that equals {}", spaced(value)),
            PartContent::SameAs { step, part, sent } => {
                let from = if *sent { "sent with" } else { "answered by" };
                format!("the same bytes as {part} {from} step {}", step + 1)
            }
            PartContent::Cache(cache) => {
                let content = spaced(&Value::Object(cache.content.clone()));
                format!("a message with {content} and {} tensors near to the oracle's", cache.tensors.len())
            }
            PartContent::Near { step, part, within } => {
                let within: Vec<String> =
                    within.named().map(|(name, limit)| format!("{name} {limit:e}")).collect();
                format!("near {part} answered by step {}, within {}", step + 1, within.join(", "))
            }
            PartContent::Close(tensor) => {
                let within: Vec<String> =
                    tensor.within.named().map(|(name, limit)| format!("{name} {limit:e}")).collect();
                let through = if tensor.through.is_some() { ", both seen through a matrix" } else { "" };
                format!(
                    "{:?} near {}, within {}{through}",
                    tensor.shape,
                    numbers(&tensor.values),
                    within.join(", ")
                )
            }
        };
        lines.push(format!("with the part {}: {content}", part.name));
    }
    lines
}

fn message(encoded: &EncodedExpect) -> Vec<String> {
    let mut lines = vec!["a message that the harness's own dissector finds right".to_owned()];
    if let Some(metadata) = &encoded.metadata {
        lines.push(format!("with the metadata {}", spaced(&Value::Object(metadata.clone()))));
    }
    if let Some(payload) = &encoded.payload {
        lines.push(format!("with the payload {}", hex(payload)));
    }
    if let Some(compressed) = encoded.compressed {
        lines.push(if compressed { "compressed" } else { "not compressed" }.to_owned());
    }
    if let Some(flags) = encoded.flags {
        lines.push(format!("with the flags 0x{flags:02x}"));
    }
    for bytes in &encoded.bytes {
        lines.push(format!("equal to {} (or another of these)", hex(bytes)));
    }
    for bytes in &encoded.metadata_bytes {
        lines.push(format!("with the metadata section {} (or another of these)", hex(bytes)));
    }
    for (number, bytes) in &encoded.has_field {
        lines.push(format!("with field {number} as {}", hex(bytes)));
    }
    for number in &encoded.lacks_field {
        lines.push(format!("without field {number}"));
    }
    if let Some(len) = &encoded.section_len {
        let bound =
            |word: &str, bound: Option<u64>| bound.map(|n| format!(" {word} {n}")).unwrap_or_default();
        lines.push(format!(
            "with a payload section of{}{} bytes",
            bound("at least", len.min),
            bound("at most", len.max)
        ));
    }
    lines
}

/// The first of some float32 values.
fn numbers(bytes: &[u8]) -> String {
    let all = bytes.as_chunks::<4>().0;
    let shown: Vec<String> =
        all.iter().take(NUMBERS).map(|value| f32::from_le_bytes(*value).to_string()).collect();
    let rest = if all.len() > NUMBERS { ", …" } else { "" };
    format!("[{}{rest}]", shown.join(", "))
}

fn hex(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
    let rest = if bytes.len() > BYTES { " …" } else { "" };
    format!("{}{rest} ({} bytes)", shown.join(" "), bytes.len())
}
