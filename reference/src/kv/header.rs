//! The 17 bytes in front of the tensors.

use crate::{
    error::{Error, ErrorClass, Result},
    wire::DataType,
};

/// Bytes of the KV header (AVP-KV-001).
pub const KV_HEADER_LEN: usize = 17;

/// Most layers that a KV payload may announce. Published models have some hundred at most; but layers of empty tensors
/// take no bytes, so without a bound seventeen bytes could ask for four thousand million of them.
pub const MAX_LAYERS: u32 = 4096;

/// Element type of a cache (AVP-KV-004). The other wire types have no code in the KV header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KvDtype {
    /// IEEE-754 binary32.
    F32,
    /// IEEE-754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
}

impl KvDtype {
    /// Its byte in the KV header.
    pub fn code(self) -> u8 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::BF16 => 2,
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        DataType::from(self).size()
    }
}

impl From<KvDtype> for DataType {
    fn from(dtype: KvDtype) -> Self {
        match dtype {
            KvDtype::F32 => Self::Float32,
            KvDtype::F16 => Self::Float16,
            KvDtype::BF16 => Self::BFloat16,
        }
    }
}

impl TryFrom<DataType> for KvDtype {
    type Error = Error;

    /// # Errors
    /// `invalid_argument` for INT8 (AVP-KV-014).
    fn try_from(dtype: DataType) -> Result<Self> {
        match dtype {
            DataType::Float32 => Ok(Self::F32),
            DataType::Float16 => Ok(Self::F16),
            DataType::BFloat16 => Ok(Self::BF16),
            DataType::Int8 => Err(Error::new(
                ErrorClass::InvalidArgument,
                "kv.dtype",
                "FLOAT32, FLOAT16 or BFLOAT16",
                dtype.as_str(),
            )),
        }
    }
}

/// The KV header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KvHeader {
    /// Layers.
    pub num_layers: u32,
    /// Key/value heads, not attention heads: fewer in grouped-query models (AVP-KV-018).
    pub num_kv_heads: u32,
    /// Elements of one head's vector.
    pub head_dim: u32,
    /// Tokens.
    pub seq_len: u32,
    /// Element type.
    pub dtype: KvDtype,
}

impl KvHeader {
    /// Reads the header at the start of a KV payload. Sizes are not judged here.
    ///
    /// # Errors
    /// `decode` for fewer than 17 bytes (AVP-KV-007) or an unknown dtype byte (AVP-KV-006). Offsets count from the start
    /// of the KV payload.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let Some(head) = payload.first_chunk::<KV_HEADER_LEN>() else {
            let found = format!("{} bytes", payload.len());
            return Err(Error::new(ErrorClass::Decode, "kv.header", "17 bytes", found).at(payload.len()));
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let dtype = match head[16] {
            0 => KvDtype::F32,
            1 => KvDtype::F16,
            2 => KvDtype::BF16,
            code => {
                let expected = "0 (float32), 1 (float16) or 2 (bfloat16)";
                return Err(Error::new(ErrorClass::Decode, "kv.dtype", expected, code.to_string()).at(16));
            }
        };
        Ok(Self { num_layers: word(0), num_kv_heads: word(4), head_dim: word(8), seq_len: word(12), dtype })
    }

    /// The 17 bytes.
    pub fn write(&self) -> [u8; KV_HEADER_LEN] {
        let mut out = [0; KV_HEADER_LEN];
        out[..4].copy_from_slice(&self.num_layers.to_le_bytes());
        out[4..8].copy_from_slice(&self.num_kv_heads.to_le_bytes());
        out[8..12].copy_from_slice(&self.head_dim.to_le_bytes());
        out[12..16].copy_from_slice(&self.seq_len.to_le_bytes());
        out[16] = self.dtype.code();
        out
    }

    /// Shape of each tensor: [num_kv_heads, seq_len, head_dim].
    pub fn tensor_shape(&self) -> [u64; 3] {
        [self.num_kv_heads.into(), self.seq_len.into(), self.head_dim.into()]
    }

    /// Bytes of one layer's keys (or values), `None` when they are 2^64 or more.
    pub fn tensor_bytes(&self) -> Option<u64> {
        crate::tensor::byte_len(self.dtype.into(), &self.tensor_shape())
    }

    /// Bytes of all tensors, header excluded (AVP-KV-016), `None` when they are 2^64 or more.
    pub fn data_bytes(&self) -> Option<u64> {
        self.tensor_bytes()?.checked_mul(2 * u64::from(self.num_layers))
    }
}

/// How large a cache is on the wire, header excluded (AVP-KV-016): 2 × layers × heads × tokens × head_dim × element
/// size. Numbers beyond 32 bits are welcome: this is for planning.
///
/// # Errors
/// `limit_exceeded` when the result is 2^64 or more.
pub fn payload_bytes(
    num_layers: u64,
    num_kv_heads: u64,
    head_dim: u64,
    seq_len: u64,
    dtype: KvDtype,
) -> Result<u64> {
    let shape = [2, num_layers, num_kv_heads, seq_len, head_dim];
    crate::tensor::byte_len(dtype.into(), &shape).ok_or_else(|| {
        let found = format!("2 × {num_layers} × {num_kv_heads} × {seq_len} × {head_dim} elements");
        Error::new(ErrorClass::LimitExceeded, "kv", "a size below 2^64 bytes", found)
    })
}
