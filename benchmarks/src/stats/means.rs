//! Measurements in pairs.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::Interval;

/// Student's paired t test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairedT {
    /// Mean of the differences.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom: pairs less one.
    pub freedom: f64,
    /// The statistic.
    pub t: f64,
    /// Two-sided.
    pub p: f64,
}

impl PairedT {
    /// The mean with its interval of that coverage, such as 0.95.
    #[must_use]
    pub fn interval(&self, coverage: f64) -> Interval {
        let reach = StudentsT::new(0.0, 1.0, self.freedom)
            .map_or(f64::INFINITY, |t| t.inverse_cdf(f64::midpoint(1.0, coverage)) * self.error);
        Interval { estimate: self.mean, low: self.mean - reach, high: self.mean + reach }
    }
}

/// Whether the mean of paired differences is 0. `None` of fewer than two, or of numbers that are none.
#[must_use]
pub fn paired_t(differences: &[f64]) -> Option<PairedT> {
    if differences.len() < 2 || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / (n - 1.0);
    let (error, freedom) = ((variance / n).sqrt(), n - 1.0);
    // All differences alike: there is no noise to hold their mean against.
    let (t, p) = if error > 0.0 {
        let t = mean / error;
        (t, 2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t.abs()))
    } else if mean == 0.0 {
        (0.0, 1.0)
    } else {
        (mean.signum() * f64::INFINITY, 0.0)
    };
    Some(PairedT { mean, error, freedom, t, p: p.min(1.0) })
}
