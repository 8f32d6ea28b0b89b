//! Products in panels against sums in double precision.

use std::borrow::Cow;

use proptest::prelude::*;

use super::attention::Attending;
use super::*;

/// A matrix in f32 as it lies in memory, [out, in].
pub(in crate::tensor) struct Plain<'a> {
    pub(in crate::tensor) values: &'a [f32],
    pub(in crate::tensor) cols: usize,
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
    fn norms_and_turns_are_those_of_rows(
        tokens in 1..110_usize,
        heads in 1..4_usize,
        half in 1..40_usize,
        by_head: bool,
    ) {
        let features = heads * 2 * half;
        let width = if by_head { 2 * half } else { features };
        let (x, weight) = (numbers(tokens * features, 1), numbers(width, 2));
        let (cos, sin) = (numbers(tokens * half, 3), numbers(tokens * half, 4));
        let panels = TokenPanels::from_rows(&x, features);
        prop_assert_eq!(panels.last_row(), &x[x.len() - features..]);
        let normed = panels.rms_norm(&weight, 1e-5).into_rows();
        for (x, normed) in x.chunks_exact(width).zip(normed.chunks_exact(width)) {
            let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / width as f64;
            for ((x, weight), normed) in x.iter().zip(&weight).zip(normed) {
                let expected = f64::from(*x) * f64::from(*weight) / (mean + 1e-5).sqrt();
                prop_assert!((f64::from(*normed) - expected).abs() <= 2e-6 * expected.abs(), "{normed} {expected}");
            }
        }
        let mut turned = panels.clone();
        turned.turn([&panels.rows_beside(&cos, half), &panels.rows_beside(&sin, half)]);
        for (index, (before, after)) in x.chunks_exact(2 * half).zip(turned.into_rows().chunks_exact(2 * half)).enumerate() {
            for at in 0..half {
                let angle = index / heads * half + at;
                let (low, high, cos, sin) = (before[at], before[at + half], cos[angle], sin[angle]);
                prop_assert!((after[at] - (low * cos - high * sin)).abs() <= 1e-5 * (low * cos).abs().max((high * sin).abs()));
                prop_assert!((after[at + half] - (high * cos + low * sin)).abs() <= 1e-5 * (high * cos).abs().max((low * sin).abs()));
            }
        }
    }

    #[test]
    fn attention_is_the_formula_in_double_precision(
        tokens in 1..110_usize,
        past in 0..70_usize,
        dim in 1..40_usize,
        (kv_heads, group) in (1..3_usize, 1..4_usize),
        window in prop::option::of(1..90_usize),
        softcap in prop::option::of(5.0..50.0_f32),
        threads in 1..3_usize,
    ) {
        let (heads, seen, scale) = (kv_heads * group, past + tokens, 0.3_f32);
        let query = numbers(tokens * heads * dim, 1);
        let (keys, values) = (numbers(kv_heads * seen * dim, 2), numbers(kv_heads * seen * dim, 3));
        let how = Attending { dim, group, scale, softcap, window, past };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mixed = pool.install(|| {
            let of = |all: &'_ [f32], head: usize| Cow::Owned(all[head * seen * dim..][..seen * dim].to_vec());
            TokenPanels::from_rows(&query, heads * dim).attend(how, |head| [of(&keys, head), of(&values, head)]).into_rows()
        });
        for (at, mixed) in mixed.chunks_exact(dim).enumerate() {
            let (token, head) = (at / heads, at % heads);
            let query = &query[at * dim..][..dim];
            let first = window.map_or(0, |window| (past + token + 1).saturating_sub(window));
            let row = |all: &'_ [f32], position: usize| -> Vec<f64> {
                all[(head / group * seen + position) * dim..][..dim].iter().map(|value| f64::from(*value)).collect()
            };
            let scores: Vec<f64> = (first..=past + token).map(|position| {
                let score = row(&keys, position).iter().zip(query).map(|(key, query)| key * f64::from(*query)).sum::<f64>() * f64::from(scale);
                softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
            }).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (feature, mixed) in mixed.iter().enumerate() {
                let terms = || weights.iter().zip(first..).map(|(weight, position)| weight / sum * row(&values, position)[feature]);
                let expected: f64 = terms().sum();
                prop_assert!((f64::from(*mixed) - expected).abs() <= 2e-4, "{token} {head} {feature}: {mixed} {expected}");
            }
        }
    }

    #[test]
    fn what_a_position_does_not_see_leaves_no_trace(
        tokens in 2..100_usize,
        window in prop::option::of(1..20_usize),
        bad in prop::sample::select(vec![1e30, f32::INFINITY, f32::NAN]),
    ) {
        let dim = 8;
        let query = numbers(tokens * dim, 1);
        let how = Attending { dim, group: 1, scale: 1.0, softcap: None, window, past: 0 };
        let rows = numbers(tokens * dim, 2);
        let mut other = rows.clone();
        other[(tokens - 1) * dim..].fill(bad);
        let mix = |rows: &[f32]| {
            TokenPanels::from_rows(&query, dim).attend(how, |_| [rows.to_vec().into(), rows.to_vec().into()]).into_rows()
        };
        let seen_by_none = (tokens - 1) * dim;
        for (one, other) in mix(&rows)[..seen_by_none].iter().zip(&mix(&other)) {
            prop_assert!((one - other).abs() <= 1e-5, "{one} {other}");
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
