//! The two passes over a matrix that decoding and latent steps are made of, on plain slices.
//!
//! With the feature `model` the loops are compiled for every vector unit that `pulp` knows and run on all cores; without,
//! for the least common one, on the caller's. The numbers do not depend on the number of cores.

#[cfg(feature = "model")]
use half::{bf16, f16, slice::HalfFloatSliceExt};

/// Values that a dot product sums side by side: four of the widest registers there are, eight of the common ones. Each lane
/// sums its own part of the row, which keeps the rounding error small.
const LANES: usize = 64;

/// Rows that are summed in a register's precision before the sum goes to the total: a long sum of small numbers loses
/// digits, many short ones don't.
const BLOCK: usize = 256;

/// Rows of a weighted sum that one core takes at a time. Sums are made by part whatever the number of cores, so that the
/// same bits come out everywhere.
pub(super) const PART: usize = 16 * BLOCK;

/// Multiplications below which other cores are not asked: waking them takes longer.
#[cfg(feature = "model")]
pub(super) const ALONE: usize = 32 << 10;

/// Pieces a core gets of a large product, so that one that is held up does not hold up all.
#[cfg(feature = "model")]
pub(super) const PIECES_A_CORE: usize = 4;

/// Elements of half precision that are widened at a time: 2 KiB in f32, which stay in the innermost cache.
#[cfg(feature = "model")]
const WIDEN: usize = 512;

/// `y[i] = w[i] · x` for the rows of `w`, as many as `y` has entries and of `cols` values each, like `x`.
///
/// # Panics
/// In debug builds when the lengths don't fit; a release build then leaves the rest of `y` as it was.
pub fn mat_vec(w: &[f32], cols: usize, x: &[f32], y: &mut [f32]) {
    by_rows(w, cols, x, y, dot);
}

/// [`mat_vec`] for a matrix in bfloat16; products and sums are in f32.
#[cfg(feature = "model")]
pub(crate) fn mat_vec_bf16(w: &[bf16], cols: usize, x: &[f32], y: &mut [f32]) {
    by_rows(w, cols, x, y, |row, x| {
        // A bfloat16 is the upper half of a float: one shift, which vectorises.
        dot_widened(row, x, |from, to| {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = f32::from_bits(u32::from(from.to_bits()) << 16));
        })
    });
}

/// [`mat_vec`] for a matrix in float16; products and sums are in f32.
#[cfg(feature = "model")]
pub(crate) fn mat_vec_f16(w: &[f16], cols: usize, x: &[f32], y: &mut [f32]) {
    by_rows(w, cols, x, y, |row, x| dot_widened(row, x, HalfFloatSliceExt::convert_to_f32_slice));
}

/// `y[i] = product(w[i], x)`, on all cores where it is worth it.
fn by_rows<T: Sync>(
    w: &[T],
    cols: usize,
    x: &[f32],
    y: &mut [f32],
    product: impl Fn(&[T], &[f32]) -> f32 + Sync + Copy,
) {
    debug_assert_eq!((w.len(), x.len()), (cols * y.len(), cols));
    if cols == 0 {
        y.fill(0.0);
        return;
    }
    let some_rows = |w: &[T], y: &mut [f32]| {
        vectorised(
            #[inline(always)]
            || w.chunks_exact(cols).zip(y).for_each(|(row, y)| *y = product(row, x)),
        );
    };
    #[cfg(feature = "model")]
    {
        use rayon::prelude::*;
        let cores = rayon::current_num_threads();
        if cores > 1 && w.len() > ALONE {
            let rows = y.len().div_ceil(cores * PIECES_A_CORE).max(1);
            y.par_chunks_mut(rows).zip(w.par_chunks(rows * cols)).for_each(|(y, w)| some_rows(w, y));
            return;
        }
    }
    some_rows(w, y);
}

