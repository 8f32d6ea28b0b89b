//! The time of one item under one arm.

use std::time::{Duration, Instant};

/// Runs from its making on, but for what is done apart.
pub(super) struct Clock {
    started: Instant,
    apart: Duration,
    /// Time in which a model or the codec worked.
    busy: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), apart: Duration::ZERO, busy: Duration::ZERO }
    }

    /// Work that is part of the experiment and not of what is measured.
    pub(super) fn apart<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
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
    }

    /// Milliseconds so far: all, and those in which neither a model nor the codec worked.
    pub(super) fn read(&self) -> [f64; 2] {
        let wall = self.started.elapsed().saturating_sub(self.apart);
        [wall, wall.saturating_sub(self.busy)].map(|time| milliseconds(time.as_secs_f64()))
    }
}

/// Seconds as milliseconds, to a microsecond: more digits are the clock's noise.
pub(super) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
