//! The time and the energy of one item under one arm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::energy::{Meter, Usage};

/// Runs from its making on, but for what is done apart.
pub(super) struct Clock<'a> {
    // Begun before the time and read after it: reading counters is in no time.
    usage: Usage<'a>,
    started: Instant,
    apart: Duration,
    /// Time in which a model or the codec worked.
    busy: Duration,
}

/// What a clock and a meter say.
pub(super) struct Spent {
    /// Milliseconds: all, and those in which neither a model nor the codec worked.
    pub(super) times: [f64; 2],
    /// Joules by counter.
    pub(super) energy_j: BTreeMap<String, f64>,
}

impl<'a> Clock<'a> {
    pub(super) fn start(meter: &'a Meter) -> Self {
        let usage = Usage::begin(meter);
        Self { usage, started: Instant::now(), apart: Duration::ZERO, busy: Duration::ZERO }
    }

    /// Work that is part of the experiment and not of what is measured.
    pub(super) fn apart<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        self.usage.count();
        let done = work();
        self.usage.skip();
        self.apart += began.elapsed();
        done
    }

    /// Work of the codec: what it gave, and the milliseconds that it took.
    pub(super) fn codec<T>(&mut self, work: impl FnOnce() -> T) -> (T, f64) {
        let began = Instant::now();
        let done = work();
        let took = began.elapsed();
        self.busy += took;
        (done, milliseconds(took.as_secs_f64()))
    }

    /// Work of a model, as it was told by the runtime, in seconds.
    pub(super) fn model(&mut self, seconds: f64) {
        self.busy += Duration::from_secs_f64(seconds.max(0.0));
        self.tick();
    }

    /// Somebody has been at it for some time.
    pub(super) fn tick(&mut self) {
        self.usage.tick();
    }

    /// What was spent so far.
    pub(super) fn read(&mut self) -> Spent {
        let wall = self.started.elapsed().saturating_sub(self.apart);
        self.usage.count();
        let times = [wall, wall.saturating_sub(self.busy)].map(|time| milliseconds(time.as_secs_f64()));
        Spent { times, energy_j: self.usage.joules() }
    }
}

/// Seconds as milliseconds, to a microsecond: more digits are the clock's noise.
pub(super) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
