//! Bodies for what lies beside a model: weights in safetensors and GGUF files.

use bytes::Bytes;

use crate::weights::{
    Gguf, MappedFile, TensorInfo, Weights,
    gguf::{Array, Value},
    safetensors,
};

/// Most elements that a run decodes: the densest types have some of them in a byte, and a run is not spent on them.
const MAX_ELEMENTS: usize = 1 << 20;

/// Opens bytes as a model, whichever format they begin as, and reads what is accepted.
pub fn weights(bytes: &[u8]) {
    let Ok(weights) = Weights::from_file(MappedFile::from(Bytes::copy_from_slice(bytes))) else { return };
    let mut budget = MAX_ELEMENTS;
    for name in weights.names() {
        let info = weights.info(name).expect("a name that was listed");
        assert!(std::ptr::eq(weights.require(name, &info.shape).expect("its own shape"), info));
        check_size(info, bytes.len());
        if let Some(stored) = weights.bytes(name) {
            assert!(stored.len() <= bytes.len());
            if let Some(block) = info.element.block() {
                assert_eq!(stored.len(), info.len() / block.len * block.bytes);
            }
        }
        if info.len() > budget {
            continue;
        }
        budget -= info.len();
        let mut values = vec![0.0; info.len()];
        let read = weights.read_f32(name, &mut values);
        assert_eq!(read.is_ok(), info.element.block().is_some());
        if read.is_ok() && !values.is_empty() {
            let last = info.rows() - 1;
            let mut row = vec![0.0f32; info.row_len()];
            weights.read_rows_f32(name, last, &mut row).expect("the last row");
            let end = &values[values.len() - row.len()..];
            assert!(row.iter().zip(end).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        weights.release(name);
    }
}

fn check_size(info: &TensorInfo, file: usize) {
    // The densest type has 32 elements in 18 bytes; what has no bytes has no elements.
    if info.element.block().is_some() {
        assert!(info.len() <= 2 * file);
    }
}

/// Reads bytes as GGUF and asks for everything that the metadata may hold.
pub fn gguf(bytes: &[u8]) {
    if let Ok(gguf) = Gguf::parse(Bytes::copy_from_slice(bytes)) {
        for key in gguf.metadata().keys() {
            if let Value::Array(array) = gguf.metadata().get(key).expect("a key that was listed") {
                walk(array);
            }
        }
        for (_, info) in gguf.tensors() {
            check_size(info, bytes.len());
        }
        if let Ok(config) = gguf.config_json() {
            assert!(config.is_object() && gguf.architecture().is_ok());
        }
        if let Ok(vocabulary) = gguf.vocabulary() {
            assert_eq!(vocabulary.tokens.len(), vocabulary.kinds.len());
            assert!(vocabulary.bos.is_none_or(|bos| (bos as usize) < vocabulary.tokens.len()));
        }
    }
    weights(bytes);
}

fn walk(array: Array<'_>) {
    let mut count = 0;
    for value in array.iter() {
        count += 1;
        if let Value::Array(inner) = value {
            walk(inner);
        }
    }
    assert_eq!(count, array.len(), "an array that was checked ends early");
}

/// Reads bytes as an index of safetensors files. What is accepted names files in the same folder only.
pub fn index(bytes: &[u8]) {
    let Ok(shards) = safetensors::parse_index(bytes) else { return };
    assert!(shards.len() <= safetensors::MAX_SHARDS);
    for shard in shards.keys() {
        let mut parts = std::path::Path::new(shard).components();
        assert!(matches!(parts.next(), Some(std::path::Component::Normal(part)) if part == shard.as_str()));
        assert!(parts.next().is_none());
    }
}
