//! Products of some rows with a large matrix, summed in double precision: logits that a softmax goes over, in which an error
//! of the logit becomes one of the weight. States of real models have a few features that are a hundred times the others, so
//! that a sum in f32 loses digits which the result needs.
//!
//! A product of two f32 is exact in f64, and the order of the sums is that of the features, or of their lanes for one state:
//! the same bits whatever the vector unit and the number of cores.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::matrix::vectorised;
use super::token_panels::WeightRows;

/// Rows of weights that share a pass over the states: with two registers of states each, what 16 registers have room for.
const ROWS: usize = 4;

/// Products of one state that are summed side by side: four of the widest registers there are, eight of the common ones.
const LANES: usize = 32;

/// Weights whose products with all states one core makes at a time: 64 Ki of f32 stay in the second cache.
const WEIGHTS_A_PIECE: usize = 64 << 10;

/// Pieces that a core gets, so that one that is held up does not hold up all.
const PIECES_A_CORE: usize = 4;

/// `x · Wᵀ`, [n, cols] → [n, rows], by the first `rows` rows of weights; each number is the f32 next to its sum in f64.
pub(crate) fn wide_products(weights: &impl WeightRows, rows: usize, x: &[f32], cols: usize) -> Vec<f32> {
    let even = rows.div_ceil(rayon::current_num_threads() * PIECES_A_CORE);
    let piece = (WEIGHTS_A_PIECE / cols).min(even).max(1).next_multiple_of(ROWS);
    let mut out = vec![0.0; x.len() / cols * rows];
    if x.len() == cols {
        one_state(weights, piece, x, &mut out);
        return out;
    }
    let arch = Arch::new();
    let panels = arch.dispatch(LayOut { x, cols });
    // A piece is some rows for all states, so that rows which have to be widened are widened once.
    let mut pieces: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(piece)).map(|_| Vec::new()).collect();
    for row in out.chunks_exact_mut(rows.max(1)) {
        row.chunks_mut(piece).zip(&mut pieces).for_each(|(part, piece)| piece.push(part));
    }
    pieces.into_par_iter().enumerate().for_each_init(Vec::new, |scratch, (index, outs)| {
        let range = index * piece..rows.min((index + 1) * piece);
        let weights = weights.rows(range, scratch);
        arch.dispatch(Piece { panels: &panels, weights, cols, outs });
    });
    out
}

/// The same of one state: nothing is laid out, so that the weights' memory is all that it waits for.
fn one_state(weights: &impl WeightRows, piece: usize, x: &[f32], out: &mut [f32]) {
    let x: Vec<f64> = x.iter().map(|value| f64::from(*value)).collect();
    let pieces = out.par_chunks_mut(piece).enumerate();
    pieces.for_each_init(Vec::new, |scratch, (index, out)| {
        let start = index * piece;
        let rows = weights.rows(start..start + out.len(), scratch).chunks_exact(x.len());
        vectorised(
            #[inline(always)]
            || rows.zip(out).for_each(|(row, out)| *out = dot(row, &x) as f32),
        );
    });
}

#[inline(always)]
fn dot(row: &[f32], x: &[f64]) -> f64 {
    let ((row, row_rest), (x, x_rest)) = (row.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (row, x) in row.iter().zip(x) {
        for lane in 0..LANES {
            sums[lane] += f64::from(row[lane]) * x[lane];
        }
    }
    let rest: f64 = row_rest.iter().zip(x_rest).map(|(weight, x)| f64::from(*weight) * x).sum();
    sums.iter().sum::<f64>() + rest
}

/// Some states side by side, feature after feature: of each feature one or two registers. Room for states that are not there
/// holds zeros.
struct Panel {
    registers: usize,
    values: Vec<f64>,
}

/// States, [n, cols], into panels.
struct LayOut<'a> {
    x: &'a [f32],
    cols: usize,
}

impl WithSimd for LayOut<'_> {
    type Output = Vec<Panel>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Panel> {
        let of_states = |states: &[f32]| {
            let registers = if states.len() > S::F64_LANES * self.cols { 2 } else { 1 };
            let width = registers * S::F64_LANES;
            let mut values = vec![0.0; width * self.cols];
            for (state, row) in states.chunks_exact(self.cols).enumerate() {
                let places = values.iter_mut().skip(state).step_by(width);
                places.zip(row).for_each(|(place, value)| *place = f64::from(*value));
            }
            Panel { registers, values }
        };
        self.x.chunks(2 * S::F64_LANES * self.cols).map(of_states).collect()
    }
}

/// Rows of weights for all states.
struct Piece<'a, 'b> {
    panels: &'a [Panel],
    /// [rows, cols].
    weights: &'a [f32],
    cols: usize,
    /// One for each state, [rows].
    outs: Vec<&'b mut [f32]>,
}

