//! The same, within a margin: two one-sided tests (Schuirmann 1987). Not having found a difference says nothing of the kind.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::{Discordance, paired_t};

/// Whether two shares lie within `margin` of each other: the larger p of the two tests that they lie further apart, each by
/// Tango's score. Below the level, they match within the margin.
#[must_use]
pub fn shares_match(counts: Discordance, margin: f64) -> f64 {
    if counts.items <= 0.0 {
        return 1.0;
    }
    let low = super::above(counts.score(-margin));
    let high = 1.0 - super::above(counts.score(margin));
    low.max(high)
}

/// Whether the mean of paired differences lies within `margin` of 0: the same with Student's t. 1 for fewer than two.
#[must_use]
pub fn means_match(differences: &[f64], margin: f64) -> f64 {
    let Some(t) = paired_t(differences) else { return 1.0 };
    if t.error <= 0.0 {
        return if t.mean.abs() < margin { 0.0 } else { 1.0 };
    }
    let Ok(student) = StudentsT::new(0.0, 1.0, t.freedom) else { return 1.0 };
    let low = student.sf((t.mean + margin) / t.error);
    let high = student.cdf((t.mean - margin) / t.error);
    low.max(high)
}
