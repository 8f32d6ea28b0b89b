//! Bytes, times, bandwidth → when a hand-off pays.
//!
//! An arm's answer takes
//!
//! ```text
//! T(B) = compute + codec + hops · RTT + 8 · bytes / B
//! ```
//!
//! on a link of B bits a second: `compute` and `codec` as measured, the wire's part from its size alone. Latent pays against another
//! arm where its T is smaller, that is, where `bytes/B + RTT + codec` stays below what the receiver saves. Both are equally fast at
//!
//! ```text
//! B* = 8 · (bytes − bytes′) / saved,   saved = (compute′ + codec′ + hops′ · RTT) − (compute + codec + hops · RTT)
//! ```
//!
//! with ′ for the other arm. Where an arm sends more and saves nothing, no link makes it pay, and that is said. The model leaves out
//! what overlaps: sending layers while later ones are computed, and links that other traffic is on.

use serde::Serialize;

/// Links of the sweep, in bits a second: from a phone's uplink to a rack's fabric.
pub const BANDWIDTHS: [f64; 17] =
    [1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 5e9, 1e10, 2.5e10, 1e11, 2e11, 4e11];

/// Round trips, in milliseconds: in a rack, in a region, between continents.
pub const ROUND_TRIPS_MS: [f64; 3] = [0.1, 10.0, 100.0];

/// What an arm needs for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Demand {
    /// Milliseconds without the codec.
    pub compute_ms: f64,
    /// Milliseconds of making and reading messages.
    pub codec_ms: f64,
    /// Bytes on the wire.
    pub bytes: f64,
    /// Messages.
    pub hops: f64,
}

impl Demand {
    /// Milliseconds of one answer on a link.
    #[must_use]
    pub fn milliseconds(&self, bits_a_second: f64, round_trip_ms: f64) -> f64 {
        self.fixed(round_trip_ms) + 8.0 * self.bytes / bits_a_second * 1000.0
    }

    fn fixed(&self, round_trip_ms: f64) -> f64 {
        self.compute_ms + self.codec_ms + self.hops * round_trip_ms
    }
}

/// From which link on an arm is the faster one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "bits_a_second")]
pub enum Crossover {
    /// On every link.
    Always,
    /// On none.
    Never,
    /// On links faster than that, in bits a second.
    Above(f64),
    /// On links slower than that: it sends less, and takes longer otherwise.
    Below(f64),
}

/// From which link on `arm` is faster than `other`.
#[must_use]
pub fn crossover(arm: &Demand, other: &Demand, round_trip_ms: f64) -> Crossover {
    let saved = (other.fixed(round_trip_ms) - arm.fixed(round_trip_ms)) / 1000.0;
    let bits = 8.0 * (arm.bytes - other.bytes);
    if saved > 0.0 {
        if bits > 0.0 { Crossover::Above(bits / saved) } else { Crossover::Always }
    } else if bits < 0.0 && saved < 0.0 {
        Crossover::Below(bits / saved)
    } else if bits < 0.0 {
        Crossover::Always
    } else {
        Crossover::Never
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demand() -> impl Strategy<Value = Demand> {
        (0.0_f64..1e4, 0.0_f64..100.0, 0.0_f64..1e8, 0.0_f64..4.0)
            .prop_map(|(compute_ms, codec_ms, bytes, hops)| Demand { compute_ms, codec_ms, bytes, hops })
    }

    #[test]
    fn ten_megabytes_that_save_a_tenth_of_a_second() {
        // 10 MB and 20 ms of codec against text that takes 120 ms longer: 80 Mbit in 100 ms is 800 Mb/s.
        let latent = Demand { compute_ms: 880.0, codec_ms: 20.0, bytes: 1e7, hops: 1.0 };
        let text = Demand { compute_ms: 1000.0, codec_ms: 0.0, bytes: 0.0, hops: 1.0 };
        let Crossover::Above(found) = crossover(&latent, &text, 10.0) else { panic!("a crossover") };
        assert!((found - 8e8).abs() < 1.0, "{found}");
        assert_eq!(crossover(&text, &latent, 10.0), Crossover::Below(found));
        let slow = Demand { compute_ms: 1000.0, ..latent };
        assert_eq!(crossover(&slow, &text, 10.0), Crossover::Never);
        assert_eq!(crossover(&text, &slow, 10.0), Crossover::Always);
    }

    proptest! {
        #[test]
        fn the_sweep_agrees(arm in demand(), other in demand(), rtt in 0.0_f64..200.0) {
            let found = crossover(&arm, &other, rtt);
            for bandwidth in BANDWIDTHS {
                let gap = other.milliseconds(bandwidth, rtt) - arm.milliseconds(bandwidth, rtt);
                let faster = match found {
                    Crossover::Always => true,
                    Crossover::Never => false,
                    Crossover::Above(limit) => bandwidth > limit,
                    Crossover::Below(limit) => bandwidth < limit,
                };
                prop_assert!(gap.abs() < 1e-6 || faster == (gap > 0.0), "{found:?} {gap}");
            }
        }
    }
}
