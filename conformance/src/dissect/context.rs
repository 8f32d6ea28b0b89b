//! A message read as a context: what a receiver may go on thinking from (AVP-CTX).

use serde_json::{Map, Value, json};

use super::fault::{Class, Fault, Stage};
use super::kv::{self, KvHeader, kv};
use super::message::{Dissection, message};
use crate::case::{Dtype, Spec};

/// What a context holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A KV cache.
    Cache(KvHeader),
    /// Hidden states. Reading them and refusing them are both right (AVP-CTX-007).
    Hidden,
}

/// A message read as a context.
#[derive(Clone, Debug)]
pub struct ContextDissection<'a> {
    /// The message.
    pub message: Dissection<'a>,
    /// What it holds, when that can be said.
    pub held: Option<Held>,
    /// What a correct reader refuses, the message's own faults first.
    pub faults: Vec<Fault>,
}

/// Dissects a context.
pub fn context(bytes: &[u8], spec: Spec) -> ContextDissection<'_> {
    let message = message(bytes, spec);
    let mut out = ContextDissection { held: None, faults: message.faults.clone(), message };
    if out.faults.is_empty() {
        out.read();
    }
    out
}

/// K or V of a layer, as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheTensor<'a> {
    /// Element type.
    pub dtype: Dtype,
    /// KV heads, positions, elements of a head.
    pub shape: [u64; 3],
    /// Elements, little-endian.
    pub bytes: &'a [u8],
}

impl ContextDissection<'_> {
    /// K and V of every layer in the order of the payload, named `k0`, `v0`, …
    pub fn tensors(&self) -> Option<Vec<(String, CacheTensor<'_>)>> {
        let Some(Held::Cache(header)) = self.held.filter(|_| self.faults.is_empty()) else { return None };
        let payload = self.message.payload.as_deref()?;
        let dtype = header.dtype()?;
        let len = usize::try_from(header.elements()).ok()?.checked_mul(dtype.size())?;
        let shape = [header.num_kv_heads, header.seq_len, header.head_dim].map(u64::from);
        // No faults: the tensors that the header speaks of are there.
        let both = (0..header.num_layers as usize).flat_map(|layer| [("k", layer), ("v", layer)]);
        let tensor = |(at, (kind, layer)): (usize, (&str, usize))| {
            let start = kv::HEADER + at * len;
            Some((
                format!("{kind}{layer}"),
                CacheTensor { dtype, shape, bytes: payload.get(start..start + len)? },
            ))
        };
        both.enumerate().map(tensor).collect()
    }

    /// What `context_from_bytes` answers about a cache beside its tensors.
    pub fn answer(&self) -> Option<Map<String, Value>> {
        let Some(Held::Cache(header)) = self.held.filter(|_| self.faults.is_empty()) else { return None };
        let metadata = self.message.metadata.as_ref()?;
        let entry = |key: &str| metadata.extra.get(key).and_then(Value::as_str);
        let Value::Object(answer) = json!({
            "model_hash": entry("model_hash").unwrap_or_default(),
            "model_family": entry("model_family").unwrap_or_default(),
            "hidden_dim": metadata.hidden_dim,
            "num_layers": metadata.num_layers,
            "num_steps": entry("num_steps").unwrap_or("0").parse::<u64>().ok()?,
            "seq_len": header.seq_len,
        }) else {
            return None;
        };
        Some(answer)
    }

    fn read(&mut self) {
        let (Some(metadata), Some(payload)) = (&self.message.metadata, &self.message.payload) else { return };
        let start = self.message.payload_section.start;
        let mut refuse = |offset, field: &str, requirement: &'static [&'static str], text: String| {
            self.faults.push(Fault {
                stage: Stage::Kv,
                offset,
                field: field.to_owned(),
                class: Class::Decode,
                requirements: requirement,
                text,
            });
        };
        let in_metadata = self.message.metadata_section.start;
        if metadata.mode != 0 {
            let text = format!("mode {} carries no state of a model", metadata.mode);
            refuse(in_metadata, "mode", &["AVP-CTX-007"], text);
            return;
        }
        if let Some(steps) = metadata.extra.get("num_steps").and_then(Value::as_str)
            && (steps.is_empty() || !steps.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let text = format!("{steps:?} is no count of steps");
            refuse(in_metadata, "extra.num_steps", &["AVP-CTX-006"], text);
        }
        match metadata.payload_type {
            0 => self.held = Some(Held::Hidden),
            1 => {
                let cache = kv(payload);
                self.held = cache.header.map(Held::Cache);
                self.faults.extend(
                    cache.faults.into_iter().map(|fault| Fault { offset: start + fault.offset, ..fault }),
                );
            }
            other => refuse(
                in_metadata,
                "payload_type",
                &["AVP-CTX-007"],
                format!("payload type {other} is neither a cache nor hidden states"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Fields, KvPayload, Message};

    fn bytes(fields: impl FnOnce(&mut Fields), payload: Vec<u8>) -> Vec<u8> {
        let mut metadata = Fields::new();
        fields(&mut metadata);
        let flags = 4;
        Message { flags, metadata: metadata.into_bytes(), payload, ..Message::default() }.to_bytes()
    }

    fn cache(seq_len: u32) -> Vec<u8> {
        let data = vec![0; 8 * seq_len as usize];
        KvPayload { num_layers: 1, num_kv_heads: 1, head_dim: 2, seq_len, dtype: 1, data }.to_bytes()
    }

    #[test]
    fn a_cache_is_read() {
        let bytes = bytes(
            |f| {
                f.varint(5, 8).varint(6, 1).varint(7, 1).varint(8, 1);
                f.entry(14, Some("model_hash"), Some("ab")).entry(14, Some("num_steps"), Some("007"));
            },
            cache(3),
        );
        let read = context(&bytes, Spec::V04);
        assert_eq!(read.faults, []);
        let expected = json!({"model_hash": "ab", "model_family": "", "hidden_dim": 8, "num_layers": 1,
            "num_steps": 7, "seq_len": 3});
        assert_eq!(read.answer().map(Value::Object), Some(expected));
        let tensors = read.tensors().unwrap();
        let named: Vec<_> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.bytes.len())).collect();
        assert_eq!(named, [("k0", 12), ("v0", 12)]);
        assert_eq!((tensors[1].1.dtype, tensors[1].1.shape), (Dtype::F16, [1, 3, 2]));
    }

    #[test]
    fn what_is_no_context_is_refused_for_one_reason() {
        for (made, requirement) in [
            (bytes(|f| _ = f.varint(10, 1), Vec::new()), "AVP-CTX-007"),
            (bytes(|f| _ = f.varint(7, 1), cache(3)[..20].to_vec()), "AVP-KV-008"),
            (bytes(|f| _ = f.varint(7, 1).entry(14, Some("num_steps"), Some("-1")), cache(1)), "AVP-CTX-006"),
        ] {
            let read = context(&made, Spec::V04);
            assert_eq!(read.faults.len(), 1, "{requirement}: {:?}", read.faults);
            assert_eq!(read.faults[0].requirements[0], requirement);
            assert_eq!(read.answer(), None);
        }
        let hidden = bytes(|f| _ = f.packed(9, &[1, 8]), vec![0; 32]);
        assert_eq!(context(&hidden, Spec::V04).held, Some(Held::Hidden));
        assert_eq!(context(b"AV", Spec::V04).faults[0].class, Class::Decode);
    }
}
