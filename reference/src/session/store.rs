//! Sessions and where they are kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::{Clock, MonotonicClock};
use super::expired::Expired;
use super::id::SessionId;
use super::identity::ModelIdentity;
use super::resolve::{Resolution, SessionMode};
use super::ttl::Ttl;
use crate::error::{Error, ErrorClass, Result};
use crate::expiring::{Expiring, Found};

/// Most sessions that a store holds at a time: whoever may open sessions can't fill the memory by it. A session with
/// two identities takes about 1 KiB.
pub const MAX_SESSIONS: usize = 1 << 17;

/// What a session is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Who takes part.
    pub agents: Vec<String>,
    /// Their identities, in the same order; may be fewer.
    pub identities: Vec<ModelIdentity>,
    /// How they talk.
    pub mode: SessionMode,
    /// Which map the sender applies. Empty when none.
    pub avp_map_id: String,
    /// In place of the store's own.
    pub ttl: Option<Ttl>,
    /// Who opened it, as the carrier has proven: nobody else is given what it keeps. Empty when nothing was proven.
    pub holder: String,
}

impl NewSession {
    /// From what a handshake resolved to, between these two agents.
    pub fn from_resolution(local_agent: &str, remote_agent: &str, resolution: &Resolution) -> Self {
        Self {
            agents: vec![local_agent.to_owned(), remote_agent.to_owned()],
            identities: vec![resolution.local.clone(), resolution.remote.clone()],
            mode: resolution.mode,
            avp_map_id: resolution.avp_map_id.clone(),
            ttl: None,
            holder: String::new(),
        }
    }
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who takes part.
    pub agents: Vec<String>,
    /// Their identities, in the same order; may be fewer.
    pub identities: Vec<ModelIdentity>,
    /// How they talk.
    pub mode: SessionMode,
    /// Which map the sender applies. Empty when none.
    pub avp_map_id: String,
    /// Who opened it, as the carrier has proven. Empty when nothing was proven.
    pub holder: String,
    /// When it was opened, by the store's clock.
    pub created: Duration,
    /// How long it lives.
    pub ttl: Ttl,
}

/// Open sessions, safe to share between threads (AVP-SES-009).
///
/// Expired sessions are dropped when they are looked up, whenever a session is created, by
/// [`SessionStore::cleanup`], and by a [`super::Reaper`] when one runs (AVP-SES-010).
pub struct SessionStore {
    clock: Box<dyn Clock>,
    default_ttl: Ttl,
    max_sessions: usize,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    open: Expiring<SessionId, Arc<Session>>,
    expired: Expired,
}

impl Sessions {
    /// Drops what has expired, for a clean-up to count.
    fn reap(&mut self, now: Duration) {
        while let Some((_, session)) = self.open.pop_ended(now) {
            self.expired.remember(&session, true);
        }
    }

    /// The session, when alive. One that is not is dropped.
    fn live(&mut self, id: &str, now: Duration) -> Option<Arc<Session>> {
        match self.open.look_up(id, now) {
            Found::Live(session) => return Some(session),
            Found::Ended(session) => self.expired.remember(&session, false),
            Found::Nothing => self.expired.asked_for(id),
        }
        None
    }
}

impl SessionStore {
    /// An empty store under the machine's monotonic clock, with a default time to live of one hour.
    pub fn new() -> Self {
        Self::with_clock(MonotonicClock::start(), Ttl::DEFAULT)
    }

    /// An empty store under another clock.
    pub fn with_clock(clock: impl Clock + 'static, default_ttl: Ttl) -> Self {
        Self { clock: Box::new(clock), default_ttl, max_sessions: MAX_SESSIONS, sessions: Mutex::default() }
    }

    /// The same store with another bound than [`MAX_SESSIONS`].
    #[must_use]
    pub fn max_sessions(mut self, max_sessions: usize) -> Self {
        self.max_sessions = max_sessions;
        self
    }

