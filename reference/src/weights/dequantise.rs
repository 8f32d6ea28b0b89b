//! BLOCKS → FLOATS: stored numbers as 32-bit floats.
//!
//! Scales are float16. A number of `Q4_0`, `Q5_0`, `Q8_0` and `Q6_K` is scale × (stored − middle), one of the others
//! scale × stored + minimum. Products of a scale with what is stored fit the 24 bits of a float, so results are exact or
//! rounded once, whatever the order: equal to the bit to other readers of these formats.

use half::{f16, slice::HalfBitsSliceExt, slice::HalfFloatSliceExt};

use super::element::ElementType;

/// Decodes whole blocks: `bytes` and `out` hold the same number of them. What is over on either side stays untouched.
pub(super) fn decode(element: ElementType, bytes: &[u8], out: &mut [f32]) {
    match element {
        ElementType::F32 => {
            for (to, from) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *to = f32::from_le_bytes(*from);
            }
        }
        ElementType::F16 => halves(bytes, out),
        ElementType::BF16 => {
            for (to, from) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *to = f32::from_bits(u32::from(u16::from_le_bytes(*from)) << 16);
            }
        }
        ElementType::Q4_0 => blocks(bytes, out, q4_0),
        ElementType::Q4_1 => blocks(bytes, out, q4_1),
        ElementType::Q5_0 => blocks(bytes, out, q5_0),
        ElementType::Q5_1 => blocks(bytes, out, q5_1),
        ElementType::Q8_0 => blocks(bytes, out, q8_0),
        ElementType::Q4K => blocks(bytes, out, q4_k),
        ElementType::Q5K => blocks(bytes, out, q5_k),
        ElementType::Q6K => blocks(bytes, out, q6_k),
        ElementType::Other(_) => {}
    }
}

fn blocks<const BYTES: usize, const LEN: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    for (block, out) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<LEN>().0) {
        decode(block, out);
    }
}

/// float16 in runs that the `half` crate converts with the processor's own instructions.
fn halves(bytes: &[u8], out: &mut [f32]) {
    const RUN: usize = 256;
    let mut bits = [0u16; RUN];
    for (from, to) in bytes.as_chunks::<2>().0.chunks(RUN).zip(out.chunks_mut(RUN)) {
        let len = from.len().min(to.len());
        for (bits, from) in bits.iter_mut().zip(from) {
            *bits = u16::from_le_bytes(*from);
        }
        bits[..len].reinterpret_cast::<f16>().convert_to_f32_slice(&mut to[..len]);
    }
}

/// The float16 at a byte.
fn scale(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Scale, 16 bytes: element i in the low half of byte i, element 16 + i in its high half; the middle is 8.
fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    let (low, high) = out.split_at_mut(16);
    for ((byte, low), high) in block[2..].iter().zip(low).zip(high) {
        *low = f32::from((byte & 15) as i8 - 8) * d;
        *high = f32::from((byte >> 4) as i8 - 8) * d;
    }
}

/// Scale, minimum, 16 bytes as in `Q4_0`.
fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let (low, high) = out.split_at_mut(16);
    for ((byte, low), high) in block[4..].iter().zip(low).zip(high) {
        *low = f32::from(byte & 15) * d + m;
        *high = f32::from(byte >> 4) * d + m;
    }
}

/// Four bytes with the fifth bit of element i in bit i, then 16 bytes as in `Q4_0`.
fn five_bits(bytes: &[u8]) -> [u8; 32] {
    let fifth = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut out = [0; 32];
    for i in 0..16 {
        let byte = bytes[4 + i];
        out[i] = byte & 15 | ((fifth >> i & 1) as u8) << 4;
        out[16 + i] = byte >> 4 | ((fifth >> (16 + i) & 1) as u8) << 4;
    }
    out
}

/// Scale, 5-bit numbers; the middle is 16.
fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (out, q) in out.iter_mut().zip(five_bits(&block[2..])) {
        *out = f32::from(q as i8 - 16) * d;
    }
}

/// Scale, minimum, 5-bit numbers.
fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    for (out, q) in out.iter_mut().zip(five_bits(&block[4..])) {
        *out = f32::from(q) * d + m;
    }
}

/// Scale, 32 signed bytes.
fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (out, byte) in out.iter_mut().zip(&block[2..]) {
        *out = f32::from(*byte as i8) * d;
    }
}