/// `y = Σ p[i] · w[i]` over the rows of `w`, as many as `p` has entries and of `cols` values each, like `y`. Rows of
/// weight zero are not looked at: of a peaked softmax over a vocabulary that is nearly all of them.
///
/// # Panics
/// As [`mat_vec`].
pub fn weighted_rows(w: &[f32], cols: usize, p: &[f32], y: &mut [f32]) {
    debug_assert_eq!((w.len(), y.len()), (cols * p.len(), cols));
    y.fill(0.0);
    if cols == 0 {
        return;
    }
    if p.len() <= PART {
        part_sum(w, cols, p, y);
        return;
    }
    let part = |(w, p): (&[f32], &[f32])| {
        let mut sum = vec![0.0; cols];
        part_sum(w, cols, p, &mut sum);
        sum
    };
    #[cfg(feature = "model")]
    let parts: Vec<Vec<f32>> = {
        use rayon::prelude::*;
        w.par_chunks(PART * cols).zip(p.par_chunks(PART)).map(part).collect()
    };
    #[cfg(not(feature = "model"))]
    let parts = w.chunks(PART * cols).zip(p.chunks(PART)).map(part);
    for sum in parts {
        y.iter_mut().zip(&sum).for_each(|(y, sum)| *y += sum);
    }
}

/// Adds the weighted rows of one part to `y`.
pub(super) fn part_sum(w: &[f32], cols: usize, p: &[f32], y: &mut [f32]) {
    let mut sum = vec![0.0; cols];
    vectorised(
        #[inline(always)]
        || {
            for (rows, p) in w.chunks(BLOCK * cols).zip(p.chunks(BLOCK)) {
                sum.fill(0.0);
                let (fours, rest) = p.as_chunks::<4>();
                let (of_fours, of_rest) = rows.split_at(4 * cols * fours.len());
                for (rows, p) in of_fours.chunks_exact(4 * cols).zip(fours) {
                    if *p != [0.0; 4] {
                        add_four(rows, cols, p, &mut sum);
                    }
                }
                for (row, &p) in of_rest.chunks_exact(cols).zip(rest) {
                    if p != 0.0 {
                        sum.iter_mut().zip(row).for_each(|(sum, w)| *sum += p * w);
                    }
                }
                y.iter_mut().zip(&sum).for_each(|(y, sum)| *y += sum);
            }
        },
    );
}

/// Runs loops compiled for this machine's vector unit.
#[inline(always)]
pub(super) fn vectorised(loops: impl FnOnce()) {
    #[cfg(feature = "model")]
    pulp::Arch::new().dispatch(loops);
    #[cfg(not(feature = "model"))]
    loops();
}

#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    // Pairwise: halves onto halves.
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0] + rest
}

#[cfg(feature = "model")]
#[inline(always)]
fn dot_widened<T>(row: &[T], x: &[f32], widen: impl Fn(&[T], &mut [f32])) -> f32 {
    let mut wide = [0.0; WIDEN];
    row.chunks(WIDEN)
        .zip(x.chunks(WIDEN))
        .map(|(row, x)| {
            let wide = &mut wide[..row.len()];
            widen(row, wide);
            dot(wide, x)
        })
        .sum()
}

