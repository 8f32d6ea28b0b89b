//! Random valid messages: what they say, and bytes that say it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::random::Random;
use crate::build::{Content, Fields, Frame, Message, crc32};
use crate::case::Spec;
use crate::dissect::flag_bits;

/// What a message says.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    texts: [String; 4],
    hidden_dim: u32,
    num_layers: u32,
    payload_type: u32,
    dtype: u32,
    shape: Vec<u32>,
    mode: u32,
    /// In eighths, which JSON and floats both hold exactly.
    confidence: u8,
    map_id: String,
    extra: Vec<(String, String)>,
    pub(super) payload: Vec<u8>,
    /// Whether the payload section is a zstd frame.
    pub(super) compressed: bool,
    /// Whether field 15 is written (0.4).
    pub(super) checksum: bool,
}

const TEXT_NAMES: [&str; 4] = ["session_id", "source_agent_id", "target_agent_id", "model_id"];

impl Sample {
    /// A message of the dialect. Never hybrid: such payloads have a form of their own.
    pub(super) fn new(random: &mut Random, spec: Spec) -> Self {
        let mut texts: [String; 4] = Default::default();
        for text in &mut texts {
            if random.once_in(2) {
                *text = random.text(12);
            }
        }
        let map_id = match random.below(6) {
            5 => format!("vocab:{}", &random.hash()[..16]),
            4 => format!("vocab_overlap:{}", random.between(100, 99_999)),
            3 => format!("{}_{}", &random.hash()[..16], &random.hash()[..16]),
            _ => String::new(),
        };
        random.mark();
        Self {
            texts,
            hidden_dim: random.number(),
            num_layers: random.number(),
            payload_type: match (random.below(4), spec) {
                (3, _) => 1,
                (2, Spec::V02) => 2,
                _ => 0,
            },
            dtype: random.below(4) as u32,
            shape: (0..random.below(5)).map(|_| random.number()).collect(),
            mode: match (random.below(5), spec) {
                (4, Spec::V02) => 2,
                (4, Spec::V04) => 1,
                _ => 0,
            },
            confidence: if spec == Spec::V02 && random.once_in(2) { random.below(9) as u8 } else { 0 },
            map_id,
            extra: (0..random.below(4))
                .map(|i| (format!("{}{i}", random.text(6)), random.text(10)))
                .collect(),
            payload: {
                let size = random.length(600);
                random.bytes(size)
            },
            compressed: false,
            checksum: false,
        }
    }

    /// Payload type, dtype and mode: number of the field, number of the value.
    pub(super) fn enums(&self) -> [(u32, u32); 3] {
        [(7, self.payload_type), (8, self.dtype), (10, self.mode)]
    }

    pub(super) fn set_text(&mut self, which: usize, text: String) {
        self.texts[which % 4] = text;
    }

    pub(super) fn set_shape(&mut self, shape: Vec<u32>) {
        self.shape = shape;
    }

    pub(super) fn add_extra(&mut self, key: String, value: String) {
        self.extra.push((key, value));
    }

    /// The entry of `extra` that is written last; empty when there is none.
    pub(super) fn last_extra(&self) -> (&str, &str) {
        self.extra.last().map_or(("", ""), |(key, value)| (key.as_str(), value.as_str()))
    }

    pub(super) fn set_map_id(&mut self, map_id: String) {
        self.map_id = map_id;
    }

    /// The metadata as ACP/1 writes it, defaults left out.
    pub(super) fn metadata(&self, spec: Spec) -> Map<String, Value> {
        let mut object = Map::new();
        let mut set = |key: &str, value: Value, default: bool| {
            if !default {
                object.insert(key.to_owned(), value);
            }
        };
        for (name, text) in TEXT_NAMES.iter().zip(&self.texts) {
            set(name, json!(text), text.is_empty());
        }
        set("hidden_dim", json!(self.hidden_dim), self.hidden_dim == 0);
        set("num_layers", json!(self.num_layers), self.num_layers == 0);
        let payload_type = ["HIDDEN_STATE", "KV_CACHE", "EMBEDDING"][self.payload_type as usize % 3];
        set("payload_type", json!(payload_type), self.payload_type == 0);
        let dtype = ["FLOAT32", "FLOAT16", "BFLOAT16", "INT8"][self.dtype as usize % 4];
        set("dtype", json!(dtype), self.dtype == 0);
        set("tensor_shape", json!(self.shape), self.shape.is_empty());
        set("mode", json!("JSON"), self.mode == 0);
        set("compression", json!("zstd"), !self.compressed);
        if spec == Spec::V02 {
            set("confidence_score", json!(f64::from(self.confidence) / 8.0), self.confidence == 0);
        }
        set("avp_map_id", json!(self.map_id), self.map_id.is_empty());
        let extra: Map<_, _> = self.extra.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        set("extra", Value::Object(extra), self.extra.is_empty());
        object
    }

    /// The flags byte.
    pub(super) fn flags(&self, spec: Spec) -> u8 {
        let (compressed, _, map, kv) = flag_bits(spec);
        let set = |on: bool, bit: u8| if on { bit } else { 0 };
        set(self.compressed, compressed) | set(!self.map_id.is_empty(), map) | set(self.payload_type == 1, kv)
    }

    /// The metadata fields as they are written, one piece a field, in ascending order.
    pub(super) fn fields(&self, spec: Spec) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let mut add = |write: &dyn Fn(&mut Fields), default: bool| {
            if !default {
                let mut fields = Fields::new();
                write(&mut fields);
                pieces.push(fields.into_bytes());
            }
        };
        for (number, text) in (1..).zip(&self.texts) {
            add(&|f| _ = f.string(number, text), text.is_empty());
        }
        let numbers = [self.hidden_dim, self.num_layers, self.payload_type, self.dtype];
        for (number, value) in (5..).zip(numbers) {
            add(&|f| _ = f.varint(number, value.into()), value == 0);
        }
        let shape: Vec<u64> = self.shape.iter().map(|&d| d.into()).collect();
        add(&|f| _ = f.packed(9, &shape), shape.is_empty());
        add(&|f| _ = f.varint(10, self.mode.into()), self.mode == 0);
        add(&|f| _ = f.string(11, "zstd"), !self.compressed);
        let confidence = (f32::from(self.confidence) / 8.0).to_bits();
        add(&|f| _ = f.fixed32(12, confidence), spec == Spec::V04 || self.confidence == 0);
        add(&|f| _ = f.string(13, &self.map_id), self.map_id.is_empty());
        for (key, value) in &self.extra {
            add(&|f| _ = f.entry(14, Some(key), Some(value)), false);
        }
        let checksum = crc32(&self.payload).into();
        add(&|f| _ = f.varint(15, checksum), spec == Spec::V02 || !self.checksum);
        pieces
    }

    /// The payload section: the payload, or a hand-made frame of it.
    pub(super) fn section(&self) -> Vec<u8> {
        if !self.compressed {
            return self.payload.clone();
        }
        let frame = Frame::new(Content::Bytes(Arc::from(self.payload.as_slice())));
        // Stored blocks of at most 600 bytes can always be written.
        frame.to_bytes().unwrap_or_default()
    }

    /// The message, its fields in ascending order.
    pub(super) fn message(&self, spec: Spec) -> Message {
        self.message_of(spec, self.fields(spec).concat())
    }

    /// The message with this metadata section.
    pub(super) fn message_of(&self, spec: Spec, metadata: Vec<u8>) -> Message {
        Message { flags: self.flags(spec), metadata, payload: self.section(), ..Message::default() }
    }
}
