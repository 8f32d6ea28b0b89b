//! BLOCKS → FLOATS: stored numbers as 32-bit floats.
//!
//! Products of a scale with a code fit the 24 bits of a float, so results are exact or rounded once, whatever the order:
//! equal to the bit to other readers of these formats.

use half::{f16, slice::HalfBitsSliceExt, slice::HalfFloatSliceExt};

use super::codes::Codes;
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
        _ => blocks(element, bytes, out),
    }
}

fn blocks(element: ElementType, bytes: &[u8], out: &mut [f32]) {
    let (Some(block), Some(coding)) = (element.block(), element.coding()) else { return };
    let mut codes = Codes::default();
    for (bytes, out) in bytes.chunks_exact(block.bytes).zip(out.chunks_exact_mut(block.len)) {
        codes.read(element, bytes);
        let groups = out.chunks_exact_mut(coding.group).zip(codes.codes.chunks_exact(coding.group));
        for ((out, codes), (scale, minimum)) in groups.zip(codes.scales.iter().zip(&codes.minima)) {
            for (out, code) in out.iter_mut().zip(codes) {
                let centred = i16::from(*code) - i16::from(coding.middle);
                *out = f32::from(centred) * scale + minimum;
            }
        }
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