/// Scale and minimum of group 0 to 7 out of twelve bytes: six bits each, those of the last four groups in two pieces.
fn group(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let (low, scale, minimum) = (packed[group + 4], packed[group - 4], packed[group]);
        (low & 15 | scale >> 6 << 4, low >> 4 | minimum >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

/// Scale of scales, scale of minima, twelve bytes of both, 128 bytes: groups 2i and 2i + 1 in the low and high halves of
/// bytes 32i to 32i + 31. Minima are subtracted.
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let (packed, bytes) = (&block[4..16], &block[16..]);
    for (pair, (out, bytes)) in
        out.as_chunks_mut::<64>().0.iter_mut().zip(bytes.as_chunks::<32>().0).enumerate()
    {
        let (low, high) = out.split_at_mut(32);
        let (s, minimum) = group(packed, 2 * pair);
        for (out, byte) in low.iter_mut().zip(bytes) {
            *out = f32::from(byte & 15) * (d * s) - m * minimum;
        }
        let (s, minimum) = group(packed, 2 * pair + 1);
        for (out, byte) in high.iter_mut().zip(bytes) {
            *out = f32::from(byte >> 4) * (d * s) - m * minimum;
        }
    }
}

/// As `Q4_K`, with 32 bytes in between: bit i of byte j is the fifth bit of element j of group i.
fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let (packed, fifth, bytes) = (&block[4..16], &block[16..48], &block[48..]);
    for (pair, (out, bytes)) in
        out.as_chunks_mut::<64>().0.iter_mut().zip(bytes.as_chunks::<32>().0).enumerate()
    {
        let (low, high) = out.split_at_mut(32);
        let (s, minimum) = group(packed, 2 * pair);
        for ((out, byte), fifth) in low.iter_mut().zip(bytes).zip(fifth) {
            *out = f32::from(byte & 15 | (fifth >> (2 * pair) & 1) << 4) * (d * s) - m * minimum;
        }
        let (s, minimum) = group(packed, 2 * pair + 1);
        for ((out, byte), fifth) in high.iter_mut().zip(bytes).zip(fifth) {
            *out = f32::from(byte >> 4 | (fifth >> (2 * pair + 1) & 1) << 4) * (d * s) - m * minimum;
        }
    }
}

