//! BLOCKS → CODES: what a quantised block of a GGUF file holds, as small whole numbers with their scales and minima.
//!
//! A number is scale × (code − middle) + minimum. Groups of 16 or 32 share scale and minimum. Types with a middle have no
//! minima and the other way round.

use half::f16;

use super::element::ElementType;

/// Numbers in the longest block there is.
const LONGEST: usize = 256;

/// How a quantised type codes its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Numbers that share a scale, 16 or 32.
    pub(crate) group: usize,
    /// The code of zero.
    pub(crate) middle: u8,
    /// Whether groups have minima.
    pub(crate) minima: bool,
    /// Whether every code fits four bits.
    pub(crate) four_bits: bool,
    /// Whether scales and minima are stored as float16, so that nothing is lost when they are kept as that.
    pub(crate) half: bool,
}

impl ElementType {
    /// Its coding; `None` for plain floats and for what cannot be decoded.
    pub(crate) fn coding(self) -> Option<Coding> {
        let (group, middle, minima, four_bits, half) = match self {
            Self::Q4_0 => (32, 8, false, true, true),
            Self::Q4_1 => (32, 0, true, true, true),
            Self::Q5_0 => (32, 16, false, false, true),
            Self::Q5_1 => (32, 0, true, false, true),
            Self::Q8_0 => (32, 128, false, false, true),
            Self::Q4K => (32, 0, true, true, false),
            Self::Q5K => (32, 0, true, false, false),
            Self::Q6K => (16, 32, false, false, false),
            Self::F32 | Self::F16 | Self::BF16 | Self::Other(_) => return None,
        };
        Some(Coding { group, middle, minima, four_bits, half })
    }
}

/// A block, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    /// One a number.
    pub(crate) codes: [u8; LONGEST],
    /// One a group.
    pub(crate) scales: [f32; 16],
    /// One a group; −0 in types that have none: adding it changes nothing, not even the sign of a zero.
    pub(crate) minima: [f32; 16],
}

impl Default for Codes {
    fn default() -> Self {
        Self { codes: [0; LONGEST], scales: [0.0; 16], minima: [-0.0; 16] }
    }
}

impl Codes {
    /// Takes a block of that type apart; of plain floats nothing is read. What is beyond its length stays as it was.
    ///
    /// # Panics
    /// When `block` is shorter than a block of the type.
    pub(crate) fn read(&mut self, element: ElementType, block: &[u8]) {
        match element {
            ElementType::Q4_0 => {
                self.scales[0] = float16(block, 0);
                self.four_bits(&block[2..18]);
            }
            ElementType::Q4_1 => {
                (self.scales[0], self.minima[0]) = (float16(block, 0), float16(block, 2));
                self.four_bits(&block[4..20]);
            }
            ElementType::Q5_0 => {
                self.scales[0] = float16(block, 0);
                self.five_bits(&block[2..22]);
            }
            ElementType::Q5_1 => {
                (self.scales[0], self.minima[0]) = (float16(block, 0), float16(block, 2));
                self.five_bits(&block[4..24]);
            }
            ElementType::Q8_0 => {
                self.scales[0] = float16(block, 0);
                // Signed there, counted from −128 here.
                for (code, byte) in self.codes.iter_mut().zip(&block[2..34]) {
                    *code = byte ^ 0x80;
                }
            }
            ElementType::Q4K => self.four_bits_k(block),
            ElementType::Q5K => self.five_bits_k(block),
            ElementType::Q6K => self.six_bits_k(block),
            ElementType::F32 | ElementType::F16 | ElementType::BF16 | ElementType::Other(_) => (),
        }
    }

    /// Element i in the low half of byte i, element 16 + i in its high half.
    fn four_bits(&mut self, bytes: &[u8]) {
        for (i, byte) in bytes.iter().enumerate() {
            self.codes[i] = byte & 15;
            self.codes[16 + i] = byte >> 4;
        }
    }

    /// Four bytes with the fifth bit of element i in bit i, then 16 bytes as in `Q4_0`.
    fn five_bits(&mut self, bytes: &[u8]) {
        let fifth = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        self.four_bits(&bytes[4..]);
        for (i, code) in self.codes[..32].iter_mut().enumerate() {
            *code |= ((fifth >> i & 1) as u8) << 4;
        }
    }

    /// Scale of scales, scale of minima, twelve bytes of both, 128 bytes: groups 2i and 2i + 1 in the low and high halves of
    /// bytes 32i to 32i + 31. Minima are subtracted.
    fn four_bits_k(&mut self, block: &[u8]) {
        self.groups(block);
        self.pairs(&block[16..144]);
    }

    fn pairs(&mut self, bytes: &[u8]) {
        for (codes, bytes) in self.codes.as_chunks_mut::<64>().0.iter_mut().zip(bytes.as_chunks::<32>().0) {
            for (i, byte) in bytes.iter().enumerate() {
                codes[i] = byte & 15;
                codes[32 + i] = byte >> 4;
            }
        }
    }

    /// As `Q4_K`, with 32 bytes in between: bit i of byte j is the fifth bit of element j of group i.
    fn five_bits_k(&mut self, block: &[u8]) {
        self.groups(block);
        self.pairs(&block[48..176]);
        for (group, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (code, fifth) in codes.iter_mut().zip(&block[16..48]) {
                *code |= (fifth >> group & 1) << 4;
            }
        }
    }

    /// Scales and minima of eight groups: six bits each, those of the last four groups in two pieces.
    fn groups(&mut self, block: &[u8]) {
        let (d, m, packed) = (float16(block, 0), float16(block, 2), &block[4..16]);
        for group in 0..8 {
            let (scale, minimum) = if group < 4 {
                (packed[group] & 63, packed[group + 4] & 63)
            } else {
                let (low, scale, minimum) = (packed[group + 4], packed[group - 4], packed[group]);
                (low & 15 | scale >> 6 << 4, low >> 4 | minimum >> 6 << 4)
            };
            self.scales[group] = d * f32::from(scale);
            self.minima[group] = -(m * f32::from(minimum));
        }
    }

    /// 128 bytes of low halves, 64 bytes of upper two bits, sixteen signed scales, their scale. Each half of the block is
    /// four runs of 32 elements: the low halves of its first and second 32 bytes, then their high halves; bits 2i and
    /// 2i + 1 of the upper bytes belong to run i.
    fn six_bits_k(&mut self, block: &[u8]) {
        let d = float16(block, 208);
        for (scale, stored) in self.scales.iter_mut().zip(&block[192..208]) {
            *scale = d * f32::from(*stored as i8);
        }
        for (half, codes) in self.codes.as_chunks_mut::<128>().0.iter_mut().enumerate() {
            let low = &block[64 * half..64 * half + 64];
            let upper = &block[128 + 32 * half..128 + 32 * half + 32];
            for (run, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                let low = &low[run % 2 * 32..run % 2 * 32 + 32];
                for ((code, low), upper) in codes.iter_mut().zip(low).zip(upper) {
                    let low = if run < 2 { low & 15 } else { low >> 4 };
                    *code = low | (upper >> (2 * run) & 3) << 4;
                }
            }
        }
    }
}

/// The float16 at a byte.
fn float16(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}
