//! The metadata section: protobuf fields, their meaning, and the object that ACP/1 writes for them.

use std::ops::Range;

use serde_json::{Map, Number, Value, json};

use super::fault::{Class, Fault, Stage, Warning};
use super::field::Fields;
use super::preview;
use super::protobuf::{self, Malformed, Oddity, RawField, RawValue};
use crate::case::Spec;

/// Most raw fields that are kept. Real metadata has some twenty; the first 65,536 answer every question about fields
/// that are there or not there.
const MAX_RAW: usize = 1 << 16;
/// Most dimensions that are kept of a tensor shape. Each costs one byte on the wire and 32 in JSON.
const MAX_DIMENSIONS: usize = 1 << 20;

/// What the metadata section says.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the protocol's fields")]
pub struct Metadata {
    pub session_id: String,
    pub source_agent_id: String,
    pub target_agent_id: String,
    pub model_id: String,
    pub hidden_dim: u32,
    pub num_layers: u32,
    pub payload_type: i32,
    pub dtype: i32,
    pub tensor_shape: Vec<u32>,
    pub mode: i32,
    /// Field 11 as it stands there; the flag decides what a decoder reports (AVP-META-037).
    pub compression: Option<String>,
    /// Field 12 under 0.2.
    pub confidence_score: f32,
    pub avp_map_id: String,
    /// Entries in the order of their first appearance, the last value of each (AVP-META-018).
    pub extra: Map<String, Value>,
    /// Field 15 under 0.4.
    pub payload_checksum: Option<u32>,
    /// Every field as it stands on the wire; ranges are offsets into the message.
    pub raw: Vec<RawField>,
}

/// Names of the fields of a dialect, by number.
pub(super) fn field_name(number: u32, spec: Spec) -> Option<&'static str> {
    Some(match number {
        1 => "session_id",
        2 => "source_agent_id",
        3 => "target_agent_id",
        4 => "model_id",
        5 => "hidden_dim",
        6 => "num_layers",
        7 => "payload_type",
        8 => "dtype",
        9 => "tensor_shape",
        10 => "mode",
        11 => "compression",
        12 if spec == Spec::V02 => "confidence_score",
        13 => "avp_map_id",
        14 => "extra",
        15 if spec == Spec::V04 => "payload_checksum",
        _ => return None,
    })
}

/// ACP/1's name of a payload type, when the dialect has it.
pub(super) fn payload_type_name(value: i32, spec: Spec) -> Option<&'static str> {
    match (value, spec) {
        (0, _) => Some("HIDDEN_STATE"),
        (1, _) => Some("KV_CACHE"),
        (2, Spec::V02) => Some("EMBEDDING"),
        _ => None,
    }
}

/// ACP/1's name of a dtype, when there is one.
pub(super) fn dtype_name(value: i32) -> Option<&'static str> {
    ["FLOAT32", "FLOAT16", "BFLOAT16", "INT8"].get(usize::try_from(value).ok()?).copied()
}

/// ACP/1's name of a mode, when the dialect has it.
pub(super) fn mode_name(value: i32, spec: Spec) -> Option<&'static str> {
    match (value, spec) {
        (0, _) => Some("LATENT"),
        (1, Spec::V04) | (2, Spec::V02) => Some("JSON"),
        (1, Spec::V02) => Some("HYBRID"),
        _ => None,
    }
}

impl Metadata {
    /// The object that ACP/1 writes, every key present. Unknown enum values are numbers. `compressed` is flag bit 0.
    pub fn to_json(&self, spec: Spec, compressed: bool) -> Map<String, Value> {
        let named = |name: Option<&str>, value: i32| name.map_or_else(|| json!(value), |name| json!(name));
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("session_id", json!(self.session_id));
        set("source_agent_id", json!(self.source_agent_id));
        set("target_agent_id", json!(self.target_agent_id));
        set("model_id", json!(self.model_id));
        set("hidden_dim", json!(self.hidden_dim));
        set("num_layers", json!(self.num_layers));
        set("payload_type", named(payload_type_name(self.payload_type, spec), self.payload_type));
        set("dtype", named(dtype_name(self.dtype), self.dtype));
        set("tensor_shape", json!(self.tensor_shape));
        set("mode", named(mode_name(self.mode, spec), self.mode));
        set("compression", if compressed { json!("zstd") } else { Value::Null });
        if spec == Spec::V02 {
            set("confidence_score", float_json(self.confidence_score));
        }
        set("avp_map_id", json!(self.avp_map_id));
        set("extra", Value::Object(self.extra.clone()));
        set("payload_checksum", self.payload_checksum.map_or(Value::Null, |c| json!(c)));
        object
    }
}

