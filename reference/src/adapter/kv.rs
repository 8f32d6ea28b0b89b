//! KV payloads.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Part, Request, invalid, short_name};
use crate::kv::{self, KvDtype, KvLayer, KvPayload};
use crate::tensor::TensorView;
use crate::wire::DataType;

/// The cache that the parts `k0`, `v0`, `k1`, … make up. None at all is an empty cache.
pub(super) fn layers<'a>(request: &Request<'a>) -> Result<Vec<KvLayer<'a>>, Refusal> {
    let mut layers = Vec::new();
    for index in 0.. {
        let (k, v) = (format!("k{index}"), format!("v{index}"));
        let named = |name: &str| request.parts().iter().find(|part| part.name == name);
        match (named(&k), named(&v)) {
            (Some(k), Some(v)) => layers.push(KvLayer { k: tensor(k)?, v: tensor(v)? }),
            (None, None) => break,
            (Some(_), None) => return Err(invalid("parts", v, "keys without values").into()),
            (None, Some(_)) => return Err(invalid("parts", k, "values without keys").into()),
        }
    }
    Ok(layers)
}

/// A tensor part. Its dtype and shape are required: a cache's tensors can't be told from their bytes.
pub(super) fn tensor<'a>(part: &Part<'a>) -> Result<TensorView<'a>, Refusal> {
    let dtype = part.data_type()?;
    Ok(TensorView::new(dtype, &part.shape(dtype.size()), part.bytes)?)
}

/// Adds the parts `k0`, `v0`, … of a cache.
pub(super) fn with_layers<'a>(answer: Answer<'a>, payload: &KvPayload<'a>) -> Answer<'a> {
    let dtype = short_name(payload.header().dtype.into());
    payload.layers().enumerate().fold(answer, |answer, (index, layer)| {
        answer.tensor(format!("k{index}"), dtype, layer.k.shape(), layer.k.bytes()).tensor(
            format!("v{index}"),
            dtype,
            layer.v.shape(),
            layer.v.bytes(),
        )
    })
}

pub(super) fn kv_encode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let layers = layers(request)?;
    if request.parts().len() != 2 * layers.len() {
        return Err(invalid("parts", "k0, v0, k1, v1, … without a gap", "other parts too").into());
    }
    let kv = kv::encode(&layers)?;
    Ok(Answer::new(json!({})).part("kv", kv))
}

#[derive(Deserialize)]
struct Decode {
    #[serde(default)]
    strict: Option<bool>,
}

pub(super) fn kv_decode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Decode = request.args()?;
    let bytes = request.part("kv")?.bytes;
    let payload = if args.strict.unwrap_or_default() {
        KvPayload::parse_strict(bytes)?
    } else {
        KvPayload::parse(bytes)?
    };
    let header = payload.header();
    let diagnostics: &[&str] = if payload.trailing() > 0 { &["trailing_bytes"] } else { &[] };
    let ok = json!({
        "num_layers": header.num_layers,
        "num_kv_heads": header.num_kv_heads,
        "head_dim": header.head_dim,
        "seq_len": header.seq_len,
        "dtype": short_name(header.dtype.into()),
        "diagnostics": diagnostics,
    });
    Ok(with_layers(Answer::new(ok), &payload))
}

#[derive(Deserialize)]
struct Size<'a> {
    num_layers: u64,
    num_kv_heads: u64,
    head_dim: u64,
    seq_len: u64,
    #[serde(borrow)]
    dtype: Cow<'a, str>,
}

pub(super) fn kv_size<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Size<'a> = request.args()?;
    let dtype = match args.dtype.as_ref() {
        "f32" => KvDtype::F32,
        "f16" => KvDtype::F16,
        "bf16" => KvDtype::BF16,
        other => match DataType::from_name(other) {
            Some(dtype) => KvDtype::try_from(dtype)?,
            None => return Err(invalid("dtype", "f32, f16 or bf16", other).into()),
        },
    };
    let bytes = kv::payload_bytes(args.num_layers, args.num_kv_heads, args.head_dim, args.seq_len, dtype)?;
    Ok(Answer::new(json!({"bytes": bytes})))
}
