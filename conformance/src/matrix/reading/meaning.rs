//! What every implementation is asked to say: a fixed set of meanings, each once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::facet::{Facets, of_context, of_metadata, of_text};
use crate::adapter::{Blob, Request};
use crate::build::KvPayload;
use crate::case::{Dtype, Spec};

/// What kind of thing is written, and so which operations write and read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A binary message.
    Message,
    /// A binary message that is a context: what a receiver goes on thinking from.
    Context,
    /// A JSON text message.
    Text,
}

impl Kind {
    /// The operation that reads it.
    pub fn reading_op(self) -> &'static str {
        match self {
            Self::Message => "decode",
            Self::Context => "context_from_bytes",
            Self::Text => "json_decode",
        }
    }

    /// What the operations call it.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::Message | Self::Context => "message",
            Self::Text => "json",
        }
    }
}

/// One thing to say.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// As data files name it.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Dialects that have a way to say it.
    pub specs: &'static [Spec],
    /// Feature that a reader may lack, and say so.
    pub needs: Option<&'static str>,
    /// Operation that writes it.
    pub op: &'static str,
    args: Map<String, Value>,
    parts: Vec<Blob>,
    meant: Facets,
}

const BOTH: &[Spec] = &[Spec::V02, Spec::V04];
const OLD: &[Spec] = &[Spec::V02];

impl Meaning {
    /// The request that asks a writer for it.
    pub fn request(&self, spec: Spec) -> Request {
        Request {
            op: self.op.to_owned(),
            spec: spec.as_str(),
            args: self.args.clone(),
            parts: self.parts.clone(),
        }
    }

    /// What a reader must understand. The flags are those of the writer's dialect.
    pub fn meant(&self) -> &Facets {
        &self.meant
    }
}

/// The whole set. Nothing in it is left to chance, and no map in it has two entries: the order of entries is a writer's
/// own business.
pub fn meanings() -> Vec<Meaning> {
    let state = floats(&[1.0, -2.5, 0.15625, 3.0]);
    let shaped = |more: Value| {
        let mut metadata = object(json!({
            "model_id": "pocket-7b", "hidden_dim": 2, "num_layers": 3, "tensor_shape": [2, 2],
        }));
        metadata.extend(object(more));
        metadata
    };
    let cache = cache().to_bytes();
    let map = "vocab:0123456789abcdef";
    let text = b"The answer is 42.".to_vec();
    let long: Vec<u8> = (0..4096u32).map(|at| (at / 64) as u8).collect();
    let mut found = vec![
        message("hidden", "a hidden state", BOTH, shaped(json!({})), "none", &state),
        message("empty", "nothing at all", BOTH, Map::new(), "none", b""),
        message(
            "ids",
            "session and agents",
            BOTH,
            shaped(json!({"session_id": "sess-1", "source_agent_id": "plänner", "target_agent_id": "δ-2"})),
            "none",
            &state,
        ),
        message("map", "a projection map", BOTH, shaped(json!({"avp_map_id": map})), "none", &state),
        message(
            "kv",
            "a KV cache",
            BOTH,
            shaped(json!({"payload_type": "KV_CACHE", "dtype": "FLOAT16"})),
            "none",
            &cache,
        ),
        message(
            "kv_map",
            "a KV cache with a map",
            BOTH,
            shaped(json!({"payload_type": "KV_CACHE", "dtype": "FLOAT16", "avp_map_id": map})),
            "none",
            &cache,
        ),
        message("zstd", "compressed", BOTH, shaped(json!({})), "balanced", &long),
        message(
            "zstd_map",
            "compressed with a map",
            BOTH,
            shaped(json!({"avp_map_id": map})),
            "balanced",
            &long,
        ),
        message("json", "the mode JSON", BOTH, shaped(json!({"mode": "JSON"})), "none", &text),
        message("bf16", "bfloat16", BOTH, shaped(json!({"dtype": "BFLOAT16"})), "none", &state[..8]),
        message("int8", "int8", BOTH, shaped(json!({"dtype": "INT8"})), "none", &state[..4]),
        message("extra", "an extra entry", BOTH, shaped(json!({"extra": {"step": "7"}})), "none", &state),
        message(
            "embedding",
            "an embedding",
            BOTH,
            shaped(json!({"payload_type": "EMBEDDING"})),
            "none",
            &state,
        ),
        without_checksum(message("no_checksum", "no checksum", BOTH, shaped(json!({})), "none", &state)),
        message(
            "confidence",
            "a confidence",
            OLD,
            shaped(json!({"confidence_score": 0.875})),
            "none",
            &state,
        ),
        hybrid(shaped(json!({"mode": "HYBRID"})), &state, "The answer is 42."),
    ];
    found.extend([context_of_cache(), context_of_state(), text_message()]);
    found
}

