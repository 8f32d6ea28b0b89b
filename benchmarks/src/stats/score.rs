//! The difference of two shares on the same items, without a bootstrap's collapse where hardly any item tells them apart.

use serde::{Deserialize, Serialize};

use super::Interval;

/// How two arms differ item by item. Items answered several times count by the part of the answers that differ, which is
/// conservative: the score's variance is then at least that of the items' differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Discordance {
    /// Items that only the first arm got right.
    pub first: f64,
    /// Items that only the second got right.
    pub second: f64,
    /// All items.
    pub items: f64,
}

impl Discordance {
    /// From differences of an item's share of right answers, −1 to 1 each.
    #[must_use]
    pub fn of(differences: &[f64]) -> Self {
        let mut counts = Self { items: differences.len() as f64, ..Self::default() };
        for &difference in differences {
            counts.first += difference.max(0.0);
            counts.second += (-difference).max(0.0);
        }
        counts
    }

    /// The first arm's share less the second's.
    #[must_use]
    pub fn difference(self) -> f64 {
        (self.first - self.second) / self.items
    }

    /// Share of the items that tell the arms apart.
    #[must_use]
    pub fn share(self) -> f64 {
        (self.first + self.second) / self.items
    }

    /// Tango's score (Statistics in Medicine 17, 1998) against a true difference of `delta`, −1 to 1: standard normal where it is
    /// that. The discordant probability under it is the likeliest one.
    #[must_use]
    pub fn score(self, delta: f64) -> f64 {
        let Self { first: b, second: c, items: n } = self;
        let (qa, qb) = (2.0 * n, -b - c + (2.0 * n - b + c) * delta);
        let root = (qb * qb + 4.0 * qa * c * delta * (1.0 - delta)).max(0.0).sqrt();
        let least = (root - qb) / (2.0 * qa);
        let variance = n * (2.0 * least + delta * (1.0 - delta));
        let over = b - c - n * delta;
        if variance <= 0.0 {
            return if over == 0.0 { 0.0 } else { over.signum() * f64::INFINITY };
        }
        over / variance.sqrt()
    }
}

/// Steps of bisection: 2⁻⁵² of the range of a difference.
const STEPS: u32 = 52;

/// The first arm's share less the second's, with the score interval of that coverage, such as 0.95.
#[must_use]
pub fn share_difference(counts: Discordance, coverage: f64) -> Interval {
    if counts.items <= 0.0 {
        return Interval { estimate: f64::NAN, low: -1.0, high: 1.0 };
    }
    let z = super::quantile(f64::midpoint(1.0, coverage));
    let estimate = counts.difference();
    // The score falls as delta grows: z at the lower bound, −z at the upper.
    let bound = |mut low: f64, mut high: f64, target: f64| {
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if counts.score(middle) > target {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    Interval {
        estimate,
        low: bound(-1.0, estimate, z).min(estimate),
        high: bound(estimate, 1.0, -z).max(estimate),
    }
}