impl WithSimd for Piece<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut wide = vec![0.0; ROWS * self.cols];
        let mut sums = vec![0.0; ROWS * 2 * S::F64_LANES];
        for (index, weights) in self.weights.chunks(ROWS * self.cols).enumerate() {
            // Fewer rows at the end: what the others still hold is multiplied too, and not looked at.
            wide.iter_mut().zip(weights).for_each(|(wide, weight)| *wide = f64::from(*weight));
            let rows = weights.len() / self.cols;
            let states = self.outs.chunks_mut(2 * S::F64_LANES);
            for (panel, outs) in self.panels.iter().zip(states) {
                match panel.registers {
                    1 => rows_sums::<S, 1>(simd, &wide, self.cols, &panel.values, &mut sums),
                    _ => rows_sums::<S, 2>(simd, &wide, self.cols, &panel.values, &mut sums),
                }
                let width = panel.registers * S::F64_LANES;
                for (row, sums) in sums.chunks_exact(width).take(rows).enumerate() {
                    for (out, sum) in outs.iter_mut().zip(sums) {
                        out[index * ROWS + row] = *sum as f32;
                    }
                }
            }
        }
    }
}

/// A sum for each of the rows and each of a panel's states, all of them in registers.
#[inline(always)]
fn rows_sums<S: Simd, const REGISTERS: usize>(
    simd: S,
    wide: &[f64],
    cols: usize,
    x: &[f64],
    out: &mut [f64],
) {
    let mut sums = [[simd.splat_f64s(0.0); REGISTERS]; ROWS];
    let rows: [&[f64]; ROWS] = std::array::from_fn(|row| &wide[row * cols..][..cols]);
    let (x, _) = S::as_simd_f64s(x);
    for (feature, x) in x.as_chunks::<REGISTERS>().0.iter().enumerate() {
        for (row, sums) in rows.iter().zip(&mut sums) {
            let weight = simd.splat_f64s(row[feature]);
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = simd.mul_add_f64s(weight, *x, *sum);
            }
        }
    }
    let (out, _) = S::as_mut_simd_f64s(out);
    for (out, sums) in out.as_chunks_mut::<REGISTERS>().0.iter_mut().zip(sums) {
        *out = sums;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tensor::token_panels::tests::Plain;

    fn products(w: &[f32], x: &[f32], cols: usize) -> Vec<f32> {
        wide_products(&Plain { values: w, cols }, w.len() / cols, x, cols)
    }

    proptest! {
        /// Of one state and of several: sums in f64, and the same bits on one core and on two.
        #[test]
        fn they_are_sums_in_double_precision(
            (cols, x, w) in (1usize..90, 0usize..40, 0usize..50).prop_flat_map(|(cols, states, rows)| {
                let values = |len| prop::collection::vec(-100f32..100.0, len);
                (Just(cols), values(states * cols), values(rows * cols))
            }),
        ) {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| [products(&w, &x, cols), products(&w, &x[..cols.min(x.len())], cols)])
            };
            let [found, of_first] = on(1);
            prop_assert_eq!(&on(2), &[found.clone(), of_first.clone()]);
            let rows = w.len() / cols;
            prop_assert_eq!(found.len(), x.len() / cols * rows);
            prop_assert_eq!(of_first.len(), rows.min(found.len()));
            let first = of_first.chunks(rows.max(1)).zip(x.chunks_exact(cols));
            let all = found.chunks(rows.max(1)).zip(x.chunks_exact(cols)).chain(first);
            for (found, x) in all {
                for (found, w) in found.iter().zip(w.chunks_exact(cols)) {
                    let terms = || x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                    let (sum, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    // Half a step of f32, and what the order of a sum in f64 may change.
                    let most = sum.abs() * f64::from(f32::EPSILON) / 2.0 + size * 1e-13;
                    prop_assert!((f64::from(*found) - sum).abs() <= most, "{found} {sum}");
                }
            }
        }
    }

    #[test]
    fn a_large_feature_takes_no_digits_from_the_others() {
        // In f32 the sum stays at the first term, whose neighbours are 2 apart, until the last one takes it away.
        let mut w = vec![0.5; 1000];
        (w[0], w[999]) = (3e7, -3e7);
        for states in [1, 2, 9] {
            assert_eq!(products(&w, &vec![1.0; 1000 * states], 1000), vec![499.0; states]);
        }
    }

    #[test]
    fn what_is_no_number_stays_in_its_own_place() {
        let bad = [f32::NAN, f32::INFINITY];
        for bad in bad {
            let found = products(&[1.0, 0.0, 2.0, 1.0], &[3.0, 1.0, 1.0, bad], 2);
            assert_eq!(found[..2], [3.0, 7.0]);
            assert!(found[2..].iter().any(|value| !value.is_finite()), "{found:?}");
            let found = products(&[bad, 1.0, 2.0, 1.0], &[3.0, 1.0], 2);
            assert!(!found[0].is_finite() && found[1] == 7.0, "{found:?}");
        }
    }
}
