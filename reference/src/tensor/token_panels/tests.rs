//! Products in panels against sums in double precision.

use proptest::prelude::*;

use super::*;

/// A matrix in f32 as it lies in memory, [out, in].
struct Plain<'a> {
    values: &'a [f32],
    cols: usize,
}

impl WeightRows for Plain<'_> {
    fn rows<'a>(&'a self, range: Range<usize>, _: &'a mut Vec<f32>) -> &'a [f32] {
        &self.values[range.start * self.cols..range.end * self.cols]
    }
}

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 37 + seed * 101) % 113) as f32 / 16.0 - 3.5).collect()
}

proptest! {
    #[test]
    fn rows_come_back(tokens in 1..130_usize, features in 1..70_usize) {
        let rows = numbers(tokens * features, 1);
        prop_assert_eq!(TokenPanels::from_rows(&rows, features).into_rows(), rows);
    }

    #[test]
    fn products_agree_with_sums_in_double_precision(
        tokens in 1..110_usize,
        features in 1..80_usize,
        rows in 1..70_usize,
        threads in 1..3_usize,
    ) {
        let (x, w) = (numbers(tokens * features, 2), numbers(rows * features, 3));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let weights = Plain { values: &w, cols: features };
        let bias: Vec<f32> = numbers(rows, 9);
        let y = pool.install(|| {
            let mut y = TokenPanels::from_rows(&x, features).product(&weights, rows);
            y.add_each(&bias);
            y.into_rows()
        });
        prop_assert_eq!(y.len(), tokens * rows);
        for (x, y) in x.chunks_exact(features).zip(y.chunks_exact(rows)) {
            for ((w, y), bias) in w.chunks_exact(features).zip(y).zip(&bias) {
                let products = || x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                let terms = || products().chain([f64::from(*bias)]);
                let (expected, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                prop_assert!((f64::from(*y) - expected).abs() <= 1e-6 * size, "{y} {expected}");
            }
        }
    }

    #[test]
    fn rows_take_what_they_need(
        tokens in 1..110_usize,
        features in 1..60_usize,
        rows in 1..40_usize,
        apart in 0..5_usize,
        threads in 1..3_usize,
        all: bool,
    ) {
        let stride = features + apart;
        let (x, a) = (numbers(tokens * features, 2), numbers(rows * stride, 3));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // Row r takes one feature and one token more than the one before.
        let of = |row: usize| if all { (features, tokens) } else { (features.min(row + 1), tokens.min(row + 1)) };
        let needed = |range: Range<usize>| {
            let (features, tokens) = of(range.end - 1);
            Needed { features, tokens }
        };
        let mut masked = a.clone();
        for (row, values) in masked.chunks_exact_mut(stride).enumerate() {
            values[of(row).0..].fill(0.0);
        }
        let by_columns: Vec<f32> = (0..features * tokens).map(|at| x[at % tokens * features + at / tokens]).collect();
        let laid_out = [TokenPanels::from_rows(&x, features), TokenPanels::from_columns(&by_columns, tokens)];
        for x_panels in laid_out {
            let y = pool.install(|| x_panels.rows_times(&masked, stride, needed));
            prop_assert_eq!(y.len(), rows * tokens);
            for (row, (a, y)) in masked.chunks_exact(stride).zip(y.chunks_exact(tokens)).enumerate() {
                for (token, y) in y.iter().enumerate().take(of(row).1) {
                    let terms = || a.iter().zip(&x[token * features..][..features]).map(|(a, x)| f64::from(*a) * f64::from(*x));
                    let (expected, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    prop_assert!((f64::from(*y) - expected).abs() <= 1e-6 * size, "{row} {token}: {y} {expected}");
                }
            }
        }
    }

    #[test]
    fn products_follow_each_other(tokens in 1..60_usize) {
        let (x, first, second) = (numbers(tokens * 20, 4), numbers(30 * 20, 5), numbers(7 * 30, 6));
        let plain = |values, cols| Plain { values, cols };
        let once = TokenPanels::from_rows(&x, 20).product(&plain(&first, 20), 30);
        let again = TokenPanels::from_rows(&once.clone().into_rows(), 30);
        let (straight, around) = (once.product(&plain(&second, 30), 7), again.product(&plain(&second, 30), 7));
        prop_assert_eq!(straight.into_rows(), around.into_rows());
    }
}

#[test]
fn the_number_of_cores_changes_nothing() {
    let (x, w) = (numbers(75 * 64, 7), numbers(300 * 64, 8));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            TokenPanels::from_rows(&x, 64).product(&Plain { values: &w, cols: 64 }, 300).into_rows()
        })
    };
    assert_eq!(on(1), on(2));
}