/// 128 bytes of low halves, 64 bytes of upper two bits, sixteen signed scales, their scale. Each half of the block is four
/// runs of 32 elements: the low halves of its first and second 32 bytes, then their high halves; bits 2i and 2i + 1 of
/// the upper bytes belong to run i. The middle is 32.
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = scale(block, 208);
    for (half, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let low = &block[64 * half..64 * half + 64];
        let upper = &block[128 + 32 * half..128 + 32 * half + 32];
        let scales = &block[192 + 8 * half..192 + 8 * half + 8];
        for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let low = &low[run % 2 * 32..run % 2 * 32 + 32];
            let scale = |i: usize| d * f32::from(scales[2 * run + i / 16] as i8);
            let scales = [scale(0), scale(16)];
            for (i, ((out, low), upper)) in out.iter_mut().zip(low).zip(upper).enumerate() {
                let low = if run < 2 { low & 15 } else { low >> 4 };
                let q = low | (upper >> (2 * run) & 3) << 4;
                *out = scales[i / 16] * f32::from(q as i8 - 32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.25, 0.5, 1, 2, −1 as float16.
    const QUARTER: [u8; 2] = [0x00, 0x34];
    const HALF: [u8; 2] = [0x00, 0x38];
    const ONE: [u8; 2] = [0x00, 0x3c];
    const TWO: [u8; 2] = [0x00, 0x40];
    const MINUS_ONE: [u8; 2] = [0x00, 0xbc];

    fn block(element: ElementType, pieces: &[(usize, &[u8])]) -> Vec<f32> {
        let size = element.block().unwrap();
        let mut bytes = vec![0; size.bytes];
        for (at, piece) in pieces {
            bytes[*at..at + piece.len()].copy_from_slice(piece);
        }
        let mut out = vec![f32::NAN; size.len];
        decode(element, &bytes, &mut out);
        out
    }

    #[test]
    fn four_bits() {
        let out = block(ElementType::Q4_0, &[(0, &HALF), (2, &[0x1f]), (3, &[0x88; 15])]);
        assert_eq!((out[0], out[16]), (3.5, -3.5));
        assert!(out[1..16].iter().chain(&out[17..]).all(|&value| value == 0.0));
        let out = block(ElementType::Q4_1, &[(0, &HALF), (2, &MINUS_ONE), (4, &[0x2f])]);
        assert_eq!((out[0], out[16], out[1], out[31]), (6.5, 0.0, -1.0, -1.0));
    }

    #[test]
    fn five_bits_with_the_fifth_apart() {
        let numbers = [0b1, 0, 0b1, 0, 0x31, 0x31];
        let out = block(ElementType::Q5_0, &[(0, &TWO), (2, &numbers)]);
        assert_eq!((out[0], out[16], out[1], out[17], out[31]), (2.0, 6.0, -30.0, -26.0, -32.0));
        let out = block(ElementType::Q5_1, &[(0, &TWO), (2, &QUARTER), (4, &numbers)]);
        assert_eq!((out[0], out[16], out[1], out[17], out[31]), (34.25, 38.25, 2.25, 6.25, 0.25));
        // The last element of either half.
        let out = block(ElementType::Q5_0, &[(0, &ONE), (2, &[0, 0x80, 0, 0x80])]);
        assert_eq!((out[14], out[15], out[30], out[31]), (-16.0, 0.0, -16.0, 0.0));
    }

    #[test]
    fn eight_bits() {
        let out = block(ElementType::Q8_0, &[(0, &QUARTER), (2, &[127, 0x80, 0xff])]);
        assert_eq!(out[..4], [31.75, -32.0, -0.25, 0.0]);
    }

    /// Groups 0, 1 and 5: scales 3, 1 and 55, minima 2, 4 and 26. Group 5 has its lower four bits in byte 9, and its upper
    /// two on top of group 1.
    const GROUPS: [(usize, &[u8]); 5] =
        [(4, &[3]), (5, &[0b1100_0001]), (8, &[2]), (9, &[0b0100_0100]), (13, &[0xa7])];

    #[test]
    fn groups_of_four_bits() {
        let own: [(usize, &[u8]); 4] = [(0, &ONE), (2, &HALF), (16, &[0x0f]), (16 + 64, &[0xb0])];
        let out = block(ElementType::Q4K, &[&GROUPS[..], &own].concat());
        assert_eq!((out[0], out[1], out[32]), (44.0, -1.0, -2.0));
        assert_eq!((out[160], out[161], out[128]), (592.0, -13.0, 0.0));
    }

    #[test]
    fn groups_of_five_bits() {
        let own: [(usize, &[u8]); 5] =
            [(0, &ONE), (2, &HALF), (16, &[0b10_0011]), (48, &[0x0f]), (48 + 64, &[0xb0])];
        let out = block(ElementType::Q5K, &[&GROUPS[..], &own].concat());
        assert_eq!((out[0], out[1], out[32], out[33]), (92.0, -1.0, 14.0, -2.0));
        assert_eq!((out[160], out[161]), (1472.0, -13.0));
    }

    #[test]
    fn groups_of_six_bits() {
        let scales = [2, 0xff, 0x80, 0, 3, 0, 127, 0, 1];
        let out = block(
            ElementType::Q6K,
            &[
                (0, &[0xe1]),
                (32, &[0x5a]),
                (64, &[7]),
                (128, &[0b1101_0010]),
                (160, &[3]),
                (192, &scales),
                (208, &HALF),
            ],
        );
        assert_eq!((out[0], out[16], out[32]), (1.0, 16.0, 1408.0));
        assert_eq!((out[64], out[96], out[128]), (-3.0, 1333.5, 11.5));
    }

    #[test]
    fn plain_floats_in_runs_of_any_length() {
        for len in [0, 1, 255, 256, 257, 600] {
            let values: Vec<f32> = (0..len).map(|i| (i as f32 - 100.0) / 8.0).collect();
            let mut out = vec![f32::NAN; len];
            let halves: Vec<u8> = values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
            decode(ElementType::F16, &halves, &mut out);
            assert_eq!(out, values);
            out.fill(f32::NAN);
            let brains: Vec<u8> =
                values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect();
            decode(ElementType::BF16, &brains, &mut out);
            let rounded = values.iter().map(|&v| half::bf16::from_f32(v).to_f32());
            assert!(out.iter().copied().eq(rounded));
        }
    }
}
