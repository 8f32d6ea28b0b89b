//! Sessions of each peer: one alone can't take them all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rate::{MAX_PEERS, Peer};
use crate::session::Ttl;

/// When the open sessions of each peer end, oldest first. Peers without any are not in it.
pub(super) struct Opened {
    most: usize,
    most_peers: usize,
    ttl: Duration,
    ends: Mutex<HashMap<Peer, VecDeque<Instant>>>,
}

impl Opened {
    /// So many at a time, each for as long as `ttl`.
    pub(super) fn new(most: usize, ttl: Ttl) -> Self {
        // What lives for centuries lives longer than the process.
        let ttl = Duration::try_from_secs_f64(ttl.seconds().clamp(0.0, 1e9)).unwrap_or_default();
        Self { most, most_peers: MAX_PEERS, ttl, ends: Mutex::default() }
    }

    /// Counts one more; the seconds until the peer's oldest one ends when it has too many. When too many peers have some,
    /// a new one waits until those of others are forgotten.
    pub(super) fn open(&self, peer: &Peer, now: Instant) -> Result<(), u64> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() >= self.most_peers && !ends.contains_key(peer) {
            return Err(1);
        }
        let ends = ends.entry(peer.clone()).or_default();
        while ends.front().is_some_and(|end| *end < now) {
            ends.pop_front();
        }
        if let Some(first) = ends.front().filter(|_| ends.len() >= self.most) {
            return Err(first.duration_since(now).as_secs() + 1);
        }
        ends.push_back(now + self.ttl);
        Ok(())
    }

    /// Takes back what was counted last of a peer: there is no such session, or no longer.
    pub(super) fn take_back(&self, peer: &Peer) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_peer) = ends.get_mut(peer) {
            of_peer.pop_back();
            if of_peer.is_empty() {
                ends.remove(peer);
            }
        }
    }

    /// Forgets sessions that have ended.
    pub(super) fn forget_ended(&self, now: Instant) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_, ends| ends.back().is_some_and(|end| *end >= now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_has_too_many_waits_for_its_own() {
        let opened = Opened::new(2, Ttl::from_seconds(10.0).unwrap());
        let (first, second) = (Peer::Token("a".into()), Peer::Token("b".into()));
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert!(opened.open(&first, at(0)).is_ok() && opened.open(&first, at(4)).is_ok());
        assert_eq!(opened.open(&first, at(5)), Err(6));
        assert!(opened.open(&second, at(5)).is_ok());
        assert!(opened.open(&first, at(11)).is_ok());
        assert!(opened.open(&first, at(12)).is_err());
        opened.forget_ended(at(30));
        assert!(opened.ends.lock().unwrap().is_empty());
        // One that was not opened in the end leaves nothing behind.
        opened.open(&first, at(31)).unwrap();
        opened.take_back(&first);
        assert!(opened.ends.lock().unwrap().is_empty());
        // So many peers have some, and who has some already goes on.
        let few = Opened { most_peers: 1, ..Opened::new(2, Ttl::from_seconds(10.0).unwrap()) };
        few.open(&first, at(0)).unwrap();
        assert_eq!(few.open(&second, at(1)), Err(1));
        few.open(&first, at(1)).unwrap();
        few.forget_ended(at(20));
        few.open(&second, at(20)).unwrap();
        // Sessions that end at once are no burden.
        let brief = Opened::new(1, Ttl::from_seconds(-1.0).unwrap());
        assert!((0..10).all(|second| brief.open(&first, at(second)).is_ok()));
        Opened::new(1, Ttl::from_seconds(f64::INFINITY).unwrap()).open(&first, begun).unwrap();
    }
}
