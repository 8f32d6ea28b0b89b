//! What was sent and answered, as an event shows it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::adapter::{Answer, Blob, Lost, Request};
use crate::case::Spec;
use crate::dissect::{self, Field};

/// Most bytes of a part that an event carries as hex. A message that is worth reading byte by byte is shorter; the
/// length and the digest tell the rest apart.
pub const DUMP_BYTES: usize = 4096;

/// Most characters of a JSON argument or answer that an event carries: a vocabulary of 100,000 tokens says nothing to a
/// reader of a report.
const DUMP_JSON: usize = 16 * 1024;

/// Explains the bytes of a part, field by field. The harness's dissector does; reports only print what it said.
pub trait Annotate: Sync {
    /// The fields of a part called `name`, in order of their bytes. Empty when there is nothing to say.
    fn annotate(&self, op: &str, name: &str, bytes: &[u8], spec: Spec) -> Vec<Field>;
}

/// Explains messages and KV payloads by the harness's own dissector; of other parts there is nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dissector;

impl Annotate for Dissector {
    fn annotate(&self, _op: &str, name: &str, bytes: &[u8], spec: Spec) -> Vec<Field> {
        match name {
            "message" | "stream" | "head" => dissect::message(bytes, spec).fields,
            "kv" => dissect::kv(bytes).fields,
            _ => Vec::new(),
        }
    }
}

/// Explains nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnnotations;

impl Annotate for NoAnnotations {
    fn annotate(&self, _op: &str, _name: &str, _bytes: &[u8], _spec: Spec) -> Vec<Field> {
        Vec::new()
    }
}

/// One step of a case: what was sent and what came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDump {
    /// Which step of the case, from 0. Of many steps only some are shown.
    #[serde(default)]
    pub step: usize,
    /// Operation.
    pub op: String,
    /// Arguments as sent.
    pub args: Map<String, Value>,
    /// Parts as sent.
    pub parts: Vec<PartDump>,
    /// What came back.
    pub answer: AnswerDump,
    /// Growth of the peak memory in bytes, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_growth: Option<u64>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AnswerDump {
    /// `ok`.
    Ok {
        /// Its content.
        ok: Map<String, Value>,
        /// Its parts.
        parts: Vec<PartDump>,
    },
    /// `err`.
    Err {
        /// Class.
        code: String,
        /// Free text.
        detail: String,
        /// Status of the HTTP answer that the error is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// `unsupported`.
    Unsupported {
        /// Why.
        why: String,
    },
    /// `fault`.
    Fault {
        /// What was caught.
        text: String,
    },
    /// No answer.
    Lost {
        /// How.
        how: String,
    },
    /// Nothing was sent.
    NotSent {
        /// Why.
        why: String,
    },
}

/// A part of a request or an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartDump {
    /// Name.
    pub name: String,
    /// Element type, for tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Dimensions, for tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Length in bytes.
    pub len: usize,
    /// SHA-256 of all bytes, hex.
    pub sha256: String,
    /// The first [`DUMP_BYTES`] bytes, hex.
    pub hex: String,
    /// What the bytes mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

impl PartDump {
    /// Describes a part of operation `op`.
    pub fn new(op: &str, blob: &Blob, spec: Spec, annotate: &dyn Annotate) -> Self {
        let shown = &blob.bytes[..blob.bytes.len().min(DUMP_BYTES)];
        Self {
            name: blob.name.clone(),
            dtype: blob.dtype.clone(),
            shape: blob.shape.clone(),
            len: blob.bytes.len(),
            sha256: hex(&Sha256::digest(&blob.bytes)),
            hex: hex(shown),
            fields: annotate.annotate(op, &blob.name, &blob.bytes, spec),
        }
    }
}

impl AnswerDump {
    /// Describes an answer to operation `op`.
    pub fn new(op: &str, answer: &Answer, spec: Spec, annotate: &dyn Annotate) -> Self {
        match answer {
            Answer::Ok { ok, parts } => Self::Ok {
                ok: untold(op, shortened(ok)),
                parts: parts.iter().map(|part| PartDump::new(op, part, spec, annotate)).collect(),
            },
            Answer::Err { code, detail, status } => {
                Self::Err { code: code.clone(), detail: detail.clone(), status: *status }
            }
            Answer::Unsupported(why) => Self::Unsupported { why: why.clone() },
            Answer::Fault(text) => Self::Fault { text: text.clone() },
        }
    }

    /// Describes the absence of one.
    pub fn lost(lost: &Lost) -> Self {
        Self::Lost { how: lost.to_string() }
    }
}

impl StepDump {
    /// Describes a step.
    pub fn new(
        request: &Request,
        answer: AnswerDump,
        rss_growth: Option<u64>,
        spec: Spec,
        annotate: &dyn Annotate,
    ) -> Self {
        Self {
            step: 0,
            op: request.op.clone(),
            args: shortened(&request.args),
            parts: request
                .parts
                .iter()
                .map(|part| PartDump::new(&request.op, part, spec, annotate))
                .collect(),
            answer,
            rss_growth,
        }
    }
}

/// A server that runs already may have a token that is somebody's secret; no report needs it.
fn untold(op: &str, mut ok: Map<String, Value>) -> Map<String, Value> {
    if let Some(token) = ok.get_mut("token").filter(|token| op == "serve" && token.is_string()) {
        *token = Value::String("(not told)".to_owned());
    }
    ok
}

/// Replaces members that are too long to be read.
fn shortened(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .map(|(key, value)| {
            let long = estimate(value, DUMP_JSON) > DUMP_JSON;
            let value =
                if long { Value::String(format!("(left out: {})", outline(value))) } else { value.clone() };
            (key.clone(), value)
        })
        .collect()
}

/// Rough number of characters of `value`, counted no further than a little beyond `enough`.
fn estimate(value: &Value, enough: usize) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 6,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => sum_until(items.iter().map(|item| estimate(item, enough)), enough),
        Value::Object(map) => {
            sum_until(map.iter().map(|(key, item)| key.len() + 4 + estimate(item, enough)), enough)
        }
    }
}

fn sum_until(lengths: impl Iterator<Item = usize>, enough: usize) -> usize {
    let mut sum: usize = 2;
    for length in lengths {
        sum = sum.saturating_add(length + 1);
        if sum > enough {
            break;
        }
    }
    sum
}

fn outline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(map) => format!("an object of {} members", map.len()),
        Value::String(text) => format!("{} bytes of text", text.len()),
        _ => "a value".to_owned(),
    }
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_part_keeps_its_length_and_digest() {
        let blob =
            Blob { name: "message".into(), dtype: None, shape: None, bytes: vec![7; DUMP_BYTES + 1].into() };
        let dump = PartDump::new("decode", &blob, Spec::V04, &NoAnnotations);
        assert_eq!(dump.len, DUMP_BYTES + 1);
        assert_eq!(dump.hex.len(), DUMP_BYTES * 2);
        assert_eq!(dump.sha256, hex(&Sha256::digest(vec![7; DUMP_BYTES + 1])));
    }

    #[test]
    fn long_arguments_are_outlined_and_short_ones_kept() {
        let vocab: Vec<_> = (0..10_000).collect();
        let Value::Object(args) = json!({"vocab": vocab, "lambda": 1}) else { unreachable!() };
        let short = shortened(&args);
        assert_eq!(short["lambda"], json!(1));
        assert_eq!(short["vocab"], json!("(left out: a list of 10000)"));
    }
}
