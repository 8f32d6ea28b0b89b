//! Connections, and requests, of each peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rate::Peer;

/// How many connections or requests each peer has, so that one of them can't take all that there are.
pub(super) struct Guests {
    most: usize,
    open: Mutex<HashMap<Peer, usize>>,
}

/// One of them, for as long as it lives.
pub(super) struct Guest {
    guests: Arc<Guests>,
    peer: Peer,
}

impl Guests {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Peer, usize>> {
        // Counted up and down in single steps: nothing is half done after a panic in another thread.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when the peer has as many as it may.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Guest> {
        let mut open = self.open();
        let count = open.entry(peer.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Guest { guests: Arc::clone(self), peer })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.guests.open();
        let left = open.get_mut(&self.peer).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            open.remove(&self.peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_apart_and_forgotten() {
        let guests = Guests::new(2);
        let peer = |address: &str| Peer::of_address(address.parse().unwrap());
        let first = guests.admit(peer("192.0.2.1")).unwrap();
        let second = guests.admit(peer("192.0.2.1")).unwrap();
        assert!(guests.admit(peer("192.0.2.1")).is_none());
        let other = guests.admit(peer("192.0.2.2")).unwrap();
        drop(first);
        assert!(guests.admit(peer("192.0.2.1")).is_some());
        drop((second, other));
        assert!(guests.open().is_empty());
    }
}
