//! The two passes over an embedding matrix that a latent step makes, on plain slices.

/// Values that a dot product sums side by side. Sixteen fill the widest registers there are, and each of them sums a
/// sixteenth of the row, which keeps the rounding error small.
const LANES: usize = 16;

/// Rows that are summed in a register's precision before the sum goes to the total: a long sum of small numbers loses
/// digits, many short ones don't.
const BLOCK: usize = 256;

/// `y[i] = w[i] · x` for the rows of `w`, as many as `y` has entries and of `cols` values each, like `x`.
///
/// # Panics
/// In debug builds when the lengths don't fit; a release build then leaves the rest of `y` as it was.
pub fn mat_vec(w: &[f32], cols: usize, x: &[f32], y: &mut [f32]) {
    debug_assert_eq!((w.len(), x.len()), (cols * y.len(), cols));
    if cols == 0 {
        y.fill(0.0);
        return;
    }
    for (row, y) in w.chunks_exact(cols).zip(y) {
        *y = dot(row, x);
    }
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
    let mut sum = vec![0.0; cols];
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
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
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

/// Four rows at a time: the sums are loaded and stored once for all of them.
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
