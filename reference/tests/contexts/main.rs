//! Contexts and configurations from hostile hands: no panic, nothing lost, no more memory than there are bytes for.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../properties/allocations.rs"]
mod allocations;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use allocations::peak;
use avp::ErrorClass;
use avp::fuzzing;
use avp::kv::{KvDtype, KvHeader};
use avp::model::{Context, ModelConfig};
use avp::wire::{Compression, DataType, Encoder, Metadata, PayloadType};
use proptest::{collection, prelude::*};

#[global_allocator]
static COUNTING: allocations::Counting = allocations::Counting;

/// What reading may hold beside the tensors: metadata, error texts, one entry a layer.
const FIXED: usize = 64 << 10;
/// Bytes of bookkeeping a layer.
const A_LAYER: usize = 1 << 10;

fn message(header: KvHeader, data: &[u8], compression: Compression) -> Vec<u8> {
    let metadata = Metadata {
        hidden_dim: 8,
        num_layers: header.num_layers,
        payload_type: PayloadType::KvCache,
        dtype: DataType::from(header.dtype),
        extra: BTreeMap::from([("num_steps".to_owned(), "3".to_owned())]),
        ..Metadata::default()
    };
    let payload = [&header.write()[..], data].concat();
    Encoder::new().compression(compression).encode(&metadata, &payload).unwrap()
}

fn header(num_layers: u32, num_kv_heads: u32, head_dim: u32, seq_len: u32) -> KvHeader {
    KvHeader { num_layers, num_kv_heads, head_dim, seq_len, dtype: KvDtype::F32 }
}

/// Reads a context and counts what it took.
fn read(bytes: &[u8]) -> (avp::Result<Context>, usize) {
    peak(|| Context::from_bytes(bytes, fuzzing::LIMITS).map(|received| received.context))
}

/// Well-formed contexts of every kind.
fn bases() -> Vec<Vec<u8>> {
    let whole = header(2, 2, 4, 3);
    let data: Vec<u8> = (0..2 * 2 * 2 * 4 * 3 * 4).map(|index| index as u8).collect();
    let hidden = Metadata { hidden_dim: 4, tensor_shape: vec![2, 4], ..Metadata::default() };
    vec![
        message(whole, &data, Compression::None),
        message(whole, &data, Compression::Fast),
        message(KvHeader { dtype: KvDtype::BF16, ..whole }, &data[..data.len() / 2], Compression::None),
        Encoder::new().encode(&hidden, &[0x3f; 32]).unwrap(),
    ]
}

#[test]
fn sizes_without_bytes_behind_them_cost_nothing() {
    for header in [
        header(4096, u32::MAX, u32::MAX, 0),
        header(1, u32::MAX, u32::MAX, 1),
        header(4096, 0, 0, u32::MAX),
        header(u32::MAX, 1, 1, 0),
        header(0, 1, 1, 1),
        header(2, 1, 0, 7),
    ] {
        let (result, held) = read(&message(header, &[], Compression::None));
        let error = result.err().unwrap();
        assert!(matches!(error.class, ErrorClass::Decode | ErrorClass::ShapeMismatch), "{header:?}: {error}");
        assert!(held <= FIXED + 4096 * A_LAYER, "{header:?}: {held} bytes held");
    }
}

/// One token with much behind it gets no room for many more.
#[test]
fn a_short_context_gets_no_long_ones_room() {
    let header = header(1, 32, 512, 1);
    let data = vec![0; 2 * 32 * 512 * 4];
    let (result, held) = read(&message(header, &data, Compression::None));
    assert_eq!(result.unwrap().seq_len(), 1);
    assert!(held <= data.len() + FIXED, "{held} bytes held for {}", data.len());
}

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        body(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "nothing in {}", folder.display());
}

#[test]
fn corpus() {
    replay("context", fuzzing::model::context);
    replay("config", fuzzing::model::config);
}

#[test]
fn configurations_with_huge_sizes_are_refused() {
    for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
    {
        let mut config = serde_json::json!({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 8});
        ModelConfig::from_json(config.clone()).unwrap();
        for value in [
            serde_json::json!(u64::MAX),
            serde_json::json!(0),
            serde_json::json!(1e300),
            serde_json::json!(-1),
        ] {
            config[key] = value.clone();
            let error = ModelConfig::from_json(config.clone()).unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration, "{key}: {value}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn mutated_contexts(
        base in 0_usize..4,
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = bases().swap_remove(base);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (_, held) = read(&bytes);
        let inflated = if bytes.get(3).is_some_and(|flags| flags & 1 != 0) { fuzzing::LIMITS.max_payload } else { 0 };
        // The tensors, the payload where it was inflated, and both with room to grow.
        let allowed = 3 * (inflated as usize + bytes.len()) + FIXED + 4096 * A_LAYER;
        prop_assert!(held <= allowed, "{held} bytes held for {}", bytes.len());
        fuzzing::model::context(&bytes);
    }

    #[test]
    fn any_text_as_a_configuration(text in "\\PC{0,200}") {
        fuzzing::model::config(text.as_bytes());
    }
}
