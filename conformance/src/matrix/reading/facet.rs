//! What somebody understood of a message, in single statements that can be compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::adapter::Blob;
use crate::case::Spec;
use crate::dissect::{self, Dissection, Held, flag_bits};
use crate::oracle;

/// Payloads up to this length are shown in full; longer ones by length and digest.
const SHOWN: usize = 24;

/// Longest statement that is kept. What is longer was made up by somebody, and its beginning is enough to tell.
const STATEMENT: usize = 300;

/// Most statements that are kept of one answer: several times as many as the richest meaning has. More come from an
/// implementation that made them up.
const STATEMENTS: usize = 64;

/// Statements by name. What is not there is the protocol's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets(BTreeMap<String, String>);

impl Facets {
    /// The statement of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds one.
    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        if self.0.len() < STATEMENTS {
            let value: String = value.into();
            self.0.insert(cut(&name.into()), cut(&value));
        }
    }

    pub(super) fn payload(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.set("payload", told(bytes));
        }
    }

    /// The flags that are set.
    pub(super) fn flags(&mut self, compressed: bool, hybrid: bool, map: bool, kv: bool) {
        let all = [("compressed", compressed), ("hybrid", hybrid), ("map", map), ("kv", kv)];
        for (name, _) in all.into_iter().filter(|(_, set)| *set) {
            self.set(format!("flag {name}"), "set");
        }
    }

    /// The flags byte as a dialect has it.
    pub(super) fn flags_byte(&mut self, flags: u8, spec: Spec) {
        let (compressed, hybrid, map, kv) = flag_bits(spec);
        let set = |bit: u8| flags & bit != 0;
        self.flags(set(compressed), set(hybrid), set(map), set(kv));
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(STATEMENT) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// Bytes for people.
fn told(bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    if bytes.len() <= SHOWN {
        return hex(bytes);
    }
    format!("{} bytes, SHA-256 {}…", bytes.len(), hex(&Sha256::digest(bytes)[..4]))
}

/// Values that mean the same as an absent key.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["", "HIDDEN_STATE", "FLOAT32", "LATENT"].contains(&text.as_str()),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 4 and 4.0 are the same number.
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |value| value.to_string())
        }
        other => other.to_string(),
    }
}

/// Metadata as the contract writes it. The checksum is no part of what is said.
pub(super) fn of_metadata(metadata: &Map<String, Value>) -> Facets {
    let mut facets = Facets::default();
    for (key, value) in metadata.iter().filter(|(key, _)| *key != "payload_checksum") {
        match value {
            Value::Object(entries) if key == "extra" => {
                for (name, value) in entries {
                    facets.set(format!("extra.{name}"), word(value));
                }
            }
            // 2 is the number of EMBEDDING in every dialect that ever had it.
            Value::Number(number) if key == "payload_type" && number.as_u64() == Some(2) => {
                facets.set(key, "EMBEDDING");
            }
            value if is_default(value) => {}
            value => facets.set(key, word(value)),
        }
    }
    facets
}

/// What `context_from_bytes` answers.
pub(super) fn of_context(answer: &Map<String, Value>, tensors: &[(&str, &[u8])]) -> Facets {
    const FIELDS: [&str; 6] =
        ["model_hash", "model_family", "hidden_dim", "num_layers", "num_steps", "seq_len"];
    let mut facets = Facets::default();
    for key in FIELDS {
        if let Some(value) = answer.get(key).filter(|value| !is_default(value)) {
            facets.set(key, word(value));
        }
    }
    for (name, bytes) in tensors {
        facets.set(*name, told(bytes));
    }
    facets
}

/// A text message. Its version is the writer's own.
pub(super) fn of_text(message: &Map<String, Value>) -> Facets {
    let mut said = message.clone();
    said.remove("avp_version");
    of_metadata(&said)
}

