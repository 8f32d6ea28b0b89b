//! Writers of small files, right or wrong as a test asks.

use serde_json::{Value, json};

/// A safetensors file of tensors with name, type, shape and data.
pub(crate) fn safetensors(tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend_from_slice(bytes);
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] });
        header.insert((*name).to_owned(), entry);
    }
    with_header(&Value::Object(header).to_string(), &data)
}

/// A safetensors file with any header.
pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A GGUF file in the making.
#[derive(Clone, Default)]
pub(crate) struct GgufFile {
    entries: Vec<u8>,
    count: u64,
    tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

/// A string with its length.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// Codes of value types.
pub(crate) const U32: u32 = 4;
pub(crate) const I32: u32 = 5;
pub(crate) const F32: u32 = 6;
pub(crate) const BOOL: u32 = 7;
pub(crate) const TEXT: u32 = 8;
pub(crate) const ARRAY: u32 = 9;

impl GgufFile {
    /// An entry with the bytes of its value.
    pub(crate) fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.entries.extend([&text(key), &kind.to_le_bytes()[..], value].concat());
        self.count += 1;
        self
    }

    pub(crate) fn number(self, key: &str, value: u32) -> Self {
        self.entry(key, U32, &value.to_le_bytes())
    }

    pub(crate) fn float(self, key: &str, value: f32) -> Self {
        self.entry(key, F32, &value.to_le_bytes())
    }

    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.entry(key, BOOL, &[value.into()])
    }

    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.entry(key, TEXT, &text(value))
    }

    /// An array of values of a type.
    pub(crate) fn list(self, key: &str, kind: u32, values: &[Vec<u8>]) -> Self {
        let head = [&kind.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        self.entry(key, ARRAY, &[head, values.concat()].concat())
    }

    pub(crate) fn texts(self, key: &str, values: &[&str]) -> Self {
        self.list(key, TEXT, &values.iter().map(|value| text(value)).collect::<Vec<_>>())
    }

    /// A tensor; the shape is row-major, the type ggml's code.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64], code: u32, data: &[u8]) -> Self {
        self.tensors.push((name.to_owned(), shape.iter().rev().copied().collect(), code, data.to_vec()));
        self
    }

    /// A tensor of type F32.
    pub(crate) fn floats(self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        self.tensor(name, shape, 0, &le(values))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.aligned(32)
    }

    /// The file with the data at multiples of `alignment`.
    pub(crate) fn aligned(&self, alignment: usize) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(&self.entries);
        let mut data = Vec::new();
        for (name, dims, code, bytes) in &self.tensors {
            out.extend(text(name));
            out.extend(u32::try_from(dims.len()).unwrap().to_le_bytes());
            dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(code.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend_from_slice(bytes);
            data.resize(data.len().next_multiple_of(alignment), 0);
        }
        out.resize(out.len().next_multiple_of(alignment), 0);
        out.extend(data);
        out
    }

    /// What the configuration of an architecture needs, with the numbers of a tiny model: 8 dimensions, 1 layer, 2 heads,
    /// 1 key/value head.
    pub(crate) fn model(architecture: &str) -> Self {
        let key = |suffix: &str| format!("{architecture}.{suffix}");
        Self::default()
            .text("general.architecture", architecture)
            .number(&key("embedding_length"), 8)
            .number(&key("block_count"), 1)
            .number(&key("feed_forward_length"), 16)
            .number(&key("context_length"), 64)
            .number(&key("attention.head_count"), 2)
            .number(&key("attention.head_count_kv"), 1)
            .float(&key("attention.layer_norm_rms_epsilon"), 1e-5)
            .number(&key("vocab_size"), 5)
    }
}

/// Little-endian bytes.
pub(crate) fn le(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