/// Four rows at a time: the sums are loaded and stored once for all of them.
#[inline(always)]
fn add_four(rows: &[f32], cols: usize, p: &[f32; 4], sum: &mut [f32]) {
    let (a, rest) = rows.split_at(cols);
    let (b, rest) = rest.split_at(cols);
    let (c, d) = rest.split_at(cols);
    for ((((sum, a), b), c), d) in sum.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *sum += (p[0] * a + p[1] * b) + (p[2] * c + p[3] * d);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: &[f32], expected: &[f64], magnitudes: &[f64]) -> bool {
        found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .zip(magnitudes)
                .all(|((f, e), m)| (f64::from(*f) - e).abs() <= 1e-6 * m + 1e-30)
    }

    proptest! {
        #[test]
        fn both_agree_with_sums_in_double_precision(
            (cols, x, w) in (0usize..70, 0usize..600).prop_flat_map(|(cols, rows)| {
                let values = |len| prop::collection::vec(-4f32..4.0, len);
                (Just(cols), values(cols), values(cols * rows.min(600 / (cols + 1) + 5)))
            }),
            zero in any::<bool>(),
        ) {
            let rows = w.len().checked_div(cols).unwrap_or(3);
            let row = |i: usize| &w[i * cols..(i + 1) * cols];
            let mut y = vec![7.0; rows];
            mat_vec(&w, cols, &x, &mut y);
            let products = |i: usize| row(i).iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b));
            let expected: Vec<f64> = (0..rows).map(|i| products(i).sum()).collect();
            let sizes: Vec<f64> = (0..rows).map(|i| products(i).map(f64::abs).sum()).collect();
            prop_assert!(close(&y, &expected, &sizes));

            let p: Vec<f32> = y.iter().map(|y| if zero { 0.0 } else { *y }).collect();
            let mut out = vec![7.0; cols];
            weighted_rows(&w, cols, &p, &mut out);
            let column = |j: usize| (0..rows).map(move |i| (i, j));
            let term = |(i, j): (usize, usize)| f64::from(p[i]) * f64::from(w[i * cols + j]);
            let expected: Vec<f64> = (0..cols).map(|j| column(j).map(term).sum()).collect();
            let sizes: Vec<f64> = (0..cols).map(|j| column(j).map(term).map(f64::abs).sum()).collect();
            prop_assert!(close(&out, &expected, &sizes));
        }
    }

    #[cfg(feature = "model")]
    #[test]
    fn half_precision_is_widened_exactly() {
        // More columns than are widened at a time, and a rest.
        let (rows, cols) = (3, WIDEN + 37);
        let value = |index: usize| ((index * 37 % 101) as f32 - 50.0) / 8.0;
        let x: Vec<f32> = (0..cols).map(|index| value(index + 5)).collect();
        let wide: Vec<f32> = (0..rows * cols).map(value).collect();
        let (mut expected, mut found) = ([0.0; 3], [0.0; 3]);
        mat_vec(&wide, cols, &x, &mut expected);
        let close = |found: [f32; 3]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.05);
        mat_vec_bf16(&wide.iter().map(|&v| bf16::from_f32(v)).collect::<Vec<_>>(), cols, &x, &mut found);
        assert!(close(found), "{found:?} {expected:?}");
        mat_vec_f16(&wide.iter().map(|&v| f16::from_f32(v)).collect::<Vec<_>>(), cols, &x, &mut found);
        assert!(close(found), "{found:?} {expected:?}");
    }

    #[test]
    fn large_products_are_the_same_in_one_piece_and_in_many() {
        let (rows, cols) = (3 * PART + 7, 5);
        let w: Vec<f32> = (0..rows * cols).map(|index| (index % 13) as f32 - 6.0).collect();
        let p: Vec<f32> = (0..rows).map(|index| (index % 7) as f32).collect();
        let mut y = [0.0; 5];
        weighted_rows(&w, cols, &p, &mut y);
        for (column, y) in y.iter().enumerate() {
            let expected: f64 =
                (0..rows).map(|row| f64::from(p[row]) * f64::from(w[row * cols + column])).sum();
            assert_eq!(f64::from(*y), expected);
        }
        let mut z = vec![0.0; rows];
        mat_vec(&w, cols, &[1.0, 2.0, 3.0, 4.0, 5.0], &mut z);
        for (row, z) in w.chunks_exact(cols).zip(z) {
            assert_eq!(z, row.iter().zip([1.0, 2.0, 3.0, 4.0, 5.0]).map(|(w, x)| w * x).sum::<f32>());
        }
    }

    #[test]
    fn a_long_sum_keeps_its_digits() {
        let rows = 100_000;
        let mut y = [0.0];
        weighted_rows(&vec![1.0; rows], 1, &vec![0.1; rows], &mut y);
        assert!((f64::from(y[0]) - rows as f64 * f64::from(0.1f32)).abs() < 1e-2, "{}", y[0]);
    }

    #[test]
    fn rows_of_no_weight_are_not_looked_at() {
        let mut y = [0.0];
        weighted_rows(
            &[f32::NAN, f32::NAN, f32::NAN, f32::NAN, f32::INFINITY, 2.0],
            1,
            &[0.0, 0.0, 0.0, 0.0, 0.0, 3.0],
            &mut y,
        );
        assert_eq!(y, [6.0]);
    }
}
