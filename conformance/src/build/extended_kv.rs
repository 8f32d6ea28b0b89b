//! Payloads of caches that are not sent whole: quantised, from a token on, in chunks, with tokens left out. They are
//! proposals; here they are written as proposed, so that a reader who does not know them can be shown one.
//!
//! Each starts with the ordinary header of 17 bytes, which tells the shape of the whole cache.

use super::{KvPayload, f16_bits};

/// What behind the KV header says that codes follow.
const MAGIC: &[u8; 4] = b"KVQ1";

/// Elements that share a scale in four bits.
const GROUP: usize = 32;

/// How many bits a code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeBits {
    /// One byte a code, a float32 scale for each token of each head.
    Eight,
    /// Two codes a byte, a float16 scale for each group of 32: keys along tokens, values along the head.
    Four,
}

impl CodeBits {
    /// The type in the KV header and in the metadata: INT8, or the number that is kept for INT4.
    pub fn dtype(self) -> u8 {
        match self {
            Self::Eight => 3,
            Self::Four => 5,
        }
    }
}

/// A cache in numbers: K0, V0, K1, V1, …, each [heads, tokens, width].
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// Layers.
    pub layers: usize,
    /// Heads of a layer.
    pub heads: usize,
    /// Tokens.
    pub tokens: usize,
    /// Elements of a head.
    pub width: usize,
    /// All elements.
    pub values: Vec<f32>,
}

impl Cache {
    /// The ordinary header, of the whole cache, and these bytes.
    fn with(&self, dtype: u8, data: Vec<u8>) -> Vec<u8> {
        let [num_layers, num_kv_heads, head_dim, seq_len] =
            [self.layers, self.heads, self.width, self.tokens].map(|count| count as u32);
        KvPayload { num_layers, num_kv_heads, head_dim, seq_len, dtype, data }.to_bytes()
    }

    /// The tensors in turn, K before V.
    fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(self.heads * self.tokens * self.width)
    }

    /// Quantised: the header, a block that says how, then scales and codes of every tensor.
    pub fn quantised(&self, bits: CodeBits) -> Vec<u8> {
        let (count, keys, scale, group) = match bits {
            CodeBits::Eight => (8, 0, 0, 0u32),
            CodeBits::Four => (4, 1, 1, GROUP as u32),
        };
        // Bits, axis of keys, axis of values, type of scales, type before (float32), codec, and two bytes for later.
        let mut data = [&MAGIC[..], &[count, keys, 0, scale, 0, 0, 0, 0], &group.to_le_bytes()].concat();
        for (index, tensor) in self.tensors().enumerate() {
            match bits {
                CodeBits::Eight => self.eight(tensor, &mut data),
                CodeBits::Four => self.four(tensor, index % 2 == 0, &mut data),
            }
        }
        self.with(bits.dtype(), data)
    }

    fn eight(&self, tensor: &[f32], out: &mut Vec<u8>) {
        let rows = tensor.chunks(self.width);
        let scales: Vec<f32> = rows.clone().map(|row| most(row.iter()) / 127.0).collect();
        out.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
        for (row, scale) in rows.zip(&scales) {
            out.extend(row.iter().map(|value| code(*value, *scale, 127) as u8));
        }
    }

    fn four(&self, tensor: &[f32], keys: bool, out: &mut Vec<u8>) {
        // Where an element's scale stands: a channel's tokens share one, or a token's channels.
        let (lines, along) = if keys { (self.width, self.tokens) } else { (self.tokens, self.width) };
        let groups = along.div_ceil(GROUP);
        let place = |at: usize| {
            let (head, token, channel) =
                (at / (self.tokens * self.width), at / self.width % self.tokens, at % self.width);
            let (line, position) = if keys { (channel, token) } else { (token, channel) };
            (head * lines + line) * groups + position / GROUP
        };
        let mut scales = vec![0f32; self.heads * lines * groups];
        for (at, value) in tensor.iter().enumerate() {
            let scale = &mut scales[place(at)];
            *scale = scale.max(value.abs() / 7.0);
        }
        let scales: Vec<(u16, f32)> = scales.into_iter().map(rounded_up).collect();
        out.extend(scales.iter().flat_map(|(bits, _)| bits.to_le_bytes()));
        let codes: Vec<u8> = tensor
            .iter()
            .enumerate()
            .map(|(at, value)| code(*value, scales[place(at)].1, 7) as u8 & 15)
            .collect();
        out.extend(codes.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 4));
    }

    /// In float32, some layers and some tokens of each: a delta from `tokens.start` on, or a chunk.
    pub fn slice(&self, layers: std::ops::Range<usize>, tokens: std::ops::Range<usize>) -> Vec<u8> {
        let kept: Vec<usize> = tokens.collect();
        self.kept(layers, &kept)
    }

    /// In float32, with these tokens and no others.
    pub fn sparse(&self, tokens: &[usize]) -> Vec<u8> {
        self.kept(0..self.layers, tokens)
    }

    fn kept(&self, layers: std::ops::Range<usize>, tokens: &[usize]) -> Vec<u8> {
        let tensors = self.tensors().skip(2 * layers.start).take(2 * layers.len());
        let heads = tensors.flat_map(|tensor| tensor.chunks(self.tokens * self.width));
        let rows = heads
            .flat_map(|head| tokens.iter().map(|token| &head[token * self.width..(token + 1) * self.width]));
        self.with(0, rows.flatten().flat_map(|value| value.to_le_bytes()).collect())
    }
}

