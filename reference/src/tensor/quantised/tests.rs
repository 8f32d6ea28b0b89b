//! Every kernel against sums in double precision, for every type of block.

use half::f16;
use proptest::prelude::*;

use super::kernel::Kernel;
use super::row::QuantisedRow;
use super::{BLOCK, QuantisedMatrix};
use crate::weights::{ElementType, Weights};

/// With where their scales stand: float16, which random bytes would make infinite.
const TYPES: [(ElementType, &[usize]); 8] = [
    (ElementType::Q4_0, &[0]),
    (ElementType::Q4_1, &[0, 2]),
    (ElementType::Q5_0, &[0]),
    (ElementType::Q5_1, &[0, 2]),
    (ElementType::Q8_0, &[0]),
    (ElementType::Q4K, &[0, 2]),
    (ElementType::Q5K, &[0, 2]),
    (ElementType::Q6K, &[208]),
];

/// A matrix of random blocks, and the same in f32.
fn matrix(kind: usize, rows: usize, blocks: usize, seed: u64) -> (QuantisedMatrix, Vec<f32>, usize) {
    let (element, scales) = TYPES[kind];
    let block = element.block().unwrap();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let mut bytes: Vec<u8> = (0..rows * blocks * block.bytes).map(|_| next() as u8).collect();
    for block in bytes.chunks_exact_mut(block.bytes) {
        for &at in scales {
            let scale = f16::from_f32((next() % 4001) as f32 / 2000.0 - 1.0);
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    let cols = blocks * block.len;
    let weights = Weights::of_one("w", [rows, cols], element, bytes);
    let mut wide = vec![0.0; rows * cols];
    weights.read_f32("w", &mut wide).unwrap();
    (QuantisedMatrix::read(&weights, "w", [rows, cols], element.coding().unwrap()).unwrap(), wide, cols)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #[test]
    fn nothing_is_lost_when_blocks_are_laid_out_anew(kind in 0..8_usize, rows in 1..40_usize, blocks in 1..4_usize, seed: u64) {
        let (matrix, wide, cols) = matrix(kind, rows, blocks, seed);
        let mut found = vec![f32::NAN; wide.len()];
        matrix.widen(0, &mut found);
        prop_assert_eq!(bits(&found), bits(&wide));
        let start = rows / 2;
        let mut found = vec![f32::NAN; cols];
        matrix.widen(start, &mut found);
        prop_assert_eq!(&found, &wide[start * cols..][..cols]);
    }

    #[test]
    fn products_are_those_of_the_rounded_vector(
        kind in 0..8_usize,
        rows in 1..40_usize,
        blocks in 1..4_usize,
        seed: u64,
        x in prop::collection::vec(prop_oneof![8 => -4.0_f32..4.0, 1 => Just(0.0), 1 => -1e4_f32..1e4], 3 * 256),
    ) {
        let (matrix, wide, cols) = matrix(kind, rows, blocks, seed);
        let x = &x[..cols];
        let rounded = QuantisedRow::new(x);
        let value = |col: usize| f64::from(rounded.codes[col / BLOCK][col % BLOCK]) * f64::from(rounded.scales[col / BLOCK]);
        for (col, x) in x.iter().enumerate() {
            let step = f64::from(rounded.scales[col / BLOCK]);
            prop_assert!((value(col) - f64::from(*x)).abs() <= 0.501 * step, "{col}");
        }
        for kernel in Kernel::all() {
            let mut y = vec![f32::NAN; rows];
            matrix.mat_vec_with(kernel, x, &mut y);
            for (row, y) in wide.chunks_exact(cols).zip(&y) {
                let terms = || row.iter().enumerate().map(|(col, w)| f64::from(*w) * value(col));
                let (expected, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                // Codes and minima are summed apart, and are larger than what they add up to.
                prop_assert!((f64::from(*y) - expected).abs() <= 2e-5 * size + 1e-20, "{kernel:?}: {y} {expected} {size}");
            }
        }
    }

    #[test]
    fn weighted_rows_are_exact(kind in 0..8_usize, rows in 1..40_usize, blocks in 1..3_usize, seed: u64, zero: bool) {
        let (matrix, wide, cols) = matrix(kind, rows, blocks, seed);
        let p: Vec<f32> = (0..rows).map(|row| if zero && row < 20 { 0.0 } else { (row % 7) as f32 / 8.0 }).collect();
        let mut y = vec![f32::NAN; cols];
        matrix.weighted_rows(&p, &mut y);
        for (col, y) in y.iter().enumerate() {
            let terms = || (0..rows).map(|row| f64::from(p[row]) * f64::from(wide[row * cols + col]));
            let (expected, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
            prop_assert!((f64::from(*y) - expected).abs() <= 2e-5 * size + 1e-20, "{y} {expected} {size}");
        }
    }
}

#[test]
fn what_is_not_finite_goes_through() {
    for (odd, kind) in [(f32::NAN, 0), (f32::INFINITY, 1), (f32::NEG_INFINITY, 4), (f32::NAN, 7)] {
        let (matrix, _, cols) = matrix(kind, 17, 1, 5);
        let mut x = vec![1.0; cols];
        x[cols - 3] = odd;
        for kernel in Kernel::all() {
            let mut y = vec![0.0; 17];
            matrix.mat_vec_with(kernel, &x, &mut y);
            assert!(y.iter().all(|y| y.is_nan()), "{kernel:?} {odd}: {y:?}");
        }
    }
}

#[test]
fn large_products_are_the_same_in_one_piece_and_in_many() {
    let (matrix, _, cols) = matrix(1, 3000, 2, 9);
    let x: Vec<f32> = (0..cols).map(|col| (col % 11) as f32 - 5.0).collect();
    let mut all = vec![vec![0.0; 3000]; 2];
    for (threads, y) in [1, 2].into_iter().zip(&mut all) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| matrix.mat_vec(&x, y));
    }
    assert_eq!(bits(&all[0]), bits(&all[1]));
    assert!(matrix.bytes() < 3000 * cols);
}
