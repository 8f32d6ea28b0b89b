//! Honest numbers from counts and measurements.
//!
//! Items are the clusters of everything here: what is said about a population of items is said from as many values as there
//! are items, however often each was answered.
//!
//! | question | function |
//! |---|---|
//! | how many are right | [`Share::interval`], [`wilson`] |
//! | do two arms differ on the same items | [`mcnemar`], [`sign_flip`] |
//! | by how much | [`share_difference`] (score interval), [`Bootstrap`] |
//! | are they the same, within a margin | [`shares_match`], [`means_match`] |
//! | how large must a difference be to be found | [`minimum_detectable`] |
//! | is a difference of measurements more than noise | [`paired_t`] |
//! | how many of these findings would chance give | [`holm`] |

mod bootstrap;
mod equivalence;
mod holm;
mod mcnemar;
mod means;
mod power;
mod score;
mod share;

pub use bootstrap::{Bootstrap, mean, median, ratio_of_medians};
pub use equivalence::{means_match, shares_match};
pub use holm::holm;
pub use mcnemar::{mcnemar, sign_flip};
pub use means::{PairedT, paired_t};
pub use power::{DISCORDANCE, POWER, minimum_detectable, standard_mde};
pub use score::{Discordance, share_difference};
pub use share::{Share, wilson};

use serde::{Deserialize, Serialize};

/// An estimate between two bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The best guess.
    pub estimate: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// The chance of calling a difference where there is none, two-sided, that every test of a report keeps to.
pub const ALPHA: f64 = 0.05;

/// Chance that a standard normal number is above `z`.
fn above(z: f64) -> f64 {
    0.5 * statrs::function::erf::erfc(z / std::f64::consts::SQRT_2)
}

/// Chance that a standard normal number lies as far from 0 as `z`, or farther.
#[must_use]
pub fn chance_beyond(z: f64) -> f64 {
    (2.0 * above(z.abs())).min(1.0)
}

/// The standard normal quantile: below it lies the share `p`, from 0 to 1.
fn quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p)
}
