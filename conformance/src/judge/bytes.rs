//! Bytes against expected bytes.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Bytes shown around the first difference.
const AROUND: usize = 32;

/// How two runs of bytes differ: what was expected, what is there, and one sentence. `None` when they are equal.
pub(super) fn difference(expected: &[u8], actual: &[u8]) -> Option<(Value, Value, String)> {
    if expected == actual {
        return None;
    }
    let common = expected.iter().zip(actual).position(|(a, b)| a != b);
    let at = common.unwrap_or_else(|| expected.len().min(actual.len()));
    let note = match common {
        Some(at) => {
            format!("byte {at} of {} is {:02x}, expected {:02x}", actual.len(), actual[at], expected[at])
        }
        None => format!("{} bytes, expected {}; equal up to there", actual.len(), expected.len()),
    };
    Some((window(expected, at), window(actual, at), note))
}

/// The bytes around an offset.
pub(super) fn window(bytes: &[u8], at: usize) -> Value {
    let start = at.saturating_sub(AROUND / 2).min(bytes.len());
    let end = (start + AROUND).min(bytes.len());
    json!({"len": bytes.len(), "at": start, "hex": hex(&bytes[start..end])})
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
