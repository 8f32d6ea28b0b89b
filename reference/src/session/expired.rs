//! What a store remembers of sessions that it no longer holds.

use std::collections::{HashMap, VecDeque};

use super::id::SessionId;
use super::store::Session;

/// How many ids of sessions that expired are remembered, so that their use is told apart from the use of an id that
/// never was (AVP-SES-011).
pub(super) const REMEMBERED_EXPIRED: usize = 1024;

/// Sessions that expired and are no longer held. The oldest are forgotten first.
#[derive(Default)]
pub(super) struct Expired {
    ids: HashMap<SessionId, Gone>,
    oldest_first: VecDeque<SessionId>,
    /// How many a clean-up is still to count, forgotten ones included.
    uncounted: usize,
}

/// What is remembered of one.
struct Gone {
    /// Whether it is still to be counted by a clean-up.
    to_be_counted: bool,
    /// Who opened it.
    holder: String,
}

impl Expired {
    pub(super) fn remember(&mut self, session: &Session, to_be_counted: bool) {
        if self.oldest_first.len() == REMEMBERED_EXPIRED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.uncounted += usize::from(to_be_counted);
        self.oldest_first.push_back(session.id.clone());
        self.ids.insert(session.id.clone(), Gone { to_be_counted, holder: session.holder.clone() });
    }

    /// Somebody asked for that id: it is not news to them any more.
    pub(super) fn asked_for(&mut self, id: &str) {
        if let Some(gone) = self.ids.get_mut(id) {
            self.uncounted -= usize::from(gone.to_be_counted);
            gone.to_be_counted = false;
        }
    }

    pub(super) fn count(&mut self) -> usize {
        self.ids.values_mut().for_each(|gone| gone.to_be_counted = false);
        std::mem::take(&mut self.uncounted)
    }

    /// Whether that session is known to have expired.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }

    /// Whether that session is known to have expired, and to have been opened by that holder.
    pub(super) fn knows_of(&self, id: &str, holder: &str) -> bool {
        self.ids.get(id).is_some_and(|gone| gone.holder == holder)
    }
}
