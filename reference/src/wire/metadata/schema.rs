//! Metadata → protobuf bytes, through the generated messages.

use prost::Message as _;

use super::Metadata;
use crate::{
    error::{Error, ErrorClass, Result},
    wire::{dialect::Dialect, generated},
};

/// Value of field 11 of a compressed message (AVP-META-012).
pub(in crate::wire) const ZSTD: &str = "zstd";

/// The metadata section: fields ascending, defaults left out, map entries sorted by key.
pub(in crate::wire) fn encode(
    metadata: &Metadata,
    dialect: Dialect,
    compressed: bool,
    checksum: Option<u32>,
) -> Result<Vec<u8>> {
    let Metadata {
        session_id,
        source_agent_id,
        target_agent_id,
        model_id,
        hidden_dim,
        num_layers,
        payload_type,
        dtype,
        tensor_shape,
        mode,
        compression: _,
        confidence_score,
        avp_map_id,
        extra,
        payload_checksum: _,
    } = metadata.clone();
    let payload_type = payload_type.to_wire(dialect)?;
    let mode = mode.to_wire(dialect)?;
    let dtype = dtype.to_wire();
    let compression = compressed.then(|| ZSTD.to_owned());

    match dialect {
        Dialect::V04 => Ok(generated::Metadata {
            session_id,
            source_agent_id,
            target_agent_id,
            model_id,
            hidden_dim,
            num_layers,
            payload_type,
            dtype,
            tensor_shape,
            mode,
            compression,
            avp_map_id,
            extra,
            payload_checksum: checksum,
        }
        .encode_to_vec()),
        Dialect::V02 => Ok(generated::MetadataV02 {
            session_id,
            source_agent_id,
            target_agent_id,
            model_id,
            hidden_dim,
            num_layers,
            payload_type,
            dtype,
            tensor_shape,
            mode,
            compression,
            confidence_score,
            avp_map_id,
            extra,
        }
        .encode_to_vec()),
        Dialect::V01 => Err(Error::new(
            ErrorClass::InvalidArgument,
            "encoder.dialect",
            "0.2 or 0.4",
            "0.1, which is read-only",
        )),
    }
}
