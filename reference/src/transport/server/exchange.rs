//! What all connections of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::ServerOptions;
use super::chat::unix_time;
use super::guests::Guests;
use super::kept::Kept;
use super::metrics::Metrics;
use super::opened::Opened;
use super::rate::{Peer, Rate};
use super::request_body::MAX_RESTS;
use super::spare::Spare;
use crate::error::{Error, ErrorClass, Result};
use crate::session::{Session, SessionId, SessionStore};
use crate::transport::agent::Agent;
use crate::transport::budget::Budget;
use crate::transport::limits::ServerLimits;
use crate::transport::tokens::Tokens;

/// How often what has ended is dropped.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// The shared state.
pub(super) struct Exchange {
    pub(super) agent: Arc<dyn Agent>,
    pub(super) limits: ServerLimits,
    pub(super) tokens: Tokens,
    pub(super) strict: bool,
    pub(super) sessions: SessionStore,
    pub(super) opened: Opened,
    pub(super) kept: Kept,
    pub(super) rate: Rate,
    pub(super) metrics: Metrics,
    /// Connections of each address.
    pub(super) guests: Arc<Guests>,
    /// Requests of each peer.
    pub(super) asking: Arc<Guests>,
    /// Bytes of messages on their way in.
    pub(super) in_flight: Arc<Budget>,
    /// Buffers for them.
    pub(super) spare: Spare,
    /// Requests that may still begin.
    pub(super) room: Arc<Semaphore>,
    /// Work on other threads.
    pub(super) working: Arc<Semaphore>,
    /// Questions that may run, and those that may wait for it.
    pub(super) answering: Arc<Semaphore>,
    pub(super) waiting: Arc<Semaphore>,
    /// When the server began, in seconds since 1970.
    pub(super) begun: u64,
    /// Rests of refused bodies that may be read.
    pub(super) rests: Arc<Semaphore>,
    run: String,
    requests: AtomicU64,
}

impl Exchange {
    pub(super) fn new(options: ServerOptions, agent: Arc<dyn Agent>) -> Result<Arc<Self>> {
        let ServerOptions { limits, tokens, strict, session_ttl, .. } = options;
        let clock = crate::session::MonotonicClock::start();
        // Tells the requests of one run from those of another in logs.
        let run = SessionId::random()?.as_str()[..8].to_owned();
        Ok(Arc::new(Self {
            agent,
            tokens,
            strict,
            sessions: SessionStore::with_clock(clock, session_ttl).max_sessions(limits.max_sessions),
            opened: Opened::new(limits.max_sessions_of_one, session_ttl),
            kept: Kept::new(limits.max_kept),
            rate: Rate::new(limits.rate),
            metrics: Metrics::default(),
            guests: Guests::new(limits.max_connections_of_one),
            asking: Guests::new(limits.max_requests_of_one),
            in_flight: Budget::new(limits.max_in_flight),
            spare: Spare::default(),
            room: Arc::new(Semaphore::new(limits.max_requests)),
            working: Arc::new(Semaphore::new(limits.max_requests)),
            answering: Arc::new(Semaphore::new(limits.max_answers)),
            waiting: Arc::new(Semaphore::new(limits.max_answers + limits.max_waiting)),
            begun: unix_time(),
            rests: Arc::new(Semaphore::new(MAX_RESTS)),
            run,
            requests: AtomicU64::new(0),
            limits,
        }))
    }

    /// A fresh name for a request.
    pub(super) fn request_id(&self) -> String {
        format!("{}-{}", self.run, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The session that a peer names. `None` for an empty id, and, unless the server is strict, for one that it never
    /// had; a session of another token's holder is one that it never had.
    ///
    /// # Errors
    /// `session_expired`, and from a strict server `session` (AVP-SES-011).
    pub(super) fn session(&self, id: &str, peer: &Peer) -> Result<Option<Arc<Session>>> {
        if id.is_empty() {
            return Ok(None);
        }
        let unknown = || {
            Error::new(
                ErrorClass::Session,
                "session_id",
                "a session that is known",
                crate::error::excerpt(id),
            )
        };
        let found = match self.sessions.require_of(id, peer.holder()) {
            Ok(session) => Ok(Some(session)),
            Err(error) if error.class == ErrorClass::SessionExpired => Err(error),
            Err(_) => Err(unknown()),
        };
        match found {
            Err(error) if error.class == ErrorClass::Session && !self.strict => Ok(None),
            found => found,
        }
    }

    /// Drops what has ended, every so often, until the server stops.
    pub(super) async fn keep_house(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(HOUSEKEEPING) => {}
                _ = stopped.wait_for(|&stopped| stopped) => return,
            }
            self.sessions.reap();
            self.spare.shrink();
            self.opened.forget_ended(Instant::now());
            self.kept.drop_ended(&self.sessions);
            self.rate.forget_quiet();
        }
    }
}
