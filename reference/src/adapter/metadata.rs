//! Metadata as JSON, in the form that ACP/1 and the command line tool share.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::request::invalid;
use crate::error::Error;
use crate::wire::{DataType, Dialect, Metadata, Mode, PayloadType};

/// Metadata as it stands in arguments. An absent key, or null, is the protobuf default. `compression` and
/// `payload_checksum` say what was found in a message; an encoder sets them itself.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MetadataArgs {
    #[serde(deserialize_with = "nullable")]
    session_id: String,
    #[serde(deserialize_with = "nullable")]
    source_agent_id: String,
    #[serde(deserialize_with = "nullable")]
    target_agent_id: String,
    #[serde(deserialize_with = "nullable")]
    model_id: String,
    #[serde(deserialize_with = "nullable")]
    hidden_dim: u32,
    #[serde(deserialize_with = "nullable")]
    num_layers: u32,
    payload_type: Option<String>,
    dtype: Option<String>,
    #[serde(deserialize_with = "nullable")]
    tensor_shape: Vec<u32>,
    mode: Option<String>,
    #[serde(deserialize_with = "number")]
    confidence_score: f32,
    #[serde(deserialize_with = "nullable")]
    avp_map_id: String,
    #[serde(deserialize_with = "nullable")]
    extra: BTreeMap<String, String>,
}

pub(super) fn nullable<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    de: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(de)?.unwrap_or_default())
}

/// A number, also one that JSON does not have, by its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f32),
    Named(Name),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Nan,
    Inf,
    #[serde(rename = "-inf")]
    MinusInf,
}

fn number<'de, D: Deserializer<'de>>(de: D) -> Result<f32, D::Error> {
    Ok(match Option::deserialize(de)? {
        None => 0.0,
        Some(Number::Finite(x)) => x,
        Some(Number::Named(Name::Nan)) => f32::NAN,
        Some(Number::Named(Name::Inf)) => f32::INFINITY,
        Some(Number::Named(Name::MinusInf)) => f32::NEG_INFINITY,
    })
}

/// The number, or its name when JSON does not have it.
pub(super) fn number_json(x: f32) -> Value {
    match x {
        x if x.is_nan() => "nan".into(),
        f32::INFINITY => "inf".into(),
        f32::NEG_INFINITY => "-inf".into(),
        x => json!(x),
    }
}

impl TryFrom<MetadataArgs> for Metadata {
    type Error = Error;

    fn try_from(args: MetadataArgs) -> Result<Self, Error> {
        Ok(Self {
            session_id: args.session_id,
            source_agent_id: args.source_agent_id,
            target_agent_id: args.target_agent_id,
            model_id: args.model_id,
            hidden_dim: args.hidden_dim,
            num_layers: args.num_layers,
            payload_type: named(args.payload_type, "metadata.payload_type", PayloadType::from_name)?,
            dtype: named(args.dtype, "metadata.dtype", DataType::from_name)?,
            tensor_shape: args.tensor_shape,
            mode: named(args.mode, "metadata.mode", Mode::from_name)?,
            compression: None,
            confidence_score: args.confidence_score,
            avp_map_id: args.avp_map_id,
            extra: args.extra,
            payload_checksum: None,
        })
    }
}

fn named<T: Default>(
    name: Option<String>,
    field: &'static str,
    find: fn(&str) -> Option<T>,
) -> Result<T, Error> {
    match name {
        None => Ok(T::default()),
        Some(name) => find(&name).ok_or_else(|| invalid(field, "a name of this enum", name)),
    }
}

/// A data type by its long name.
pub(super) fn data_type(name: &str) -> Result<DataType, Error> {
    DataType::from_name(name).ok_or_else(|| invalid("dtype", "FLOAT32, FLOAT16, BFLOAT16 or INT8", name))
}

/// Reads metadata from JSON. Absent keys, and null, are protobuf defaults; unknown ones are ignored. `compression` and
/// `payload_checksum` are not read: an encoder sets them.
///
/// # Errors
/// `invalid_argument` for a value of another type, out of range, or a name that no enum has.
pub fn from_json(value: Value) -> Result<Metadata, Error> {
    let args: MetadataArgs = serde_json::from_value(value)
        .map_err(|error| invalid("metadata", "an object of metadata fields", error.to_string()))?;
    args.try_into()
}

/// Metadata as JSON, every key, in the contract's order. `confidence_score` is there under 0.2 only.
pub fn to_json(metadata: &Metadata, dialect: Dialect) -> Value {
    let mut value = json!({
        "session_id": metadata.session_id,
        "source_agent_id": metadata.source_agent_id,
        "target_agent_id": metadata.target_agent_id,
        "model_id": metadata.model_id,
        "hidden_dim": metadata.hidden_dim,
        "num_layers": metadata.num_layers,
        "payload_type": metadata.payload_type.as_str(),
        "dtype": metadata.dtype.as_str(),
        "tensor_shape": metadata.tensor_shape,
        "mode": metadata.mode.as_str(),
        "compression": metadata.compression,
        "avp_map_id": metadata.avp_map_id,
        "extra": metadata.extra,
        "payload_checksum": metadata.payload_checksum,
    });
    if dialect == Dialect::V02 {
        value["confidence_score"] = number_json(metadata.confidence_score);
    }
    value
}
