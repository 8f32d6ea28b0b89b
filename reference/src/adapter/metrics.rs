//! Diagnostics and metrics: what they say, what they are called, and the codec's own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::answer::{Answer, Outcome};
use super::request::{Request, invalid};
use crate::transfer::diagnostics::{self, TransferDiagnostics};
use crate::transfer::metrics::{
    CodecTimings, GenerateMetrics, HandshakeMetrics, PackMetrics, ThinkMetrics, UnpackMetrics,
};
use crate::wire::{Decoder, Encoder, Metadata};

/// Longest payload that is made up to be timed: what a model's cache of some hundred tokens has.
const MAX_TIMED: usize = 64 << 20;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Seen {
    output_empty: bool,
    has_nan: bool,
    has_inf: bool,
    transfer_mode: String,
    projection_method: String,
    nearest_cos_sim: Option<f64>,
    norm_trajectory: Option<Vec<f64>>,
    text_overlap: Option<f64>,
    warnings: Vec<String>,
}

pub(super) fn diagnostics<'a>(request: &Request<'a>) -> Outcome<'a> {
    let seen: Seen = request.args()?;
    let diagnostics = TransferDiagnostics {
        output_empty: seen.output_empty,
        has_nan: seen.has_nan,
        has_inf: seen.has_inf,
        transfer_mode: seen.transfer_mode,
        projection_method: seen.projection_method,
        nearest_cos_sim: seen.nearest_cos_sim,
        norm_trajectory: seen.norm_trajectory,
        text_overlap: seen.text_overlap,
        warnings: seen.warnings,
        ..TransferDiagnostics::default()
    };
    Ok(Answer::new(json!({"healthy": diagnostics.healthy(), "summary": diagnostics.summary()})))
}

#[derive(Deserialize)]
struct Texts<'a> {
    #[serde(borrow)]
    a: Cow<'a, str>,
    #[serde(borrow)]
    b: Cow<'a, str>,
}

pub(super) fn word_overlap<'a>(request: &Request<'a>) -> Outcome<'a> {
    let Texts { a, b } = request.args()?;
    Ok(Answer::new(json!({"overlap": diagnostics::word_overlap(&a, &b)})))
}

/// The fields that a type writes.
fn fields_of<T: Default + Serialize>() -> Vec<String> {
    let written = serde_json::to_value(T::default()).unwrap_or_default();
    written.as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

pub(super) fn metrics_catalog<'a>(_: &Request<'a>) -> Outcome<'a> {
    let types = BTreeMap::from([
        ("ThinkMetrics", fields_of::<ThinkMetrics>()),
        ("GenerateMetrics", fields_of::<GenerateMetrics>()),
        ("TransferDiagnostics", fields_of::<TransferDiagnostics>()),
        ("HandshakeMetrics", fields_of::<HandshakeMetrics>()),
        ("PackMetrics", fields_of::<PackMetrics>()),
        ("UnpackMetrics", fields_of::<UnpackMetrics>()),
    ]);
    Ok(Answer::new(json!({"types": types})))
}

#[derive(Deserialize)]
struct Timed {
    payload_len: usize,
}

pub(super) fn codec_timings<'a>(request: &Request<'a>) -> Outcome<'a> {
    let Timed { payload_len } = request.args()?;
    if payload_len > MAX_TIMED {
        let expected = format!("at most {MAX_TIMED}");
        return Err(invalid("payload_len", expected, payload_len.to_string()).into());
    }
    let encoder = Encoder::new().dialect(request.dialect);
    let decoder = Decoder::new().dialect(request.dialect);
    let timings = CodecTimings::measure(&encoder, &decoder, &Metadata::default(), &vec![0; payload_len])?;
    Ok(Answer::new(json!({
        "encode_s": timings.encode_s,
        "decode_s": timings.decode_s,
        "message_bytes": timings.message_bytes,
    })))
}
