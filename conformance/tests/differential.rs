//! The harness's dissector against the reference's decoder on random mutations: two readers, written apart, must agree on
//! what is refused, for which class of reason, and on every field and byte of what is accepted.
//!
//! Where the requirements leave a decoder free, the dissector says so ([`Dissection::contested`]); such inputs are
//! counted and not compared. `AVP_DIFFERENTIAL_CASES` sets how many mutations are tried.

#![cfg(feature = "reference")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use avp::wire::{Decoder, Dialect, Limits, Message};
use avp_conformance::build::SplitMix64;
use avp_conformance::case::{PartData, Spec};
use avp_conformance::check::generated;
use avp_conformance::dissect::{self, Dissection};
use serde_json::{Value, json};

/// Tried when nothing else is said: a second or two of a debug build.
const CASES: usize = 20_000;
/// Generated cases an area whose messages are mutated.
const PER_AREA: u32 = 500;
/// Bound of decompression, the same for both.
const MAX_PAYLOAD: u64 = 1 << 20;
/// Window bound of the reference, as a power of two.
const MAX_WINDOW_LOG: u32 = 23;

/// Messages to start from: those of the generated cases, whole or already broken.
fn corpus(spec: Spec) -> Vec<Vec<u8>> {
    let steps = generated(spec, 3, PER_AREA).into_iter().flat_map(|case| case.steps);
    let parts = steps.flat_map(|step| step.parts).filter(|part| part.name == "message");
    let bytes = parts.filter_map(|part| match part.data {
        PartData::Bytes(bytes) if bytes.len() < 2000 => Some(bytes.to_vec()),
        _ => None,
    });
    bytes.collect()
}

struct Mutator {
    random: SplitMix64,
}

impl Mutator {
    fn below(&mut self, n: usize) -> usize {
        (self.random.next_u64() % n.max(1) as u64) as usize
    }

    fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..self.below(4) {
            self.change(&mut bytes, corpus);
        }
        // Most changes of length are caught at once; half of the time the header is made to fit again.
        if self.below(2) == 0 && bytes.len() >= 12 {
            let body = bytes.len() - 12;
            bytes[4..8].copy_from_slice(&(body as u32).to_le_bytes());
            let metadata = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
            if metadata > body || self.below(8) == 0 {
                let metadata = self.below(body + 1) as u32;
                bytes[8..12].copy_from_slice(&metadata.to_le_bytes());
            }
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        const TELLING: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 0x28, 0x2b, 0x2c, 0x4a, 0x72, 0x78, 0x80, 0xff];
        let at = self.below(bytes.len() + 1);
        match self.below(8) {
            0 => bytes.insert(at, self.random.next_u64() as u8),
            1 => bytes.insert(at, TELLING[self.below(16)]),
            2 if at < bytes.len() => _ = bytes.remove(at),
            3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            4 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                let piece = &other[from..other.len().min(from + 1 + self.below(12))];
                bytes.splice(at..at, piece.iter().copied());
            }
            5 if self.below(4) == 0 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] = TELLING[self.below(16)],
            _ => {}
        }
    }
}

fn decode(bytes: &[u8], spec: Spec) -> avp::Result<Message<'_>> {
    let dialect = match spec {
        Spec::V02 => Dialect::V02,
        Spec::V04 => Dialect::V04,
    };
    let limits = Limits { max_payload: MAX_PAYLOAD, max_window_log: MAX_WINDOW_LOG, ..Limits::default() };
    Decoder::new().dialect(dialect).limits(limits).decode(bytes)
}

/// The reference's reading in the form of the dissector's.
fn metadata_of(message: &Message<'_>, spec: Spec) -> Value {
    let m = &message.metadata;
    let mut object = json!({
        "session_id": m.session_id, "source_agent_id": m.source_agent_id, "target_agent_id": m.target_agent_id,
        "model_id": m.model_id, "hidden_dim": m.hidden_dim, "num_layers": m.num_layers,
        "payload_type": m.payload_type.as_str(), "dtype": m.dtype.as_str(), "tensor_shape": m.tensor_shape,
        "mode": m.mode.as_str(), "compression": m.compression, "avp_map_id": m.avp_map_id, "extra": m.extra,
        "payload_checksum": m.payload_checksum,
    });
    if spec == Spec::V02 {
        object["confidence_score"] = json!(m.confidence_score.to_bits());
    }
    object
}

fn metadata_here(done: &Dissection<'_>) -> Value {
    let mut object = done.metadata_json().unwrap();
    if object.contains_key("confidence_score") {
        let bits = done.metadata.as_ref().unwrap().confidence_score.to_bits();
        object.insert("confidence_score".into(), json!(bits));
    }
    Value::Object(object)
}

