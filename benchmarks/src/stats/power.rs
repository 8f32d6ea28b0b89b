//! Before a run: what it will be able to tell.

use super::{ALPHA, quantile};

/// The chance of finding a difference as large as the minimum detectable one.
pub const POWER: f64 = 0.8;

/// Share of the items that are taken to tell two arms apart, where nothing is known yet. An assumption, said wherever it is used:
/// two arms that are both right on 80 % of the items, independently, differ on 32 %, and arms of one model agree more often.
pub const DISCORDANCE: f64 = 0.2;

/// The smallest true difference of two shares on the same `items` that a test at `alpha`, two-sided, finds with about the chance
/// `power`, where the share `discordance` of the items tells the arms apart (Connor 1987, the normal approximation). `None` where
/// even a difference of all those items would be missed.
#[must_use]
pub fn minimum_detectable(items: u64, discordance: f64, power: f64, alpha: f64) -> Option<f64> {
    let (alpha_z, power_z) = (-quantile(alpha / 2.0), quantile(power));
    let needed = |delta: f64| {
        let reach = alpha_z * discordance.sqrt() + power_z * (discordance - delta * delta).max(0.0).sqrt();
        (reach / delta).powi(2)
    };
    if items == 0 || discordance.is_nan() || discordance <= 0.0 || needed(discordance) > items as f64 {
        return None;
    }
    // Items needed fall as the difference grows.
    let (mut low, mut high) = (0.0, discordance);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if needed(middle) > items as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

/// [`minimum_detectable`] as every report states it: power 0.8, alpha 0.05, a fifth of the items discordant.
#[must_use]
pub fn standard_mde(items: u64) -> Option<f64> {
    minimum_detectable(items, DISCORDANCE, POWER, ALPHA)
}
