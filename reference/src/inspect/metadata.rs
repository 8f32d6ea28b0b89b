//! Names for the bytes of a metadata section.

use super::{Section, Spans};
use crate::error::excerpt;
use crate::wire::proto::{FieldReader, Value};
use crate::wire::{DataType, Dialect, Mode, PayloadType};

/// What a field's number says in a dialect.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    PayloadType,
    DataType,
    Mode,
    Shape,
    Float,
    Entry,
    Checksum,
}

/// Name and kind of a field.
fn known(number: u32, dialect: Dialect) -> Option<(&'static str, Kind)> {
    Some(match (number, dialect) {
        (1, Dialect::V01) => ("model_id", Kind::Text),
        (2, Dialect::V01) => ("embedding_dim", Kind::Number),
        (3, Dialect::V01) => ("data_type", Kind::Text),
        (4, Dialect::V01) => ("compression", Kind::Text),
        (5, Dialect::V01) => ("agent_id", Kind::Text),
        (6, Dialect::V01) => ("task_id", Kind::Text),
        (7, Dialect::V01) => ("extra", Kind::Entry),
        (_, Dialect::V01) => return None,
        (1, _) => ("session_id", Kind::Text),
        (2, _) => ("source_agent_id", Kind::Text),
        (3, _) => ("target_agent_id", Kind::Text),
        (4, _) => ("model_id", Kind::Text),
        (5, _) => ("hidden_dim", Kind::Number),
        (6, _) => ("num_layers", Kind::Number),
        (7, _) => ("payload_type", Kind::PayloadType),
        (8, _) => ("dtype", Kind::DataType),
        (9, _) => ("tensor_shape", Kind::Shape),
        (10, _) => ("mode", Kind::Mode),
        (11, _) => ("compression", Kind::Text),
        (12, Dialect::V02) => ("confidence_score", Kind::Float),
        (13, _) => ("avp_map_id", Kind::Text),
        (14, _) => ("extra", Kind::Entry),
        (15, Dialect::V04) => ("payload_checksum", Kind::Checksum),
        _ => return None,
    })
}

/// Names the bytes of `input` up to `end`, field by field. What can't be read stays one span.
pub(super) fn walk(input: &[u8], end: usize, dialect: Dialect, spans: &mut Spans) {
    let start = spans.at();
    let mut reader = FieldReader::new(input.get(start..end).unwrap_or_default(), start, "metadata");
    loop {
        match reader.next() {
            Ok(Some(field)) => {
                let (name, value) = match known(field.number, dialect) {
                    Some((name, kind)) => (name.to_owned(), describe(kind, field.value, dialect)),
                    None => (format!("field {}", field.number), format!("unknown, {}", plain(field.value))),
                };
                spans.push(reader.offset(), Section::Metadata, format!("metadata.{name}"), value);
            }
            Ok(None) => return,
            Err(error) => {
                return spans.push(end, Section::Rest, "metadata", format!("unreadable: {error}"));
            }
        }
    }
}

fn describe(kind: Kind, value: Value<'_>, dialect: Dialect) -> String {
    // Protobuf cuts longer varints to the field's 32 bits.
    match (kind, value) {
        (Kind::Number, Value::Varint(n)) => (n as u32).to_string(),
        (Kind::PayloadType, Value::Varint(n)) => {
            named(n, |n| PayloadType::from_wire(dialect, n), PayloadType::as_str)
        }
        (Kind::DataType, Value::Varint(n)) => named(n, DataType::from_wire, DataType::as_str),
        (Kind::Mode, Value::Varint(n)) => named(n, |n| Mode::from_wire(dialect, n), Mode::as_str),
        (Kind::Checksum, Value::Varint(n)) => format!("CRC-32 0x{:08x}", n as u32),
        (Kind::Shape, Value::Varint(n)) => format!("[{}]", n as u32),
        (Kind::Shape, Value::Bytes(bytes, at)) => shape(bytes, at),
        (Kind::Float, Value::Fixed32(bits)) => f32::from_bits(bits).to_string(),
        (Kind::Text, Value::Bytes(bytes, _)) => text(bytes),
        (Kind::Entry, Value::Bytes(bytes, at)) => entry(bytes, at),
        (_, value) => format!("another wire type, so unknown: {}", plain(value)),
    }
}

fn named<T>(number: u64, read: impl Fn(i32) -> Option<T>, name: impl Fn(T) -> &'static str) -> String {
    match read(number as u32 as i32) {
        Some(value) => name(value).to_owned(),
        None => format!("{}, which this dialect does not have", number as u32 as i32),
    }
}

fn plain(value: Value<'_>) -> String {
    match value {
        Value::Varint(n) => n.to_string(),
        Value::Fixed32(bits) => format!("0x{bits:08x}"),
        Value::Fixed64 => "eight bytes".to_owned(),
        Value::Bytes(bytes, _) => text(bytes),
    }
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => excerpt(text),
        Err(_) => format!("{} bytes that are no UTF-8", bytes.len()),
    }
}

/// Dimensions that are shown of a shape; more make no tensor that anyone uses.
const SHOWN_DIMENSIONS: usize = 8;

fn shape(bytes: &[u8], at: usize) -> String {
    let mut reader = FieldReader::new(bytes, at, "metadata.tensor_shape");
    let mut dims = Vec::new();
    while !reader.is_empty() {
        match reader.varint() {
            Ok(_) if dims.len() == SHOWN_DIMENSIONS => return format!("[{}, …]", dims.join(", ")),
            Ok(dim) => dims.push((dim as u32).to_string()),
            Err(error) => return format!("unreadable: {error}"),
        }
    }
    format!("[{}]", dims.join(", "))
}

fn entry(bytes: &[u8], at: usize) -> String {
    let (mut key, mut value) = (&[][..], &[][..]);
    let mut reader = FieldReader::new(bytes, at, "metadata.extra");
    loop {
        match reader.next() {
            Ok(Some(field)) => match (field.number, field.value) {
                (1, Value::Bytes(bytes, _)) => key = bytes,
                (2, Value::Bytes(bytes, _)) => value = bytes,
                _ => {}
            },
            Ok(None) => return format!("{} = {}", text(key), text(value)),
            Err(error) => return format!("unreadable: {error}"),
        }
    }
}
