//! What a transfer takes, and which way suits a connection.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome};
use super::request::Request;
use crate::size::{ModelShape, TransferMode};

#[derive(Deserialize)]
struct Shape {
    num_layers: u32,
    num_kv_heads: u32,
    head_dim: u32,
    hidden_dim: u32,
    tokens: u64,
}

/// Payload bytes of every way of handing over (AVP-XFR-004).
pub(super) fn size_report<'a>(request: &Request<'a>) -> Outcome<'a> {
    let Shape { num_layers, num_kv_heads, head_dim, hidden_dim, tokens } = request.args()?;
    let shape = ModelShape { num_layers, num_kv_heads, head_dim, hidden_dim };
    let sizes: BTreeMap<_, _> =
        TransferMode::ALL.iter().map(|mode| (mode.as_str(), mode.payload_bytes(&shape, tokens))).collect();
    Ok(Answer::new(json!(sizes)))
}

#[derive(Deserialize)]
struct Connection {
    megabits: f64,
}

pub(super) fn recommend_mode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let Connection { megabits } = request.args()?;
    let mode = TransferMode::recommended(megabits).map_or("json", TransferMode::as_str);
    Ok(Answer::new(json!({"mode": mode})))
}