/// What a reader answered about a binary message. Its flags are what its dialect has them mean.
pub(super) fn of_answer(ok: &Map<String, Value>, parts: &[Blob], spec: Spec) -> Facets {
    let object = |key: &str| ok.get(key).and_then(Value::as_object);
    let mut facets = object("metadata").map(of_metadata).unwrap_or_default();
    if let Some(part) = parts.iter().find(|part| part.name == "payload") {
        facets.payload(&part.bytes);
    }
    if let Some(text) = ok.get("text_fallback").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        facets.set("text", text);
    }
    let flags = object("header").and_then(|header| header.get("flags")).and_then(Value::as_u64);
    if let Some(flags) = flags.and_then(|flags| u8::try_from(flags).ok()) {
        facets.flags_byte(flags, spec);
    }
    facets
}

/// What bytes say by the harness's own reading, or what a correct reader of that dialect refuses in them.
pub(super) fn of_message(bytes: &[u8], spec: Spec) -> Result<Facets, String> {
    let read = dissect::message(bytes, spec);
    // The number of a type that the dialect gave up is still readable.
    let fault = read.faults.iter().find(|fault| !fault.requirements.contains(&"AVP-ENUM-003"));
    match fault {
        Some(fault) => Err(fault.text.clone()),
        None => Ok(of_dissection(&read)),
    }
}

/// Whether a correct reader of that dialect refuses the bytes, and why.
pub(super) fn refused(bytes: &[u8], spec: Spec) -> Option<String> {
    dissect::message(bytes, spec).faults.first().map(|fault| fault.text.clone())
}

/// The dialect that a message gives away; what all read alike is of the newest.
pub(super) fn found_out(bytes: &[u8]) -> Spec {
    let read = dissect::message(bytes, Spec::V04);
    match (read.header, &read.metadata) {
        (Some(header), Some(metadata)) if oracle::dialect(header.flags, metadata) == oracle::Dialect::V02 => {
            Spec::V02
        }
        _ => Spec::V04,
    }
}

fn of_dissection(read: &Dissection<'_>) -> Facets {
    let mut facets = read.metadata_json().as_ref().map(of_metadata).unwrap_or_default();
    let payload = read.payload.as_deref().unwrap_or_default();
    match &read.hybrid {
        Some(hybrid) => {
            let piece = |range: Option<std::ops::Range<usize>>| {
                range.and_then(|range| payload.get(range)).unwrap_or_default()
            };
            facets.payload(piece(hybrid.latent()));
            let text = String::from_utf8_lossy(piece(hybrid.text()));
            if !text.is_empty() {
                facets.set("text", text);
            }
        }
        None => facets.payload(payload),
    }
    if let Some(header) = read.header {
        facets.flags_byte(header.flags, read.spec);
    }
    facets
}

/// The same for a context.
pub(super) fn of_context_bytes(bytes: &[u8], spec: Spec) -> Result<Facets, String> {
    let read = dissect::context(bytes, spec);
    if let Some(fault) = read.faults.first() {
        return Err(fault.text.clone());
    }
    if let (Some(answer), Some(tensors)) = (read.answer(), read.tensors()) {
        let tensors: Vec<(&str, &[u8])> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.bytes)).collect();
        return Ok(of_context(&answer, &tensors));
    }
    let (Some(Held::Hidden), Some(metadata)) = (read.held, &read.message.metadata) else {
        return Err("neither a cache nor hidden states".to_owned());
    };
    let mut answer = Map::new();
    for key in ["model_hash", "model_family", "num_steps"] {
        if let Some(value) = metadata.extra.get(key).and_then(Value::as_str) {
            let number = value.parse::<u64>().ok().filter(|_| key == "num_steps");
            answer.insert(key.to_owned(), number.map_or_else(|| value.into(), Value::from));
        }
    }
    answer.insert("hidden_dim".to_owned(), metadata.hidden_dim.into());
    answer.insert("num_layers".to_owned(), metadata.num_layers.into());
    answer.insert("seq_len".to_owned(), metadata.tensor_shape.first().copied().unwrap_or_default().into());
    Ok(of_context(&answer, &[("hidden", read.message.payload.as_deref().unwrap_or_default())]))
}

/// The same for a text message, by the oracle.
pub(super) fn of_text_bytes(bytes: &[u8]) -> Result<Facets, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "no UTF-8".to_owned())?;
    let message = oracle::decode_text_message(text).ok_or("no text message")?;
    Ok(of_text(&oracle::encode_text_message(&message)))
}