fn message(
    name: &'static str,
    title: &'static str,
    specs: &'static [Spec],
    metadata: Map<String, Value>,
    compression: &str,
    payload: &[u8],
) -> Meaning {
    let zstd = compression != "none";
    let mut meant = of_metadata(&metadata);
    meant.payload(payload);
    if zstd {
        meant.set("compression", "zstd");
    }
    let typed = |kind: &str| metadata.get("payload_type").and_then(Value::as_str) == Some(kind);
    let mode = |name: &str| metadata.get("mode").and_then(Value::as_str) == Some(name);
    let mapped = metadata.contains_key("avp_map_id");
    meant.flags(zstd, mode("HYBRID"), mapped, typed("KV_CACHE"));
    Meaning {
        name,
        title,
        kind: Kind::Message,
        specs,
        needs: zstd.then_some("zstd"),
        op: "encode",
        args: object(json!({"metadata": metadata, "compression": compression})),
        parts: vec![blob("payload", payload)],
        meant,
    }
}

fn without_checksum(mut meaning: Meaning) -> Meaning {
    meaning.args.insert("checksum".to_owned(), Value::Bool(false));
    meaning
}

/// A latent chunk and a text, which only 0.2 has.
fn hybrid(metadata: Map<String, Value>, latent: &[u8], text: &str) -> Meaning {
    let mut made = message("hybrid", "a state and a text (HYBRID)", OLD, metadata.clone(), "none", latent);
    made.needs = Some("hybrid");
    made.op = "encode_hybrid";
    let chunks = json!([{"type": "LATENT"}, {"type": "TEXT", "text": text}]);
    made.args = object(json!({"metadata": metadata, "chunks": chunks}));
    made.parts = vec![blob("c0", latent)];
    made.meant.set("text", text);
    made
}

const HELD: [(&str, &str); 2] = [("model_hash", "00ff11ee22dd33cc"), ("model_family", "llama")];

fn context_of_cache() -> Meaning {
    let cache = cache();
    let size = cache.data.len() / 4;
    let shape = [cache.num_kv_heads, cache.seq_len, cache.head_dim].map(u64::from);
    let pieces = cache.data.chunks(size).zip(["k0", "v0", "k1", "v1"]);
    let parts: Vec<Blob> = pieces
        .map(|(bytes, name)| Blob {
            name: name.to_owned(),
            dtype: Some(Dtype::F16.as_str().to_owned()),
            shape: Some(shape.to_vec()),
            bytes: bytes.into(),
        })
        .collect();
    let answer = json!({"hidden_dim": 4, "num_layers": 2, "num_steps": 5, "seq_len": cache.seq_len});
    context("context", "a context with a cache", answer, parts)
}

fn context_of_state() -> Meaning {
    let bytes = floats(&[1.0, 0.5, 0.25, -8.0]);
    let part = Blob {
        name: "hidden".to_owned(),
        dtype: Some(Dtype::F32.as_str().to_owned()),
        shape: Some(vec![1, 4]),
        bytes: bytes.into(),
    };
    let answer = json!({"hidden_dim": 4, "num_layers": 2, "num_steps": 5, "seq_len": 1});
    context("context_state", "a context with a hidden state", answer, vec![part])
}

fn context(name: &'static str, title: &'static str, answer: Value, parts: Vec<Blob>) -> Meaning {
    let mut answer = object(answer);
    answer.extend(HELD.map(|(key, value)| (key.to_owned(), value.into())));
    let mut args = answer.clone();
    args.insert("session_id".to_owned(), "sess-1".into());
    let tensors: Vec<(&str, &[u8])> =
        parts.iter().map(|part| (part.name.as_str(), &part.bytes[..])).collect();
    let meant = of_context(&answer, &tensors);
    Meaning {
        name,
        title,
        kind: Kind::Context,
        specs: BOTH,
        needs: None,
        op: "context_to_bytes",
        args,
        parts,
        meant,
    }
}

fn text_message() -> Meaning {
    let message = object(json!({
        "avp_version": "0.4", "session_id": "sess-1", "source_agent_id": "plänner", "target_agent_id": "δ-2",
        "content": "The answer is 42.\n", "extra": {"step": "7"},
    }));
    Meaning {
        name: "text",
        title: "a JSON text message",
        kind: Kind::Text,
        specs: BOTH,
        needs: None,
        op: "json_encode",
        meant: of_text(&message),
        args: object(json!({"message": message})),
        parts: Vec::new(),
    }
}

/// Two layers, two heads, three positions.
fn cache() -> KvPayload {
    let elements = 2 * 2 * 2 * 3 * 4u16;
    // Any bits that are ordinary numbers of that type.
    let data = (0..elements).flat_map(|at| (0x3c00 + at).to_le_bytes()).collect();
    KvPayload { num_layers: 2, num_kv_heads: 2, head_dim: 4, seq_len: 3, dtype: 1, data }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn blob(name: &str, bytes: &[u8]) -> Blob {
    Blob { name: name.to_owned(), dtype: None, shape: None, bytes: Arc::from(bytes) }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_every_meaning_says_something_else() {
        let all = meanings();
        let names: BTreeSet<&str> = all.iter().map(|meaning| meaning.name).collect();
        assert_eq!(names.len(), all.len());
        let said: BTreeSet<String> = all
            .iter()
            .filter(|meaning| meaning.name != "no_checksum")
            .map(|meaning| format!("{:?}", meaning.meant()))
            .collect();
        assert_eq!(said.len(), all.len() - 1);
    }
}