    /// No operation leaves the sessions half changed, so a panic in another thread is no reason to stop.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session under a fresh id. Drops expired ones first.
    ///
    /// # Errors
    /// `limit_exceeded` when the store is full, `session` when there are no random bytes for the id.
    pub fn create(&self, new: NewSession) -> Result<Arc<Session>> {
        self.open(SessionId::random()?, new)
    }

    /// Opens a session under an id that is already agreed on, from a resolution or by the peer. It replaces a session
    /// of the same id.
    ///
    /// # Errors
    /// `limit_exceeded` when the store is full.
    pub fn open(&self, id: SessionId, new: NewSession) -> Result<Arc<Session>> {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        sessions.reap(now);
        if sessions.open.len() >= self.max_sessions {
            return Err(Error::new(
                ErrorClass::LimitExceeded,
                "session",
                format!("at most {} open sessions", self.max_sessions),
                "one more",
            ));
        }
        let session = Arc::new(Session {
            id,
            agents: new.agents,
            identities: new.identities,
            mode: new.mode,
            avp_map_id: new.avp_map_id,
            holder: new.holder,
            created: now,
            ttl: new.ttl.unwrap_or(self.default_ttl),
        });
        // An id that is given twice names the later session only.
        sessions.open.insert(session.id.clone(), Arc::clone(&session), now, session.ttl);
        Ok(session)
    }

    /// The session of that id, when there is one that is alive.
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        sessions.live(id, now)
    }

    /// The session of that id, where one is needed.
    ///
    /// # Errors
    /// `session_expired` when it was there and has expired, `session` when it never was. Both carry the id.
    pub fn require(&self, id: &str) -> Result<Arc<Session>> {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        sessions.live(id, now).ok_or_else(|| {
            if sessions.expired.knows(id) {
                Error::new(ErrorClass::SessionExpired, "session_id", "a session that is alive", id)
            } else {
                Error::new(ErrorClass::Session, "session_id", "a session that is known", id)
            }
        })
    }

    /// The session of that id, where a holder names it: somebody else's is one that is not known, before and after it has
    /// expired.
    ///
    /// # Errors
    /// As [`SessionStore::require`].
    pub fn require_of(&self, id: &str, holder: &str) -> Result<Arc<Session>> {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        let live = sessions.live(id, now);
        let (class, expected) = match live {
            Some(session) if session.holder == holder => return Ok(session),
            None if sessions.expired.knows_of(id, holder) => {
                (ErrorClass::SessionExpired, "a session that is alive")
            }
            _ => (ErrorClass::Session, "a session that is known"),
        };
        Err(Error::new(class, "session_id", expected, id))
    }

    /// Ends a session. Whether it was there and alive.
    pub fn invalidate(&self, id: &str) -> bool {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        sessions.live(id, now).is_some() && sessions.open.remove(id).is_some()
    }

    /// The live sessions in which that agent takes part, oldest first.
    pub fn find(&self, agent: &str) -> Vec<Arc<Session>> {
        let sessions = self.sessions();
        let now = self.clock.now();
        let live = sessions.open.live(now).map(|(_, session)| session);
        live.filter(|session| session.agents.iter().any(|name| name == agent)).map(Arc::clone).collect()
    }

    /// Drops every expired session and says how many have expired since the last clean-up, looked-up ones aside. Those
    /// that the store dropped by itself meanwhile count too, so the number does not depend on when that happened.
    pub fn cleanup(&self) -> usize {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        sessions.reap(now);
        sessions.expired.count()
    }

    /// Drops every expired session: what a [`super::Reaper`] does. The next [`SessionStore::cleanup`] counts them.
    pub fn reap(&self) {
        let mut sessions = self.sessions();
        let now = self.clock.now();
        sessions.reap(now);
    }

    /// How many sessions are alive.
    pub fn active_count(&self) -> usize {
        let sessions = self.sessions();
        let now = self.clock.now();
        sessions.open.live_count(now)
    }

    /// How many sessions are held in memory, alive or not.
    pub fn stored_count(&self) -> usize {
        self.sessions().open.len()
    }
}

impl Default for SessionStore {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::clock::ManualClock;
    use crate::session::expired::REMEMBERED_EXPIRED;

