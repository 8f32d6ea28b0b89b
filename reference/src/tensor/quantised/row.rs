//! A vector in 8 bits.

use super::panel::BLOCK;
use crate::tensor::matrix::vectorised;

/// A vector, rounded to 8 bits in blocks of 32.
pub(super) struct QuantisedRow {
    /// From −127 to 127.
    pub(super) codes: Vec<[i8; BLOCK]>,
    /// What a code of 1 stands for, a block. NaN for a block with a number that is not finite, so that it goes through.
    pub(super) scales: Vec<f32>,
    /// Sums of the codes of either half of a block.
    pub(super) sums: Vec<[i32; 2]>,
}

impl QuantisedRow {
    /// `x` is a whole number of blocks.
    pub(super) fn new(x: &[f32]) -> Self {
        let blocks = x.len() / BLOCK;
        let mut codes = vec![[0; BLOCK]; blocks];
        let (mut scales, mut sums) = (vec![0.0; blocks], vec![[0; 2]; blocks]);
        vectorised(
            #[inline(always)]
            || {
                let lanes = scales.iter_mut().zip(&mut sums);
                for ((x, codes), (scale, sums)) in x.as_chunks::<BLOCK>().0.iter().zip(&mut codes).zip(lanes)
                {
                    *scale = round(x, codes);
                    for (sum, codes) in sums.iter_mut().zip(codes.as_chunks::<{ BLOCK / 2 }>().0) {
                        *sum = codes.iter().map(|&code| i32::from(code)).sum();
                    }
                }
            },
        );
        Self { codes, scales, sums }
    }
}

/// Rounds to the nearest of 255 steps, the largest at an end; gives back the step.
#[inline(always)]
fn round(x: &[f32; BLOCK], codes: &mut [i8; BLOCK]) -> f32 {
    // Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let mut largest = 0.0_f32;
    // A NaN is lost in a maximum; in a product with zero nothing that is not finite is.
    let mut odd = 0.0_f32;
    for value in x {
        largest = if value.abs() > largest { value.abs() } else { largest };
        odd += value * 0.0;
    }
    let scale = largest / 127.0;
    // Of numbers below the smallest step a float has, none is left.
    let inverse = if scale > f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 };
    for (code, value) in codes.iter_mut().zip(x) {
        *code = (value * inverse + ROUND).to_bits() as i8;
    }
    scale + odd
}
