//! Protobuf bytes → metadata, in two steps: the fields as they stand, and, once dialect and payload are settled, their
//! meaning. Enums are judged last (AVP-HDR-007).

use std::collections::BTreeMap;

use super::{Metadata, schema::ZSTD};
use crate::{
    error::{Error, ErrorClass, Result, excerpt},
    wire::{
        dialect::Dialect,
        enums::{DataType, Mode, PayloadType},
        proto::{Field, FieldReader, Value, text},
    },
};

/// An enum's number and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::wire) struct Number {
    pub(in crate::wire) value: i32,
    offset: usize,
}

/// Fields whose mere presence tells the dialect (ambiguity A.2, rule 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::wire) struct Hints {
    pub(in crate::wire) field_2_varint: bool,
    pub(in crate::wire) field_5_bytes: bool,
    pub(in crate::wire) field_12_float: bool,
    pub(in crate::wire) fields_100_to_103: bool,
}

/// The fields as they stand on the wire, borrowed from it. The last of a repeated singular field counts
/// (AVP-META-025).
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::wire) struct RawMetadata<'a> {
    session_id: &'a str,
    source_agent_id: &'a str,
    target_agent_id: &'a str,
    model_id: &'a str,
    hidden_dim: u32,
    num_layers: u32,
    pub(in crate::wire) payload_type: Number,
    dtype: Number,
    /// Element type by name, as 0.1 has it.
    dtype_name: Option<(&'a str, usize)>,
    tensor_shape: Vec<u32>,
    pub(in crate::wire) mode: Number,
    /// Field 11 and its offset.
    pub(in crate::wire) compression: Option<(&'a str, usize)>,
    confidence_score: f32,
    pub(in crate::wire) avp_map_id: &'a str,
    extra: BTreeMap<&'a str, &'a str>,
    /// Field 15.
    pub(in crate::wire) payload_checksum: Option<u32>,
    pub(in crate::wire) hints: Hints,
}

impl<'a> RawMetadata<'a> {
    /// Reads the layout that 0.2 and 0.4 share. `base` is the section's offset in the message.
    ///
    /// A known field with another wire type falls through to the last arm and is skipped like an unknown one
    /// (AVP-META-026, AVP-META-027).
    pub(in crate::wire) fn parse(bytes: &'a [u8], base: usize) -> Result<Self> {
        let mut raw = Self::default();
        let mut reader = FieldReader::new(bytes, base, "metadata");
        while let Some(Field { number, offset, value }) = reader.next()? {
            match (number, value) {
                (1, Value::Bytes(b, at)) => raw.session_id = text(b, at, "metadata.session_id")?,
                (2, Value::Bytes(b, at)) => raw.source_agent_id = text(b, at, "metadata.source_agent_id")?,
                (3, Value::Bytes(b, at)) => raw.target_agent_id = text(b, at, "metadata.target_agent_id")?,
                (4, Value::Bytes(b, at)) => raw.model_id = text(b, at, "metadata.model_id")?,
                (5, Value::Varint(v)) => raw.hidden_dim = low_32_bits(v),
                (6, Value::Varint(v)) => raw.num_layers = low_32_bits(v),
                (7, Value::Varint(v)) => raw.payload_type = Number { value: low_32_bits(v) as i32, offset },
                (8, Value::Varint(v)) => raw.dtype = Number { value: low_32_bits(v) as i32, offset },
                (9, Value::Varint(v)) => raw.tensor_shape.push(low_32_bits(v)),
                (9, Value::Bytes(b, at)) => unpack(b, at, &mut raw.tensor_shape)?,
                (10, Value::Varint(v)) => raw.mode = Number { value: low_32_bits(v) as i32, offset },
                (11, Value::Bytes(b, at)) => {
                    raw.compression = Some((text(b, at, "metadata.compression")?, at));
                }
                (12, Value::Fixed32(v)) => {
                    raw.confidence_score = f32::from_bits(v);
                    raw.hints.field_12_float = true;
                }
                (13, Value::Bytes(b, at)) => raw.avp_map_id = text(b, at, "metadata.avp_map_id")?,
                (14, Value::Bytes(b, at)) => {
                    let (key, value) = entry(b, at)?;
                    raw.extra.insert(key, value);
                }
                (15, Value::Varint(v)) => raw.payload_checksum = Some(low_32_bits(v)),
                (2, Value::Varint(_)) => raw.hints.field_2_varint = true,
                (5, Value::Bytes(..)) => raw.hints.field_5_bytes = true,
                (100..=103, _) => raw.hints.fields_100_to_103 = true,
                _ => {}
            }
        }
        Ok(raw)
    }

    /// Reads the layout of 0.1.
    pub(in crate::wire) fn parse_v01(bytes: &'a [u8], base: usize) -> Result<Self> {
        let mut raw = Self::default();
        let mut reader = FieldReader::new(bytes, base, "metadata");
        while let Some(Field { number, value, .. }) = reader.next()? {
            match (number, value) {
                (1, Value::Bytes(b, at)) => raw.model_id = text(b, at, "metadata.model_id")?,
                (2, Value::Varint(v)) => raw.hidden_dim = low_32_bits(v),
                (3, Value::Bytes(b, at)) => raw.dtype_name = Some((text(b, at, "metadata.data_type")?, at)),
                (4, Value::Bytes(b, at)) => {
                    raw.compression = Some((text(b, at, "metadata.compression")?, at));
                }
                (5, Value::Bytes(b, at)) => raw.source_agent_id = text(b, at, "metadata.agent_id")?,
                (6, Value::Bytes(b, at)) => raw.session_id = text(b, at, "metadata.task_id")?,
                (7, Value::Bytes(b, at)) => {
                    let (key, value) = entry(b, at)?;
                    raw.extra.insert(key, value);
                }
                _ => {}
            }
        }
        // 0.1 knows nothing but embedding vectors, and gives their width in place of a shape.
        raw.payload_type.value = 2;
        Ok(raw)
    }

    /// What the fields mean in a dialect. `base` is where the message's metadata starts, for an enum that is not
    /// written at all and so can't be wrong.
    ///
    /// # Errors
    /// `decode` for an enum number that the dialect does not have, naming field and value (AVP-ENUM-003, AVP-ENUM-007
    /// to AVP-ENUM-009).
    pub(in crate::wire) fn resolve(self, dialect: Dialect, compressed: bool) -> Result<Metadata> {
        let owned = str::to_owned;
        let payload_type = PayloadType::from_wire(dialect, self.payload_type.value)
            .ok_or_else(|| unknown("metadata.payload_type", "a payload type", dialect, self.payload_type))?;
        let dtype = match self.dtype_name {
            Some((name, offset)) => dtype_by_name(name, offset)?,
            None => DataType::from_wire(self.dtype.value)
                .ok_or_else(|| unknown("metadata.dtype", "a data type", dialect, self.dtype))?,
        };
        let mode = Mode::from_wire(dialect, self.mode.value)
            .ok_or_else(|| unknown("metadata.mode", "a communication mode", dialect, self.mode))?;
        Ok(Metadata {
            session_id: owned(self.session_id),
            source_agent_id: owned(self.source_agent_id),
            target_agent_id: owned(self.target_agent_id),
            model_id: owned(self.model_id),
            hidden_dim: self.hidden_dim,
            num_layers: self.num_layers,
            payload_type,
            dtype,
            tensor_shape: self.tensor_shape,
            mode,
            compression: compressed.then(|| owned(ZSTD)),
            // Reserved in 0.4 and skipped there (AVP-META-015).
            confidence_score: if dialect == Dialect::V02 { self.confidence_score } else { 0.0 },
            avp_map_id: owned(self.avp_map_id),
            extra: self.extra.into_iter().map(|(key, value)| (owned(key), owned(value))).collect(),
            // Unknown before 0.4 and skipped there (AVP-CMP-017).
            payload_checksum: self.payload_checksum.filter(|_| dialect == Dialect::V04),
        })
    }
}

/// protobuf's rule for a 32-bit field that holds a longer varint: the upper bits are dropped.
fn low_32_bits(value: u64) -> u32 {
    value as u32
}

/// A packed list of varints.
fn unpack(bytes: &[u8], offset: usize, shape: &mut Vec<u32>) -> Result<()> {
    let mut reader = FieldReader::new(bytes, offset, "metadata.tensor_shape");
    while !reader.is_empty() {
        shape.push(low_32_bits(reader.varint()?));
    }
    Ok(())
}

/// One entry of a string map: key in field 1, value in field 2, both empty when left out.
fn entry(bytes: &[u8], offset: usize) -> Result<(&str, &str)> {
    let (mut key, mut value) = ("", "");
    let mut reader = FieldReader::new(bytes, offset, "metadata.extra");
    while let Some(field) = reader.next()? {
        match (field.number, field.value) {
            (1, Value::Bytes(b, at)) => key = text(b, at, "metadata.extra.key")?,
            (2, Value::Bytes(b, at)) => value = text(b, at, "metadata.extra.value")?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn dtype_by_name(name: &str, offset: usize) -> Result<DataType> {
    match name {
        "" | "float32" => Ok(DataType::Float32),
        "float16" => Ok(DataType::Float16),
        "bfloat16" => Ok(DataType::BFloat16),
        "int8" => Ok(DataType::Int8),
        _ => Err(Error::new(
            ErrorClass::Decode,
            "metadata.data_type",
            "float32, float16, bfloat16 or int8",
            excerpt(name),
        )
        .at(offset)),
    }
}

fn unknown(field: &'static str, what: &str, dialect: Dialect, number: Number) -> Error {
    let expected = format!("{what} of dialect {dialect}");
    Error::new(ErrorClass::Decode, field, expected, number.value.to_string()).at(number.offset)
}
