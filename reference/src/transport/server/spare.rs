//! Buffers of messages that are gone, for those that come.

use std::sync::{Mutex, PoisonError};

/// Smallest buffer that is kept, and how much of a message has to be there before it is given one: below, a fresh one costs
/// nothing, and nobody gets memory for having announced something.
pub(super) const WORTH_KEEPING: usize = 64 << 10;
/// Bytes of buffers that are kept at most: half of what may be on its way in by default, or 64 messages of 8 MiB, so that as many
/// peers at a time find one. The system takes longer to give and to take back the pages of a large buffer than it takes to fill
/// them. What is not needed goes back all the same, see [`Spare::shrink`].
const MAX_SPARE: usize = 512 << 20;
/// How much larger than a message its buffer may be: more would be memory that is held for nothing.
const MOST_TIMES: usize = 2;

/// The buffers.
#[derive(Default)]
pub(super) struct Spare(Mutex<Buffers>);

#[derive(Default)]
struct Buffers {
    /// Those that were used last stand last.
    free: Vec<Vec<u8>>,
    bytes: usize,
    /// The fewest bytes that were free since somebody looked: nobody has needed them.
    idle: usize,
}

impl Spare {
    /// An empty buffer for a message of so many bytes, when there is one that fits.
    pub(super) fn take(&self, len: usize) -> Option<Vec<u8>> {
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<u8>| (len..=len.saturating_mul(MOST_TIMES)).contains(&buffer.capacity());
        let at = buffers.free.iter().rposition(fits)?;
        let buffer = buffers.free.remove(at);
        buffers.bytes -= buffer.capacity();
        buffers.idle = buffers.idle.min(buffers.bytes);
        Some(buffer)
    }

    /// Keeps a buffer, if there is room.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() >= WORTH_KEEPING && buffers.bytes + buffer.capacity() <= MAX_SPARE {
            buffers.bytes += buffer.capacity();
            buffers.free.push(buffer);
        }
    }

    /// Gives back to the system what nobody has needed since this was called last.
    pub(super) fn shrink(&self) {
        let mut gone = Vec::new();
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = buffers.idle;
        // Those that were used longest ago.
        while let Some(first) = buffers.free.first().map(Vec::capacity).filter(|&first| first <= left) {
            left -= first;
            buffers.bytes -= first;
            gone.push(buffers.free.remove(0));
        }
        buffers.idle = buffers.bytes;
        drop(buffers);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_fit_are_bounded_and_go_when_nobody_needs_them() {
        let spare = Spare::default();
        let held = || spare.0.lock().unwrap().bytes;
        spare.give(vec![1; WORTH_KEEPING - 1]);
        assert_eq!(held(), 0);
        spare.give(vec![1; 100_000]);
        spare.give(vec![1; 1_000_000]);
        assert!(spare.take(1_000_001).is_none() && spare.take(49_999).is_none());
        let taken = spare.take(60_000).unwrap();
        assert_eq!((taken.len(), taken.capacity(), held()), (0, 100_000, 1_000_000));
        spare.give(taken);

        let large = || Vec::with_capacity(MAX_SPARE / 4);
        for _ in 0..10 {
            spare.give(large());
        }
        assert!((MAX_SPARE / 2..=MAX_SPARE).contains(&held()));

        // One look learns what there is, what was not taken until the next goes.
        spare.shrink();
        let taken = spare.take(1_000_000).unwrap();
        spare.give(taken);
        spare.shrink();
        assert_eq!(held(), 1_000_000);
        spare.shrink();
        assert_eq!(held(), 0);
    }
}