/// What the comparison of one input came to; an error is a disagreement.
fn compare(bytes: &[u8], spec: Spec) -> Result<&'static str, String> {
    let limits = dissect::Limits { max_payload: MAX_PAYLOAD };
    let done = dissect::message_within(bytes, spec, limits);
    let decoded = decode(bytes, spec);
    if done.contested() {
        return Ok("contested");
    }
    if done.zstd.as_ref().is_some_and(|f| f.window > 1 << MAX_WINDOW_LOG && !f.single_segment) {
        return Ok("window beyond what a decoder must support");
    }
    match (done.faults.first(), decoded) {
        (Some(fault), Ok(_)) => Err(format!("the dissector refuses, the reference accepts: {fault:?}")),
        (None, Err(error)) => Err(format!("the reference refuses, the dissector accepts: {error}")),
        (Some(fault), Err(error)) if fault.class.as_str() == error.class.code() => Ok("both refuse"),
        (Some(_), Err(error)) if done.faults.iter().any(|f| f.class.as_str() == error.class.code()) => {
            // Within one stage nothing says which of two faults comes first.
            let stage = |f: &&dissect::Fault| f.stage == done.faults[0].stage;
            let same = done.faults.iter().filter(stage).any(|f| f.class.as_str() == error.class.code());
            if same { Ok("both refuse") } else { Err(format!("{error} before {:?}", done.faults[0])) }
        }
        (Some(fault), Err(error)) => Err(format!("{error} ({}) against {fault:?}", error.class.code())),
        (None, Ok(message)) => same_reading(&done, &message, spec),
    }
}

fn same_reading(done: &Dissection<'_>, message: &Message<'_>, spec: Spec) -> Result<&'static str, String> {
    let (theirs, ours) = (metadata_of(message, spec), metadata_here(done));
    // `extra` is a map: its order means nothing.
    let sorted = |value: &Value| serde_json::from_value::<BTreeMap<String, Value>>(value.clone()).unwrap();
    if sorted(&theirs) != sorted(&ours) {
        return Err(format!("metadata {theirs} against {ours}"));
    }
    let payload = done.payload.as_deref().unwrap();
    match &done.hybrid {
        None if message.payload == payload => Ok("both accept"),
        None => Err("another payload".into()),
        Some(hybrid) => {
            let latent = hybrid.latent().map_or(&[][..], |range| &payload[range]);
            let text = hybrid.text().map(|range| &payload[range]);
            if message.payload == latent && message.text_fallback.as_deref().map(str::as_bytes) == text {
                Ok("both accept")
            } else {
                Err(format!(
                    "hybrid parts {:?} {:?} against {latent:?} {text:?}",
                    message.payload, message.text_fallback
                ))
            }
        }
    }
}

fn agree(spec: Spec, seed: u64) {
    let cases = std::env::var("AVP_DIFFERENTIAL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let corpus = corpus(spec);
    let mut mutator = Mutator { random: SplitMix64::new(seed) };
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for _ in 0..cases {
        let bytes = mutator.mutate(&corpus);
        match compare(&bytes, spec) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(text) => disagreements.push((bytes, text)),
        }
    }
    println!("{spec:?}: {outcomes:?}, {} disagreements", disagreements.len());
    disagreements.sort_by_key(|(bytes, _)| bytes.len());
    let shown: Vec<_> =
        disagreements.iter().take(20).map(|(bytes, text)| format!("{}\n  {text}", hex(bytes))).collect();
    assert!(shown.is_empty(), "{} disagreements:\n{}", disagreements.len(), shown.join("\n"));
    // Both outcomes must be common, or nothing is tested.
    for outcome in ["both accept", "both refuse"] {
        assert!(outcomes.get(outcome).copied().unwrap_or(0) * 10 > cases, "{outcomes:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(200).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn under_0_4() {
    agree(Spec::V04, 0xd1ff);
}

#[test]
fn under_0_2() {
    agree(Spec::V02, 0xd2ff);
}

/// The inner KV payload likewise.
#[test]
fn kv_payloads() {
    let steps = generated(Spec::V04, 3, PER_AREA).into_iter().flat_map(|case| case.steps);
    let corpus: Vec<Vec<u8>> = steps
        .flat_map(|step| step.parts)
        .filter(|part| part.name == "kv")
        .filter_map(|part| match part.data {
            PartData::Bytes(bytes) => Some(bytes.to_vec()),
            PartData::FromStep { .. } => None,
        })
        .collect();
    let mut mutator = Mutator { random: SplitMix64::new(0x5a5a) };
    let mut accepted = 0;
    for _ in 0..CASES {
        let mut bytes = corpus[mutator.below(corpus.len())].clone();
        // Small dimensions, so that some of the headers fit their data.
        for at in 0..mutator.below(4) {
            let at = (at * 4).min(bytes.len().saturating_sub(1));
            if at < bytes.len() {
                bytes[at] = mutator.below(4) as u8;
                bytes.iter_mut().take(at + 4).skip(at + 1).for_each(|byte| *byte = 0);
            }
        }
        if mutator.below(3) == 0 {
            mutator.change(&mut bytes, &corpus);
        }
        let done = dissect::kv(&bytes);
        let read = avp::kv::KvPayload::parse(&bytes);
        if done.warnings.iter().any(|warning| warning.contested) {
            continue;
        }
        let layers = done.header.map_or(0, |header| header.num_layers);
        match (done.faults.first(), &read) {
            (None, Ok(_)) => accepted += 1,
            (Some(fault), Err(error)) => {
                let classes = (fault.class.as_str(), error.class.code());
                // A cache of too many layers, all of whose bytes are missing, is wrong in two ways.
                assert!(
                    classes.0 == classes.1 || layers > avp::kv::MAX_LAYERS,
                    "{fault:?} {error} {}",
                    hex(&bytes)
                );
            }
            // The reference's own bound on layers is lower than what the dissector takes for an attack.
            (None, Err(_)) if layers > avp::kv::MAX_LAYERS => {}
            (fault, _) => panic!("{fault:?} against {:?} for {}", read.err(), hex(&bytes)),
        }
    }
    assert!(accepted * 20 > CASES, "{accepted}");
}
