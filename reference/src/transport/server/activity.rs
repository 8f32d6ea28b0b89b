//! What goes on on a connection, and when it has lasted too long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// Requests of a connection.
#[derive(Default)]
pub(super) struct Activity {
    running: AtomicUsize,
    begun: AtomicUsize,
    changed: Notify,
    answers: AtomicU64,
    /// Answers that wait for the peer to take more of them, and until when.
    waiting: Mutex<HashMap<u64, Instant>>,
}

/// Counts one request for as long as it lives.
pub(super) struct Running(Arc<Activity>);

impl Running {
    pub(super) fn of(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Ordering::Relaxed);
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.changed.notify_one();
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

/// An answer on its way out. While it waits for the peer its time runs.
pub(super) struct Sending {
    activity: Arc<Activity>,
    answer: u64,
}

impl Sending {
    pub(super) fn of(activity: &Arc<Activity>) -> Self {
        Self { activity: Arc::clone(activity), answer: activity.answers.fetch_add(1, Ordering::Relaxed) }
    }

    /// The peer is to take what there is within that time.
    pub(super) fn wait_for_peer(&self, limit: Duration) {
        self.activity.waiting().insert(self.answer, Instant::now() + limit);
    }

    /// The peer has taken all that there is: it waits for us.
    pub(super) fn nothing_to_take(&self) {
        self.activity.waiting().remove(&self.answer);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.nothing_to_take();
    }
}

impl Activity {
    /// Every change is one call, so a panic in another thread leaves nothing half done.
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once there was no request for too long.
    pub(super) async fn quiet(&self, first: Duration, next: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.running.load(Ordering::Relaxed) > 0 {
                changed.await;
                continue;
            }
            let limit = if self.begun.load(Ordering::Relaxed) == 0 { first } else { next };
            if timeout(limit, changed).await.is_err() && self.running.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    /// Returns once an answer has waited for its peer for too long. Looks every `pause`.
    pub(super) async fn unread(&self, pause: Duration) {
        loop {
            sleep(pause).await;
            let now = Instant::now();
            if self.waiting().values().any(|&until| until < now) {
                return;
            }
        }
    }
}
