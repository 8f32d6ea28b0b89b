//! Two arms on the same items: is one right more often?

use statrs::distribution::{Binomial, DiscreteCDF as _};

/// McNemar's test, exact and two-sided: `b` items only the first arm got right, `c` only the second; under the hypothesis each
/// of them fell to a fair coin. 1 where no item tells the arms apart.
#[must_use]
pub fn mcnemar(b: u64, c: u64) -> f64 {
    match Binomial::new(0.5, b + c) {
        Ok(coin) if b + c > 0 => (2.0 * coin.cdf(b.min(c))).min(1.0),
        _ => 1.0,
    }
}

/// Steps that [`sign_flip`] takes at most for an exact distribution: a second's work, and a run of ten thousand items answered
/// five times stays below it.
const STEPS: u64 = 1 << 30;
/// Entries of its table at most, 8 MiB: items by replicates.
const CELLS: u64 = 1 << 20;

/// The same question where items were answered several times: `differences` are right answers of the first arm less those of
/// the second, an item each. Two-sided and exact: the share of all ways to give each difference a sign, whose sum is at least as
/// far from 0. With differences of −1, 0 and 1 it is [`mcnemar`].
///
/// Beyond some 10⁹ steps, or 10⁶ cells of a table, the sum is taken for normal, which it then is to many places.
#[must_use]
pub fn sign_flip(differences: &[i64]) -> f64 {
    let sum = differences.iter().sum::<i64>().unsigned_abs();
    let sizes: Vec<u64> = differences.iter().map(|d| d.unsigned_abs()).filter(|&d| d > 0).collect();
    let reach: u64 = sizes.iter().sum();
    if sum == 0 {
        return 1.0;
    }
    if sizes.iter().all(|&size| size == 1) {
        return mcnemar(reach.midpoint(sum), (reach - sum) / 2);
    }
    if reach >= CELLS || reach.saturating_mul(sizes.len() as u64) > STEPS {
        let spread = sizes.iter().map(|&d| (d as f64).powi(2)).sum::<f64>().sqrt();
        return (2.0 * super::above(sum as f64 / spread)).min(1.0);
    }
    // Chances of the sum of those differences that came out positive, from 0 to `reach`.
    let mut chances = vec![0.0_f64; reach as usize + 1];
    chances[0] = 1.0;
    let mut top = 0;
    for &size in &sizes {
        let size = size as usize;
        for i in (0..=top + size).rev() {
            let with = if i >= size { chances[i - size] } else { 0.0 };
            let without = if i <= top { chances[i] } else { 0.0 };
            chances[i] = 0.5 * (with + without);
        }
        top += size;
    }
    // A signed sum is twice the positive part less `reach`; both tails are alike.
    let least = reach.midpoint(sum) as usize;
    (2.0 * chances[least..].iter().sum::<f64>()).min(1.0)
}
