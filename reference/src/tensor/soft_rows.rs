//! The softmax over a matrix's products with a vector, and the rows weighted by it, in one pass: what a latent step of a
//! tied model does with its embedding. Two passes would read the memory twice.

use super::matrix::{PART, dot, part_sum, vectorised};

/// Bytes of rows that are multiplied and then summed at a time: they stay in the second cache, so that memory is read once
/// for both.
const TWICE: usize = 256 << 10;

/// What a softmax over some rows has so far: the largest logit, the sum of the exponentials, and the rows weighted by them.
struct Softened {
    largest: f32,
    total: f64,
    sum: Vec<f32>,
}

impl Softened {
    fn nothing(cols: usize) -> Self {
        Self { largest: f32::NEG_INFINITY, total: 0.0, sum: vec![0.0; cols] }
    }

    /// Brings what is there to a new largest logit.
    fn raise(&mut self, largest: f32, temperature: f32) {
        if largest > self.largest {
            // Nothing is there to be brought anywhere, and −∞ over an infinite temperature is no number.
            if self.largest > f32::NEG_INFINITY {
                let factor = ((self.largest - largest) / temperature).exp();
                self.total *= f64::from(factor);
                self.sum.iter_mut().for_each(|value| *value *= factor);
            }
            self.largest = largest;
        }
    }

    /// Takes over some rows more.
    fn take(&mut self, w: &[f32], cols: usize, x: &[f32], temperature: f32) {
        let at_once = (TWICE / size_of::<f32>() / cols).max(4);
        let mut logits = vec![0.0; at_once];
        for rows in w.chunks(at_once * cols) {
            let logits = &mut logits[..rows.len() / cols];
            vectorised(
                #[inline(always)]
                || {
                    for (row, logit) in rows.chunks_exact(cols).zip(logits.iter_mut()) {
                        *logit = dot(row, x);
                    }
                },
            );
            self.raise(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max), temperature);
            for logit in &mut *logits {
                *logit = ((*logit - self.largest) / temperature).exp();
                self.total += f64::from(*logit);
            }
            part_sum(rows, cols, logits, &mut self.sum);
        }
    }
}

/// `y = softmax(w · x / temperature) · w` over the rows of `w`, in one pass over them. The largest weight is 1 before the
/// sum divides it, whatever the logits: a tiny temperature sends all but the largest to zero instead of everything to
/// infinity.
pub(crate) fn soft_rows(w: &[f32], cols: usize, x: &[f32], temperature: f32, y: &mut [f32]) {
    debug_assert_eq!((x.len(), y.len()), (cols, cols));
    let part = |w: &[f32]| {
        let mut softened = Softened::nothing(cols);
        softened.take(w, cols, x, temperature);
        softened
    };
    #[cfg(feature = "model")]
    let parts: Vec<Softened> = {
        use rayon::prelude::*;
        w.par_chunks(PART * cols).map(part).collect()
    };
    #[cfg(not(feature = "model"))]
    let parts: Vec<Softened> = w.chunks(PART * cols).map(part).collect();
    let mut all = Softened::nothing(cols);
    all.raise(parts.iter().map(|part| part.largest).fold(f32::NEG_INFINITY, f32::max), temperature);
    for mut part in parts {
        part.raise(all.largest, temperature);
        all.total += part.total;
        all.sum.iter_mut().zip(&part.sum).for_each(|(sum, part)| *sum += part);
    }
    y.iter_mut().zip(all.sum).for_each(|(y, sum)| *y = (f64::from(sum) / all.total) as f32);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn one_pass_is_the_softmax_in_double_precision(
            cols in 1usize..50,
            rows in 1usize..300,
            repeats in 1usize..30,
            temperature in 0.05f32..3.0,
            seed: u32,
        ) {
            // More rows than a part where they are repeated.
            let number = |index: usize| ((index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16) as f32 / 16384.0 - 2.0;
            let some: Vec<f32> = (0..rows * cols).map(number).collect();
            let w = some.repeat(repeats);
            let x: Vec<f32> = (0..cols).map(|index| number(index + 7)).collect();
            let mut y = vec![7.0; cols];
            soft_rows(&w, cols, &x, temperature, &mut y);
            let logits: Vec<f64> = some
                .chunks_exact(cols)
                .map(|row| row.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>() / f64::from(temperature))
                .collect();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for (column, y) in y.iter().enumerate() {
                let expected: f64 = weights.iter().zip(some.chunks_exact(cols)).map(|(p, row)| p / total * f64::from(row[column])).sum();
                prop_assert!((f64::from(*y) - expected).abs() < 2e-4, "{y} {expected}");
            }
        }
    }

    #[test]
    fn one_pass_stands_what_comes() {
        let softened = |x: f32, temperature: f32| {
            let mut y = [0.0];
            soft_rows(&[1.0, -1.0, 3.0, 2.0], 1, &[x], temperature, &mut y);
            y[0]
        };
        assert_eq!(softened(1e30, 1.0), 3.0);
        assert_eq!(softened(-1.0, 1e-30), -1.0);
        assert!((softened(1e-30, 1.0) - 1.25).abs() < 1e-6);
        assert!(softened(f32::NAN, 1.0).is_nan() && softened(f32::INFINITY, 1.0).is_nan());
    }
}
