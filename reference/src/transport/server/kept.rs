//! Contexts that sessions keep.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::session::{SessionId, SessionStore};
use crate::transport::budget::{Budget, Permit};
use crate::transport::received::Received;

/// The last context of each session, within a bound on all their bytes. It lives as long as its session.
pub(super) struct Kept {
    budget: Arc<Budget>,
    contexts: Mutex<HashMap<SessionId, Arc<Received>>>,
}

impl Kept {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { budget: Budget::new(max_bytes), contexts: Mutex::default() }
    }

    /// No operation leaves the contexts half changed, so a panic in another thread is no reason to stop.
    fn contexts(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Received>>> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a context in place of the session's last one. False when there is no room, even without those of sessions
    /// that have ended: then the last one stays.
    #[must_use]
    pub(super) fn keep(&self, id: &SessionId, context: Received, sessions: &SessionStore) -> bool {
        let Some(room) = self.room(context.held(), sessions) else { return false };
        self.put(id, context, room);
        true
    }

    /// Room for so many bytes, that of sessions that have ended included.
    pub(super) fn room(&self, bytes: u64, sessions: &SessionStore) -> Option<Permit> {
        self.budget.take(bytes).or_else(|| {
            self.drop_ended(sessions);
            self.budget.take(bytes)
        })
    }

    /// Keeps a context in the room that was made for it, in place of the session's last one.
    pub(super) fn put(&self, id: &SessionId, mut context: Received, room: Permit) {
        context.hold(room);
        // Contexts are large: the last one is freed after the lock.
        let replaced = self.contexts().insert(id.clone(), Arc::new(context));
        drop(replaced);
    }

    /// The context of a session.
    pub(super) fn of(&self, id: &SessionId) -> Option<Arc<Received>> {
        self.contexts().get(id.as_str()).map(Arc::clone)
    }

    /// Drops contexts of sessions that have ended.
    pub(super) fn drop_ended(&self, sessions: &SessionStore) {
        let ids: Vec<SessionId> = self.contexts().keys().cloned().collect();
        let ended: Vec<SessionId> =
            ids.into_iter().filter(|id| sessions.get(id.as_str()).is_none()).collect();
        let mut contexts = self.contexts();
        let gone: Vec<_> = ended.iter().filter_map(|id| contexts.remove(id.as_str())).collect();
        drop(contexts);
        drop(gone);
    }

    /// Bytes of contexts, those included that a question still reads though their session has ended.
    pub(super) fn bytes(&self) -> u64 {
        self.budget.used()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::{ManualClock, NewSession, SessionMode, Ttl};
    use crate::wire::{Encoder, Limits, Metadata};

    fn context(len: usize) -> Received {
        let bytes = Encoder::new().encode(&Metadata::default(), &vec![7; len]).unwrap();
        Received::decode(bytes, Limits::default()).unwrap()
    }

    #[test]
    fn contexts_live_with_their_sessions_and_within_the_bound() {
        let clock = Arc::new(ManualClock::default());
        let sessions = SessionStore::with_clock(Arc::clone(&clock), Ttl::from_seconds(10.0).unwrap());
        let open = || {
            let new = NewSession {
                agents: Vec::new(),
                identities: Vec::new(),
                mode: SessionMode::Latent,
                avp_map_id: String::new(),
                ttl: None,
                holder: String::new(),
            };
            sessions.create(new).unwrap().id.clone()
        };
        let kept = Kept::new(25_000);
        let (first, second) = (open(), open());
        assert!(kept.keep(&first, context(10_000), &sessions));
        assert!(kept.keep(&second, context(10_000), &sessions));
        // The third is refused, and what was there stays.
        assert!(!kept.keep(&first, context(10_000), &sessions));
        let read = kept.of(&first).unwrap();
        assert_eq!(read.payload().len(), 10_000);

        clock.set(Duration::from_secs(11));
        let third = open();
        // What is still read counts.
        assert!(kept.keep(&third, context(10_000), &sessions));
        assert!(kept.of(&first).is_none() && kept.of(&second).is_none());
        assert!(kept.bytes() > 20_000);
        drop(read);
        assert!(kept.bytes() < 15_000);
        // Replacing gives the room of the last one back once it is in place.
        assert!(kept.keep(&third, context(12_000), &sessions));
        assert_eq!(kept.of(&third).unwrap().payload().len(), 12_000);
        assert!(kept.bytes() < 15_000);
    }
}
