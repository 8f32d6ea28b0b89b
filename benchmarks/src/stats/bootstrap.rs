//! Intervals from the items alone.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Interval;

/// Draws items with replacement, and takes the middle of what a statistic then comes to: Efron's percentile interval. The
/// draw with the number r comes from the stream r of one generator, so the interval is a function of the items alone.
///
/// Percentiles rather than BCa: they stay in range, do not leave the ratio of two medians (whose jackknife does not converge),
/// and small samples have the score interval and the exact tests beside them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Draws.
    pub draws: u64,
    /// Such as 0.95.
    pub coverage: f64,
}

impl Default for Bootstrap {
    /// 4000 draws: the bounds of a 95 % interval then rest on a hundred draws each.
    fn default() -> Self {
        Self { draws: 4000, coverage: 0.95 }
    }
}

/// Any number, always the same one.
const SEED: u64 = 0x4156_5001;

impl Bootstrap {
    /// The interval of `statistic`, which gets the chosen items by their numbers below `items`. Draws in which it is no number are
    /// left out; all NaN of no items.
    #[must_use]
    pub fn interval(&self, items: usize, statistic: impl Fn(&[usize]) -> f64 + Sync) -> Interval {
        let all: Vec<usize> = (0..items).collect();
        // Half the random words of a usize; more items than fit are not held in memory.
        let bound = u32::try_from(items).unwrap_or(u32::MAX);
        let estimate = if items == 0 { f64::NAN } else { statistic(&all) };
        if !estimate.is_finite() {
            return Interval { estimate: f64::NAN, low: f64::NAN, high: f64::NAN };
        }
        let draw = |number: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(SEED);
            random.set_stream(number);
            let chosen: Vec<usize> = (0..items).map(|_| random.random_range(0..bound) as usize).collect();
            statistic(&chosen)
        };
        let mut values: Vec<f64> =
            (0..self.draws).into_par_iter().map(draw).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let tail = (1.0 - self.coverage) / 2.0;
        let at = |share: f64| at(&values, share).unwrap_or(estimate);
        Interval { estimate, low: at(tail).min(estimate), high: at(1.0 - tail).max(estimate) }
    }

    /// The mean of `values`, an item each.
    #[must_use]
    pub fn mean(&self, values: &[f64]) -> Interval {
        self.interval(values.len(), |chosen| {
            chosen.iter().map(|&i| values[i]).sum::<f64>() / chosen.len() as f64
        })
    }

    /// The median of the first numbers over that of the second, an item each.
    #[must_use]
    pub fn ratio_of_medians(&self, pairs: &[(f64, f64)]) -> Interval {
        self.interval(pairs.len(), |chosen| ratio_of_medians(chosen.iter().map(|&i| pairs[i])))
    }
}

/// The value below which that share of the sorted `values` lies, between neighbours by distance.
fn at(values: &[f64], share: f64) -> Option<f64> {
    let place = share * (values.len().checked_sub(1)?) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(values.len() - 1);
    Some(values[low] + part * (values[high] - values[low]))
}

/// The arithmetic mean; NaN of nothing.
#[must_use]
pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// The middle value, between two where there is no middle one; NaN of nothing.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    let half = values.len() / 2;
    if values.is_empty() {
        return f64::NAN;
    }
    let even = values.len().is_multiple_of(2);
    // Not sorted as a whole: a bootstrap takes thousands of medians.
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    if !even {
        return upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper);
    f64::midpoint(lower, upper)
}

/// The median of the first numbers over that of the second.
#[must_use]
pub fn ratio_of_medians(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let (first, second): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    median(first) / median(second)
}