/// A float as ACP/1 writes it: a number, or one of three words.
fn float_json(value: f32) -> Value {
    let word = || {
        json!(if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        })
    };
    Number::from_f64(f64::from(value)).map_or_else(word, Value::Number)
}

/// What comes of reading a metadata section.
pub(super) struct Reading {
    pub(super) metadata: Metadata,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads the section at `range` of `message` and lists its fields. After a malformed field the rest is not looked at.
pub(super) fn read(message: &[u8], range: Range<usize>, spec: Spec, fields: &mut Fields) -> Reading {
    let section = &message[range.clone()];
    let mut reader = Reader {
        base: range.start,
        read_to: range.start,
        section,
        spec,
        metadata: Metadata::default(),
        faults: Vec::new(),
        odd: Vec::new(),
        fields,
    };
    let mut odd = Vec::new();
    let ended = protobuf::walk(section, &mut odd, |raw| reader.take(raw));
    if let Err(malformed) = ended {
        reader.malformed(&malformed, 0, "metadata");
        reader.fields.push(reader.read_to..range.end, 1, "?", "not readable as protobuf");
    }
    odd.append(&mut reader.odd);
    let warnings = odd.into_iter().map(|o| warning(&o, range.start)).collect();
    Reading { metadata: reader.metadata, faults: reader.faults, warnings }
}

fn warning(odd: &Oddity, base: usize) -> Warning {
    let range = odd.range.start + base..odd.range.end + base;
    Warning::contested("AVP-META-028", range, format!("{}: readers differ", odd.text))
}

struct Reader<'a> {
    base: usize,
    /// End of the last field, as an offset into the message.
    read_to: usize,
    section: &'a [u8],
    spec: Spec,
    metadata: Metadata,
    faults: Vec<Fault>,
    odd: Vec<Oddity>,
    fields: &'a mut Fields,
}

