//! What a server takes from its peers, and how long it waits for them.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::received::Received;
use crate::error::{Error, ErrorClass, Result};
use crate::wire::{Limits, UNAUTHENTICATED_MAX_MESSAGE};

/// Bounds of a server. Each holds whatever a peer says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// One message of a peer. Its `max_message` is the largest body of a transmit, answered with 413 beyond.
    pub message: Limits,
    /// Largest body of a handshake, text message or chat completion, in bytes.
    pub max_json: u64,
    /// Bytes of messages that are being received or decoded, and of answers that wait to be read, over all connections.
    /// Beyond: 503; 413 for what does not fit even when there is nothing else.
    pub max_in_flight: u64,
    /// Bytes of contexts that sessions keep, over all sessions. Beyond: 503 until some expire; 413 for a context that
    /// does not fit even alone.
    pub max_kept: u64,
    /// Open connections. Further ones are closed as they come.
    pub max_connections: usize,
    /// Open connections of one address, of IPv6 of its first 64 bits. Further ones are closed as they come.
    pub max_connections_of_one: usize,
    /// Requests that are worked on at a time. Beyond: 503.
    pub max_requests: usize,
    /// Requests of one peer, a token's name or an address, that are worked on at a time. Beyond: 429.
    pub max_requests_of_one: usize,
    /// Streams of one HTTP/2 connection at a time.
    pub max_streams: u32,
    /// Open sessions. Beyond: 503 until some expire.
    pub max_sessions: usize,
    /// Open sessions of one peer, a token's name or an address. Beyond: 429 until its oldest expires, so that one peer
    /// can't keep all others out.
    pub max_sessions_of_one: usize,
    /// Questions to the model that run at a time. A model's threads are shared, so more of them are no faster.
    pub max_answers: usize,
    /// Questions that wait for the model. Beyond: 429.
    pub max_waiting: usize,
    /// Bytes of all headers of a request.
    pub max_headers: u32,
    /// From an open connection to a finished TLS handshake.
    pub tls_timeout: Duration,
    /// From an open connection to the first request; over HTTP/1.1 also from an answer to the next request.
    pub header_timeout: Duration,
    /// From the last answer until an HTTP/2 connection without requests is closed.
    pub idle_timeout: Duration,
    /// Between two pieces of a body.
    pub body_idle_timeout: Duration,
    /// Bytes a second that a body must bring on average once [`Self::body_idle_timeout`] has passed: an upload that
    /// trickles holds memory for as long as it likes otherwise.
    pub min_body_rate: u64,
    /// From the end of a request's body to its answer, its wait for the model included.
    pub answer_timeout: Duration,
    /// Until a peer takes what there is of an answer. Over HTTP/2 also of a long one as a whole, with as long again as
    /// [`Self::min_body_rate`] gives it; over HTTP/1.1 a peer that takes a little of it in time goes on. Whoever asks and
    /// never reads holds a connection for as long as it likes otherwise.
    pub send_timeout: Duration,
    /// How long running requests may take to end once the server is asked to stop.
    pub shutdown_timeout: Duration,
    /// Requests a second of one peer, when limited (AVP-SEC-009): a peer is a token's name, or an address without one.
    pub rate: Option<f64>,
}

impl ServerLimits {
    /// Default of [`Self::max_json`]: 10 MB, as for every message of an unknown peer.
    pub const MAX_JSON: u64 = UNAUTHENTICATED_MAX_MESSAGE;
    /// Default of [`Self::max_in_flight`]: 1 GiB, 64 connections with messages of 10 MB, or two contexts of 390 MiB.
    pub const MAX_IN_FLIGHT: u64 = 1 << 30;
    /// Default of [`Self::max_kept`]: 2 GiB.
    pub const MAX_KEPT: u64 = 2 << 30;
    /// Default of [`Self::max_connections`]: within the 1024 file descriptors that a process may have by default.
    pub const MAX_CONNECTIONS: usize = 512;
    /// Default of [`Self::max_connections_of_one`]: half of all, so that nobody shuts others out alone. A proxy in front has
    /// one address for everybody and needs more.
    pub const MAX_CONNECTIONS_OF_ONE: usize = 256;
    /// Default of [`Self::max_requests`].
    pub const MAX_REQUESTS: usize = 256;
    /// Default of [`Self::max_requests_of_one`]: half of all, so that slow uploads of one peer leave room for others.
    pub const MAX_REQUESTS_OF_ONE: usize = 128;
    /// Default of [`Self::max_streams`]: what RFC 9113 asks servers to allow at least.
    pub const MAX_STREAMS: u32 = 100;
    /// Default of [`Self::max_sessions`]: with names of [`Self::MAX_NAME`] bytes all over, 100 MB.
    pub const MAX_SESSIONS: usize = 1 << 14;
    /// Default of [`Self::max_sessions_of_one`]: a quarter of all.
    pub const MAX_SESSIONS_OF_ONE: usize = Self::MAX_SESSIONS / 4;
    /// Longest name in a hello, in bytes: of an agent, a model, a hash.
    pub const MAX_NAME: usize = 1 << 10;
    /// Default of [`Self::max_waiting`].
    pub const MAX_WAITING: usize = 64;
    /// Default of [`Self::max_headers`]: 16 KiB. The binding's own headers have under 1 KiB.
    pub const MAX_HEADERS: u32 = 16 << 10;
    /// Least and most that [`Self::rate`] can be.
    const LEAST_RATE: f64 = 0.001;
    const MOST_RATE: f64 = 1e6;
    /// Shortest and longest wait: none at all leaves no time to answer in, and beyond it the clock's numbers end.
    const WAITS: RangeInclusive<Duration> =
        Duration::from_millis(1)..=Duration::from_secs(365 * 24 * 60 * 60);
    /// Least that [`Self::max_headers`] can be: below it the HTTP/1.1 parser has no room to work.
    pub const LEAST_HEADERS: u32 = 8 << 10;

