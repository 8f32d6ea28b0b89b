//! The metadata section: what the message says about itself.

pub(super) mod fields;
pub(super) mod schema;

use std::collections::BTreeMap;

use super::enums::{DataType, Mode, PayloadType};

/// Metadata of a message, in any dialect. The default is what an empty metadata section means.
///
/// Three fields are written by the encoder from what it does, whatever stands here: `compression`,
/// `payload_checksum`, and `confidence_score` where the dialect does not have it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Session that the message belongs to (AVP-META-001).
    pub session_id: String,
    /// Who sends (AVP-META-002).
    pub source_agent_id: String,
    /// Who is meant (AVP-META-003).
    pub target_agent_id: String,
    /// Model that produced the payload (AVP-META-004, AVP-META-035).
    pub model_id: String,
    /// Width of a hidden state in elements, 0 when not given (AVP-META-005).
    pub hidden_dim: u32,
    /// Layers of the model, 0 when not given (AVP-META-006).
    pub num_layers: u32,
    /// What the payload is (AVP-META-007).
    pub payload_type: PayloadType,
    /// Element type of the payload (AVP-META-008).
    pub dtype: DataType,
    /// Dimensions of the payload, outermost first; may be empty (AVP-META-009).
    pub tensor_shape: Vec<u32>,
    /// How the message is to be used (AVP-META-011).
    pub mode: Mode,
    /// `zstd` when the payload came compressed, nothing otherwise, whatever field 11 says (AVP-META-037).
    pub compression: Option<String>,
    /// Confidence from 0 to 1. 0.2 only (AVP-META-013).
    pub confidence_score: f32,
    /// Projection map between two models, empty within one model (AVP-META-016).
    pub avp_map_id: String,
    /// Further entries. Their order means nothing; they are written sorted (AVP-META-018, AVP-META-019).
    pub extra: BTreeMap<String, String>,
    /// CRC-32 of the payload before compression, when the message carries one. 0.4 only (AVP-META-020).
    pub payload_checksum: Option<u32>,
}