impl Reader<'_> {
    fn take(&mut self, raw: RawField) {
        let value = match (raw.number, &raw.value) {
            (1..=4 | 11 | 13, RawValue::Len(at)) => self.text(raw.number, at.clone()),
            (5..=8 | 10, &RawValue::Varint(v)) => self.number(raw.number, v),
            (9, &RawValue::Varint(v)) => {
                self.dimension(v);
                format!("{} (unpacked)", v as u32)
            }
            (9, RawValue::Len(at)) => self.shape(at.clone()),
            (12, &RawValue::Fixed32(bits)) if self.spec == Spec::V02 => {
                self.metadata.confidence_score = f32::from_bits(bits);
                self.metadata.confidence_score.to_string()
            }
            (14, RawValue::Len(at)) => self.entry(at.clone()),
            (15, &RawValue::Varint(v)) if self.spec == Spec::V04 => {
                self.metadata.payload_checksum = Some(v as u32);
                format!("{:#010x}", v as u32)
            }
            _ => self.unknown(&raw),
        };
        self.keep(raw, value);
    }

    fn keep(&mut self, raw: RawField, value: String) {
        let range = raw.range.start + self.base..raw.range.end + self.base;
        self.read_to = range.end;
        if !self.fields.is_full() {
            let name = field_name(raw.number, self.spec).unwrap_or("unknown");
            self.fields.push(range.clone(), 1, format!("{} {name}", raw.number), value);
        }
        if self.metadata.raw.len() < MAX_RAW {
            let value = match raw.value {
                RawValue::Len(at) => RawValue::Len(at.start + self.base..at.end + self.base),
                other => other,
            };
            self.metadata.raw.push(RawField { range, value_at: raw.value_at + self.base, value, ..raw });
        }
    }

    fn unknown(&self, raw: &RawField) -> String {
        let why = match field_name(raw.number, self.spec) {
            Some(_) => format!("wire type {}, so unknown", raw.wire),
            None => "skipped".to_owned(),
        };
        match raw.value {
            RawValue::Varint(v) => format!("varint {v} ({why})"),
            RawValue::Fixed32(v) => format!("fixed32 {v:#x} ({why})"),
            RawValue::Fixed64(v) => format!("fixed64 {v:#x} ({why})"),
            RawValue::Len(ref at) => format!("{} bytes ({why})", at.len()),
            RawValue::Group => format!("group ({why})"),
        }
    }

    fn text(&mut self, number: u32, at: Range<usize>) -> String {
        let Some(text) = self.utf8(at, field_name(number, self.spec).unwrap_or_default()) else {
            return "not UTF-8".to_owned();
        };
        let shown = preview::text(&text);
        match number {
            1 => self.metadata.session_id = text,
            2 => self.metadata.source_agent_id = text,
            3 => self.metadata.target_agent_id = text,
            4 => self.metadata.model_id = text,
            11 => self.metadata.compression = Some(text),
            _ => self.metadata.avp_map_id = text,
        }
        shown
    }

    fn utf8(&mut self, at: Range<usize>, field: &str) -> Option<String> {
        match std::str::from_utf8(&self.section[at.clone()]) {
            Ok(text) => Some(text.to_owned()),
            Err(error) => {
                let offset = at.start + error.valid_up_to();
                self.fault(offset, field, &["AVP-META-029"], format!("{field} is not UTF-8"));
                None
            }
        }
    }

    fn number(&mut self, number: u32, value: u64) -> String {
        let (low, spec) = (value as u32, self.spec);
        let named = |name: Option<&str>| match name {
            Some(name) => format!("{low} {name}"),
            None => format!("{} (no such value)", low.cast_signed()),
        };
        match number {
            5 => self.metadata.hidden_dim = low,
            6 => self.metadata.num_layers = low,
            7 => {
                self.metadata.payload_type = low.cast_signed();
                return named(payload_type_name(low.cast_signed(), spec));
            }
            8 => {
                self.metadata.dtype = low.cast_signed();
                return named(dtype_name(low.cast_signed()));
            }
            _ => {
                self.metadata.mode = low.cast_signed();
                return named(mode_name(low.cast_signed(), spec));
            }
        }
        low.to_string()
    }

    fn dimension(&mut self, value: u64) {
        if self.metadata.tensor_shape.len() < MAX_DIMENSIONS {
            self.metadata.tensor_shape.push(value as u32);
        }
    }

    fn shape(&mut self, at: Range<usize>) -> String {
        let mut odd = Vec::new();
        let mut values = Vec::new();
        let section = self.section;
        let ended = protobuf::packed(&section[at.clone()], &mut odd, |v| {
            if values.len() < MAX_DIMENSIONS {
                values.push(v);
            }
        });
        self.nested(ended, odd, at.start, "tensor_shape");
        let shown: Vec<_> = values.iter().take(8).map(|&v| (v as u32).to_string()).collect();
        let more = if values.len() > 8 { format!(", … {} in all", values.len()) } else { String::new() };
        values.into_iter().for_each(|v| self.dimension(v));
        format!("[{}{more}]", shown.join(", "))
    }

    fn entry(&mut self, at: Range<usize>) -> String {
        let mut odd = Vec::new();
        let (mut key, mut value) = (0..0, 0..0);
        let mut foreign = false;
        let section = self.section;
        let ended = protobuf::walk(&section[at.clone()], &mut odd, |raw| match (raw.number, raw.value) {
            (1, RawValue::Len(range)) => key = range,
            (2, RawValue::Len(range)) => value = range,
            _ => foreign = true,
        });
        if foreign {
            // Some protobuf libraries then keep the whole entry among the unknown fields, others drop the field alone.
            odd.push(Oddity { range: 0..at.len(), text: "an entry of extra with a field of its own" });
        }
        let whole = ended.is_ok();
        self.nested(ended, odd, at.start, "extra");
        if !whole {
            return "malformed entry".to_owned();
        }
        let key = self.utf8(key.start + at.start..key.end + at.start, "extra");
        let value = self.utf8(value.start + at.start..value.end + at.start, "extra");
        let (Some(key), Some(value)) = (key, value) else { return "not UTF-8".to_owned() };
        let shown = format!("{} = {}", preview::text(&key), preview::text(&value));
        self.metadata.extra.insert(key, Value::String(value));
        shown
    }

    fn nested(&mut self, ended: Result<(), Malformed>, odd: Vec<Oddity>, at: usize, field: &str) {
        let shift = |o: Oddity| Oddity { range: o.range.start + at..o.range.end + at, ..o };
        self.odd.extend(odd.into_iter().map(shift));
        self.odd.truncate(64);
        if let Err(malformed) = ended {
            self.malformed(&malformed, at, field);
        }
    }

    fn malformed(&mut self, malformed: &Malformed, at: usize, field: &str) {
        self.fault(malformed.offset + at, field, &["AVP-META-028"], malformed.text.clone());
    }

    fn fault(&mut self, offset: usize, field: &str, requirements: &'static [&'static str], text: String) {
        // One malformed field is enough to refuse a message; a list of thousands helps nobody.
        if self.faults.len() < 16 {
            let field = field.to_owned();
            let offset = offset + self.base;
            self.faults.push(Fault {
                stage: Stage::Metadata,
                offset,
                field,
                class: Class::Decode,
                requirements,
                text,
            });
        }
    }
}
