//! Shares of right answers.

use serde::{Deserialize, Serialize};

/// Two-sided normal quantile of 95 %.
const Z_95: f64 = 1.959_963_984_540_054;

/// A share of right answers with its uncertainty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Right answers.
    pub right: u64,
    /// Answers.
    pub of: u64,
}

impl Share {
    /// One more answer.
    pub fn count(&mut self, right: bool) {
        self.right += u64::from(right);
        self.of += 1;
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { right: self.right + other.right, of: self.of + other.of }
    }

    /// The share, 0 to 1; NaN of nothing.
    #[must_use]
    pub fn value(self) -> f64 {
        self.right as f64 / self.of as f64
    }

    /// The 95 % interval after Wilson (1927): unlike the textbook one it stays within 0 and 1, and says something when all
    /// or none are right.
    #[must_use]
    pub fn interval(self) -> (f64, f64) {
        wilson(self.value(), self.of as f64)
    }
}

/// Wilson's 95 % interval of a share `p` seen in `n` independent answers. Where an item was answered several times, `n` counts
/// items: as if the repetitions added nothing, which is never too narrow.
#[must_use]
pub fn wilson(p: f64, n: f64) -> (f64, f64) {
    if n <= 0.0 || !p.is_finite() {
        return (0.0, 1.0);
    }
    let z2 = Z_95 * Z_95;
    let middle = p + z2 / (2.0 * n);
    let reach = Z_95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    (((middle - reach) / scale).max(0.0), ((middle + reach) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3: four places.
        for (right, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = Share { right, of }.interval();
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{right} of {of}: {l} to {h}");
        }
        assert_eq!(Share::default().interval(), (0.0, 1.0));
    }
}
