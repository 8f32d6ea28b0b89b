//! The clock of scripts.

use std::time::Duration;

use super::request::invalid;
use crate::error::Error;

/// Where the clock stands at second 0: steps may also lie before it.
pub(super) const ORIGIN: Duration = Duration::from_secs(1 << 32);
/// Furthest from second 0 that a step may lie, in seconds: some 136 years.
const MAX_SECONDS: f64 = 4294967295.0;

/// The time of a step, `at` seconds from second 0.
pub(super) fn time_of(at: f64) -> Result<Duration, Error> {
    if !(-MAX_SECONDS..=MAX_SECONDS).contains(&at) {
        return Err(invalid("steps", format!("at within {MAX_SECONDS} seconds"), at.to_string()));
    }
    // Nanoseconds, so that 10.1 and 0.1 are ten seconds apart to the last bit.
    let offset = Duration::from_nanos((at.abs() * 1e9).round() as u64);
    Ok(if at < 0.0 { ORIGIN - offset } else { ORIGIN + offset })
}
