//! The enums of the metadata. Their numbers on the wire depend on the dialect.

use super::{dialect::Dialect, generated};
use crate::error::{Error, ErrorClass, Result};

/// What the payload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PayloadType {
    /// Raw hidden states, no inner header (AVP-PAY-010).
    #[default]
    HiddenState,
    /// A KV-cache with its 17-byte header, see [`crate::kv`].
    KvCache,
    /// A raw vector. 0.2 and 0.3 only (AVP-PAY-012, A-006).
    Embedding,
}

/// Element type of the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataType {
    /// IEEE-754 binary32.
    #[default]
    Float32,
    /// IEEE-754 binary16.
    Float16,
    /// The upper half of a binary32.
    BFloat16,
    /// Signed byte.
    Int8,
}

/// How the receiver is to use the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Latent state.
    #[default]
    Latent,
    /// Latent state and text. 0.2 only.
    Hybrid,
    /// Text.
    Json,
}

impl PayloadType {
    /// The name in JSON, e.g. `HIDDEN_STATE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HiddenState => "HIDDEN_STATE",
            Self::KvCache => "KV_CACHE",
            Self::Embedding => "EMBEDDING",
        }
    }

    /// The value with this JSON name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::HiddenState, Self::KvCache, Self::Embedding].into_iter().find(|v| v.as_str() == name)
    }

    /// Reads the number of a dialect (AVP-ENUM-001 to AVP-ENUM-003).
    pub fn from_wire(dialect: Dialect, number: i32) -> Option<Self> {
        match (number, dialect) {
            (0, _) => Some(Self::HiddenState),
            (1, _) => Some(Self::KvCache),
            (2, Dialect::V01 | Dialect::V02) => Some(Self::Embedding),
            _ => None,
        }
    }

    /// Its number in a dialect.
    ///
    /// # Errors
    /// `invalid_argument` for EMBEDDING under 0.4.
    pub fn to_wire(self, dialect: Dialect) -> Result<i32> {
        match (self, dialect) {
            (Self::HiddenState, _) => Ok(generated::PayloadType::HiddenState as i32),
            (Self::KvCache, _) => Ok(generated::PayloadType::KvCache as i32),
            (Self::Embedding, Dialect::V01 | Dialect::V02) => Ok(generated::PayloadType::Embedding as i32),
            (Self::Embedding, Dialect::V04) => {
                Err(not_in_dialect("metadata.payload_type", dialect, "EMBEDDING"))
            }
        }
    }
}

impl DataType {
    /// The name in JSON, e.g. `FLOAT32`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "FLOAT32",
            Self::Float16 => "FLOAT16",
            Self::BFloat16 => "BFLOAT16",
            Self::Int8 => "INT8",
        }
    }

    /// The value with this JSON name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Float32, Self::Float16, Self::BFloat16, Self::Int8].into_iter().find(|v| v.as_str() == name)
    }

    /// Reads the wire number, the same in every dialect (AVP-ENUM-006). Reserved numbers are unknown (AVP-ENUM-007).
    pub fn from_wire(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Float32),
            1 => Some(Self::Float16),
            2 => Some(Self::BFloat16),
            3 => Some(Self::Int8),
            _ => None,
        }
    }

    /// Its wire number.
    pub fn to_wire(self) -> i32 {
        let number = match self {
            Self::Float32 => generated::DataType::Float32,
            Self::Float16 => generated::DataType::Float16,
            Self::BFloat16 => generated::DataType::Bfloat16,
            Self::Int8 => generated::DataType::Int8,
        };
        number as i32
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Float16 | Self::BFloat16 => 2,
            Self::Int8 => 1,
        }
    }
}

impl Mode {
    /// The name in JSON, e.g. `LATENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latent => "LATENT",
            Self::Hybrid => "HYBRID",
            Self::Json => "JSON",
        }
    }

    /// The value with this JSON name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Latent, Self::Hybrid, Self::Json].into_iter().find(|v| v.as_str() == name)
    }

    /// Reads the number of a dialect (AVP-ENUM-004, AVP-ENUM-005).
    pub fn from_wire(dialect: Dialect, number: i32) -> Option<Self> {
        match (number, dialect) {
            (0, _) => Some(Self::Latent),
            (1, Dialect::V02) => Some(Self::Hybrid),
            (2, Dialect::V02) | (1, Dialect::V04) => Some(Self::Json),
            _ => None,
        }
    }

    /// Its number in a dialect.
    ///
    /// # Errors
    /// `invalid_argument` for a mode that the dialect does not have.
    pub fn to_wire(self, dialect: Dialect) -> Result<i32> {
        use generated::{metadata, metadata_v02};
        match (self, dialect) {
            (Self::Latent, _) => Ok(metadata::Mode::Latent as i32),
            (Self::Hybrid, Dialect::V02) => Ok(metadata_v02::Mode::Hybrid as i32),
            (Self::Json, Dialect::V02) => Ok(metadata_v02::Mode::Json as i32),
            (Self::Json, Dialect::V04) => Ok(metadata::Mode::Json as i32),
            (Self::Hybrid | Self::Json, _) => Err(not_in_dialect("metadata.mode", dialect, self.as_str())),
        }
    }
}

fn not_in_dialect(field: &'static str, dialect: Dialect, found: &str) -> Error {
    Error::new(ErrorClass::InvalidArgument, field, format!("a value of dialect {dialect}"), found)
}