fn most<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    values.fold(0.0, |most, value| most.max(value.abs()))
}

/// Ties to even; a group of zeros has no scale.
fn code(value: f32, scale: f32, most: i8) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    let most = f32::from(most);
    (value / scale).round_ties_even().clamp(-most, most) as i8
}

/// The least float16 that is no less, and its value.
fn rounded_up(scale: f32) -> (u16, f32) {
    let value = |bits: u16| {
        let (exponent, fraction) = (i32::from(bits >> 10), f32::from(bits & 0x3ff));
        match exponent {
            0 => fraction * 2f32.powi(-24),
            _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
        }
    };
    let nearest = f16_bits(scale);
    let bits = if value(nearest) < scale { nearest + 1 } else { nearest };
    (bits, value(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::SplitMix64;

    fn cache(layers: usize, heads: usize, tokens: usize, width: usize) -> Cache {
        let mut random = SplitMix64::new(9);
        let count = 2 * layers * heads * tokens * width;
        let values = (0..count).map(|_| (random.below(4001) as f32 - 2000.0) / 1000.0).collect();
        Cache { layers, heads, tokens, width, values }
    }

    #[test]
    fn eight_bits_are_within_half_a_step_and_halve_two_byte_floats() {
        let cache = cache(1, 2, 3, 8);
        let bytes = cache.quantised(CodeBits::Eight);
        assert_eq!((bytes[16], &bytes[17..21], bytes[21]), (3, &MAGIC[..], 8));
        let (scales, codes) = bytes[33..].split_at(4 * 6);
        for (row, values) in cache.values.chunks(8).take(6).enumerate() {
            let scale = f32::from_le_bytes([0, 1, 2, 3].map(|byte| scales[4 * row + byte]));
            for (value, code) in values.iter().zip(&codes[8 * row..]) {
                assert!((value - f32::from(*code as i8) * scale).abs() <= scale * 0.5001);
            }
        }
        let long = Cache { layers: 2, heads: 1, tokens: 256, width: 128, values: vec![1.0; 4 * 256 * 128] };
        let whole = 2.0 * long.values.len() as f64;
        assert!(whole / long.quantised(CodeBits::Eight).len() as f64 > 1.9);
        assert!(whole / long.quantised(CodeBits::Four).len() as f64 > 3.4);
    }

    #[test]
    fn four_bits_are_within_half_a_step() {
        let cache = cache(1, 1, 5, 3);
        let bytes = cache.quantised(CodeBits::Four);
        assert_eq!((bytes[16], bytes[21], &bytes[22..24]), (5, 4, &[1, 0][..]));
        // Keys: a scale for each of three channels, fifteen codes in eight bytes.
        let (scales, codes) = bytes[33..].split_at(2 * 3);
        let nibble = |at: usize| ((codes[at / 2] >> (4 * (at % 2))) << 4) as i8 >> 4;
        for (at, value) in cache.values[..15].iter().enumerate() {
            let bits = u16::from_le_bytes([scales[2 * (at % 3)], scales[2 * (at % 3) + 1]]);
            let scale = half::f16::from_bits(bits).to_f32();
            assert!((value - f32::from(nibble(at)) * scale).abs() <= scale * 0.5001, "{at}");
        }
        assert_eq!(bytes.len(), 33 + (6 + 8) + (2 * 5 + 8));
    }

    #[test]
    fn scales_of_any_size_are_rounded_up() {
        for scale in [0.0, 1e-8, 6e-8, 0.1, 0.3, 1.0, 1.0004, 1000.3] {
            let (bits, value) = rounded_up(scale);
            assert_eq!(half::f16::from_bits(bits).to_f32(), value);
            assert!(value >= scale && value <= scale * 1.001 + 6e-8, "{scale} {value}");
        }
    }

    #[test]
    fn slices_are_of_the_tokens_that_are_told() {
        let cache =
            Cache { layers: 2, heads: 1, tokens: 3, width: 1, values: (0..12u8).map(f32::from).collect() };
        let numbers = |bytes: Vec<u8>| -> Vec<f32> {
            bytes[17..]
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect()
        };
        assert_eq!(numbers(cache.slice(0..2, 2..3)), [2.0, 5.0, 8.0, 11.0]);
        assert_eq!(numbers(cache.slice(1..2, 0..2)), [6.0, 7.0, 9.0, 10.0]);
        assert_eq!(numbers(cache.sparse(&[0, 2])), [0.0, 2.0, 3.0, 5.0, 6.0, 8.0, 9.0, 11.0]);
        assert_eq!(cache.slice(0..1, 0..1)[..17], cache.sparse(&[1])[..17]);
    }
}
