//! Drops expired sessions in the background.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::store::SessionStore;

/// A thread that cleans a store every so often, until it is dropped (AVP-SES-010).
///
/// A store without one stays right: expired sessions are never returned, and creating a session drops them. The thread
/// gives memory back where no session is created for long.
#[derive(Debug)]
pub struct Reaper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Reaper {
    /// A minute: a store grows by a minute's expired sessions at most, and waking up costs nothing.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

    /// Starts to clean `store` every `interval` of real time, whatever the store's own clock.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(store: Arc<SessionStore>, interval: Duration) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let signal = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("avp-session-reaper".to_owned()).spawn(move || {
            let (stopped, changed) = &*signal;
            let mut guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
            while !*guard {
                let (next, timeout) =
                    changed.wait_timeout(guard, interval).unwrap_or_else(PoisonError::into_inner);
                guard = next;
                if timeout.timed_out() {
                    store.reap();
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends at once; a panic in it has nothing that is left half done.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::session::resolve::SessionMode;
    use crate::session::store::NewSession;
    use crate::session::ttl::Ttl;

    #[test]
    fn expired_sessions_go_without_anyone_asking() {
        let store = Arc::new(SessionStore::new());
        let reaper = Reaper::start(Arc::clone(&store), Duration::from_millis(5)).unwrap();
        for _ in 0..100 {
            let new = NewSession {
                agents: Vec::new(),
                identities: Vec::new(),
                mode: SessionMode::Json,
                avp_map_id: String::new(),
                ttl: Some(Ttl::from_seconds(0.02).unwrap()),
                holder: String::new(),
            };
            store.create(new).unwrap();
        }
        let begun = Instant::now();
        while store.stored_count() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} left", store.stored_count());
            std::thread::yield_now();
        }
        drop(reaper);
        assert_eq!(Arc::strong_count(&store), 1);
    }
}