    fn new(agents: &[&str], ttl: Option<f64>) -> NewSession {
        NewSession {
            agents: agents.iter().map(|&agent| agent.to_owned()).collect(),
            identities: Vec::new(),
            mode: SessionMode::Latent,
            avp_map_id: String::new(),
            ttl: ttl.map(|seconds| Ttl::from_seconds(seconds).unwrap()),
            holder: String::new(),
        }
    }

    struct Timed {
        clock: Arc<ManualClock>,
        store: SessionStore,
    }

    impl Timed {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::default());
            clock.set(Duration::from_secs(1000));
            Self { store: SessionStore::with_clock(Arc::clone(&clock), Ttl::DEFAULT), clock }
        }

        fn at(&self, seconds: f64) -> &SessionStore {
            self.clock.set(Duration::from_secs(1000) + Duration::from_secs_f64(seconds));
            &self.store
        }
    }

    #[test]
    fn alive_at_exactly_its_ttl() {
        let timed = Timed::new();
        let id = timed.store.create(new(&[], Some(10.0))).unwrap().id.clone();
        assert!(timed.at(9.9).get(id.as_str()).is_some());
        assert!(timed.at(10.0).get(id.as_str()).is_some());
        assert!(timed.at(10.000_000_001).get(id.as_str()).is_none());
        assert_eq!(timed.store.stored_count(), 0);
        assert!(timed.store.get("nope").is_none());
    }

    #[test]
    fn no_clock_but_the_stores_own_ends_sessions() {
        let timed = Timed::new();
        let id = timed.store.create(new(&[], Some(1e-6))).unwrap().id.clone();
        // Every other clock goes on meanwhile.
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1) {
            std::thread::yield_now();
        }
        assert!(timed.store.get(id.as_str()).is_some());
        assert_eq!(timed.store.cleanup(), 0);
        assert!(timed.at(1.0).get(id.as_str()).is_none());
    }

    #[test]
    fn zero_and_negative_ttl() {
        let timed = Timed::new();
        let zero = timed.store.create(new(&[], Some(0.0))).unwrap();
        assert!(timed.store.get(zero.id.as_str()).is_some());
        assert!(timed.at(1e-6).get(zero.id.as_str()).is_none());
        let negative = timed.store.create(new(&[], Some(-1.0))).unwrap();
        assert!(timed.store.get(negative.id.as_str()).is_none());
        assert_eq!(timed.store.active_count(), 0);
        assert!(Ttl::from_seconds(f64::NAN).is_err());
        assert_eq!(Ttl::DEFAULT.seconds(), 3600.0);
        let forever = timed.store.create(new(&[], Some(f64::INFINITY))).unwrap();
        assert!(timed.at(1e9).get(forever.id.as_str()).is_some());
    }

    #[test]
    fn find_cleanup_and_count() {
        let timed = Timed::new();
        timed.store.create(new(&["a", "b"], Some(5.0))).unwrap();
        let second = timed.store.create(new(&["a", "c"], Some(50.0))).unwrap();
        timed.store.create(new(&["b", "c"], Some(5.0))).unwrap();
        assert_eq!(timed.store.find("a").len(), 2);
        let later = timed.at(6.0);
        assert_eq!(later.find("a"), [Arc::clone(&second)]);
        assert_eq!((later.active_count(), later.stored_count()), (1, 3));
        assert_eq!(later.cleanup(), 2);
        assert_eq!((later.active_count(), later.stored_count(), later.cleanup()), (1, 1, 0));
        assert!(later.invalidate(second.id.as_str()));
        assert!(!later.invalidate(second.id.as_str()));
        assert!(!later.invalidate("nope"));
    }

    #[test]
    fn creating_drops_expired_sessions() {
        let timed = Timed::new();
        for _ in 0..10_000 {
            timed.store.create(new(&[], Some(0.1))).unwrap();
        }
        assert_eq!(timed.store.stored_count(), 10_000);
        timed.at(0.2).create(new(&[], None)).unwrap();
        assert_eq!(timed.store.stored_count(), 1);
    }

    #[test]
    fn a_cleanup_counts_what_the_store_dropped_by_itself() {
        let timed = Timed::new();
        let ids: Vec<_> =
            (0..5).map(|_| timed.store.create(new(&[], Some(1.0))).unwrap().id.clone()).collect();
        timed.at(2.0).reap();
        assert_eq!(timed.store.stored_count(), 0);
        // Two of them are asked for, one of these twice.
        assert!(timed.store.get(ids[0].as_str()).is_none());
        assert!(!timed.store.invalidate(ids[1].as_str()));
        assert!(timed.store.get(ids[0].as_str()).is_none());
        assert_eq!((timed.store.cleanup(), timed.store.cleanup()), (3, 0));
    }

    #[test]
    fn expired_sessions_are_forgotten_in_the_end() {
        let timed = Timed::new();
        let first = timed.store.create(new(&[], Some(1.0))).unwrap().id.clone();
        for _ in 0..REMEMBERED_EXPIRED {
            timed.store.create(new(&[], Some(1.0))).unwrap();
        }
        let store = timed.at(2.0);
        store.reap();
        assert_eq!(store.require(first.as_str()).unwrap_err().class, ErrorClass::Session);
        assert_eq!(store.cleanup(), REMEMBERED_EXPIRED + 1);
    }

    #[test]
    fn expired_and_unknown_are_told_apart() {
        let timed = Timed::new();
        let id = timed.store.create(new(&[], Some(1.0))).unwrap().id.clone();
        assert!(timed.store.require(id.as_str()).is_ok());
        let store = timed.at(2.0);
        let error = store.require(id.as_str()).unwrap_err();
        assert_eq!((error.class, error.found.as_str()), (ErrorClass::SessionExpired, id.as_str()));
        // Also when something else has dropped it meanwhile.
        store.cleanup();
        assert_eq!(store.require(id.as_str()).unwrap_err().class, ErrorClass::SessionExpired);
        assert_eq!(store.require("nope").unwrap_err().class, ErrorClass::Session);
        let ended = store.create(new(&[], None)).unwrap().id.clone();
        assert!(store.invalidate(ended.as_str()));
        assert_eq!(store.require(ended.as_str()).unwrap_err().class, ErrorClass::Session);
    }

    #[test]
    fn a_full_store_refuses() {
        let timed = Timed::new();
        let store = timed.store.max_sessions(2);
        store.create(new(&[], Some(1.0))).unwrap();
        store.create(new(&[], None)).unwrap();
        assert_eq!(store.create(new(&[], None)).unwrap_err().class, ErrorClass::LimitExceeded);
        timed.clock.set(Duration::from_secs(2000));
        assert!(store.create(new(&[], None)).is_ok());
    }

    #[test]
    fn an_agreed_id_is_kept_and_replaces() {
        let timed = Timed::new();
        let id = SessionId::from_peer("sess-1").unwrap();
        timed.store.open(id.clone(), new(&["a"], Some(1.0))).unwrap();
        timed.store.open(id, new(&["b"], None)).unwrap();
        assert_eq!(timed.at(2.0).get("sess-1").unwrap().agents, ["b"]);
        assert_eq!(timed.store.stored_count(), 1);
    }

    /// AVP-SES-009: no update is lost between 16 threads.
    #[test]
    fn sixteen_threads() {
        let store = SessionStore::new();
        let removed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|thread| {
                    let store = &store;
                    scope.spawn(move || {
                        let agent = format!("agent-{thread}");
                        let mut removed = 0;
                        for n in 0..1000 {
                            let session = store.create(new(&[&agent], None)).unwrap();
                            assert_eq!(store.get(session.id.as_str()).unwrap(), session);
                            if n % 2 == 0 {
                                removed += usize::from(store.invalidate(session.id.as_str()));
                            }
                        }
                        assert_eq!(store.find(&agent).len(), 500);
                        removed
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((removed, store.active_count(), store.stored_count()), (8000, 8000, 8000));
    }
}