    /// Whether a server can work with them.
    ///
    /// # Errors
    /// `configuration`.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |field, expected: &str, found: String| {
            Err(Error::new(ErrorClass::Configuration, field, expected, found))
        };
        if let Some(rate) = self.rate.filter(|&rate| !(Self::LEAST_RATE..=Self::MOST_RATE).contains(&rate)) {
            return wrong("limits.rate", "requests a second, 0.001 to 1000000", rate.to_string());
        }
        if self.max_headers < Self::LEAST_HEADERS {
            return wrong("limits.max_headers", "at least 8192 bytes", self.max_headers.to_string());
        }
        for (field, wait) in [
            ("limits.tls_timeout", self.tls_timeout),
            ("limits.header_timeout", self.header_timeout),
            ("limits.idle_timeout", self.idle_timeout),
            ("limits.body_idle_timeout", self.body_idle_timeout),
            ("limits.answer_timeout", self.answer_timeout),
            ("limits.send_timeout", self.send_timeout),
            // None at all is a server that stops at once.
            ("limits.shutdown_timeout", self.shutdown_timeout.max(*Self::WAITS.start())),
        ] {
            if !Self::WAITS.contains(&wait) {
                return wrong(field, "1 ms to 365 days", format!("{wait:?}"));
            }
        }
        let most = Semaphore::MAX_PERMITS / 2;
        for (field, count) in [
            ("limits.max_connections", self.max_connections),
            ("limits.max_connections_of_one", self.max_connections_of_one),
            ("limits.max_requests", self.max_requests),
            ("limits.max_requests_of_one", self.max_requests_of_one),
            ("limits.max_answers", self.max_answers),
            ("limits.max_waiting", self.max_waiting.max(1)),
            ("limits.max_sessions", self.max_sessions),
            ("limits.max_sessions_of_one", self.max_sessions_of_one),
        ] {
            if !(1..=most).contains(&count) {
                return wrong(field, "at least 1", count.to_string());
            }
        }
        if self.max_streams == 0 {
            return wrong("limits.max_streams", "at least 1", "0".to_owned());
        }
        let need = self.need_in_flight();
        if self.max_in_flight < need {
            let expected =
                format!("at least {need} bytes, what the largest message or body of JSON takes on its way");
            return wrong("limits.max_in_flight", &expected, self.max_in_flight.to_string());
        }
        if self.max_kept < self.message.max_message {
            let expected = format!("at least max_message, {} bytes", self.message.max_message);
            return wrong("limits.max_kept", &expected, self.max_kept.to_string());
        }
        Ok(())
    }

    /// What the largest message takes while it is decoded: itself, what its payload inflates to, its metadata as decoded.
    /// A body of JSON takes twice its length while it grows.
    fn need_in_flight(&self) -> u64 {
        let Limits { max_message, max_payload, max_metadata, .. } = self.message;
        let metadata = Received::decoded_metadata(max_metadata.min(max_message));
        let message = max_message.saturating_add(max_payload).saturating_add(metadata);
        message.max(self.max_json.saturating_mul(2))
    }

    /// The bounds with another largest message, in bytes, its payload included: a contract that allows more than 10 MB
    /// . One of them fits, compressed or not, on its way and in a session.
    #[must_use]
    pub fn with_max_message(mut self, bytes: u64) -> Self {
        self.message.max_message = bytes;
        self.message.max_payload = bytes;
        self.max_in_flight = self.max_in_flight.max(self.need_in_flight());
        let metadata = Received::decoded_metadata(self.message.max_metadata);
        self.max_kept = self.max_kept.max(bytes.saturating_add(metadata));
        self
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            message: Limits::UNAUTHENTICATED,
            max_json: Self::MAX_JSON,
            max_in_flight: Self::MAX_IN_FLIGHT,
            max_kept: Self::MAX_KEPT,
            max_connections: Self::MAX_CONNECTIONS,
            max_connections_of_one: Self::MAX_CONNECTIONS_OF_ONE,
            max_requests: Self::MAX_REQUESTS,
            max_requests_of_one: Self::MAX_REQUESTS_OF_ONE,
            max_streams: Self::MAX_STREAMS,
            max_sessions: Self::MAX_SESSIONS,
            max_sessions_of_one: Self::MAX_SESSIONS_OF_ONE,
            max_answers: 1,
            max_waiting: Self::MAX_WAITING,
            max_headers: Self::MAX_HEADERS,
            tls_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(10),
            min_body_rate: 16 << 10,
            answer_timeout: Duration::from_secs(300),
            send_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(30),
            rate: None,
        }
    }
}
