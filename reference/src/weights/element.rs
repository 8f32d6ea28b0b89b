//! How a tensor's numbers are stored.

use std::fmt;

/// Element type of a stored tensor. The types of GGUF named `Q…` store blocks of 32 or 256 numbers with shared scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// IEEE-754 binary32.
    F32,
    /// IEEE-754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// 32 × 4 bits, one scale.
    Q4_0,
    /// 32 × 4 bits, scale and minimum.
    Q4_1,
    /// 32 × 5 bits, one scale.
    Q5_0,
    /// 32 × 5 bits, scale and minimum.
    Q5_1,
    /// 32 × 8 bits, one scale.
    Q8_0,
    /// 256 × 4 bits in eight groups with 6-bit scales and minima.
    Q4K,
    /// 256 × 5 bits in eight groups with 6-bit scales and minima.
    Q5K,
    /// 256 × 6 bits in sixteen groups with 8-bit scales.
    Q6K,
    /// A type of safetensors that no weight of a model has here: integers, 8-bit floats. Its bytes can be had, its
    /// values not.
    Other(&'static str),
}

/// Size of the smallest piece that can be decoded by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Numbers in it.
    pub len: usize,
    /// Bytes that it takes.
    pub bytes: usize,
}

impl ElementType {
    /// Name as in the files' own documents, e.g. `Q4_K`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Other(name) => name,
        }
    }

    /// Its block; `None` for what cannot be decoded.
    pub fn block(self) -> Option<Block> {
        let (len, bytes) = match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
            Self::Other(_) => return None,
        };
        Some(Block { len, bytes })
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
