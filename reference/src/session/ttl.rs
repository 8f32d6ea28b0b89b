//! How long sessions and contexts live.

use std::time::Duration;

use crate::error::{Error, ErrorClass, Result};

/// How long an entry of a store lives: seconds in whole nanoseconds, signed. It is alive at exactly this age; with 0 it
/// ends as soon as time moves, with less it is never alive (AVP-SES-005).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(i64);

impl Ttl {
    /// Of a session: one hour (AVP-SES-001).
    pub const DEFAULT: Self = Self(3_600_000_000_000);
    /// Of a stored context: five minutes, since a cache weighs more than a session (AVP-STO-001).
    pub const CONTEXT: Self = Self(300_000_000_000);

    /// Of seconds. More than 292 years is taken for 292 years.
    ///
    /// # Errors
    /// `invalid_argument` for a value that is no number.
    pub fn from_seconds(seconds: f64) -> Result<Self> {
        if seconds.is_nan() {
            return Err(Error::new(ErrorClass::InvalidArgument, "ttl", "seconds", "NaN"));
        }
        // `as` saturates.
        Ok(Self((seconds * 1e9).round() as i64))
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    pub(crate) fn deadline(self, created: Duration) -> Deadline {
        match u64::try_from(self.0) {
            Ok(nanoseconds) => Deadline::At(created.saturating_add(Duration::from_nanos(nanoseconds))),
            Err(_) => Deadline::Past,
        }
    }
}

impl Default for Ttl {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The last moment at which an entry is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// It never was.
    Past,
    At(Duration),
}

impl Deadline {
    pub(crate) fn has_passed(self, now: Duration) -> bool {
        match self {
            Self::Past => true,
            Self::At(deadline) => now > deadline,
        }
    }
}
