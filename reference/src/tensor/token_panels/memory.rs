//! Memory that passes reuse: fresh pages have to be cleared by the system, which takes as long as a good part of a product.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Floats in a cache line, which is the widest register, too.
pub(super) const LINE: usize = 16;

/// Buffers that wait at most: a block has fewer alive at a time.
const WAITING: usize = 16;

/// How much larger than asked for a buffer may be: a large one is not spent on a small wish.
const LOOSE: usize = 4;

/// Buffers that wait for whoever needs one next.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Vec<f32>>>);

/// Floats that begin where a cache line does: loads across lines take twice as long. Nothing but speed depends on it.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Vec<f32>,
    start: usize,
    length: usize,
    pool: Arc<Pool>,
}

impl Pool {
    /// A buffer with room for `length` floats, of any value.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let wanted = length + LINE;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |memory: &Vec<f32>| memory.len() >= wanted && memory.len() / LOOSE <= wanted;
        let best = waiting
            .iter()
            .enumerate()
            .filter(|(_, memory)| fits(memory))
            .min_by_key(|(_, memory)| memory.len())
            .map(|(index, _)| index);
        let memory = best.map(|index| waiting.swap_remove(index));
        drop(waiting);
        let memory = memory.unwrap_or_else(|| vec![0.0; wanted]);
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Buffer { memory, start, length, pool: Arc::clone(self) }
    }
}

impl Buffer {
    /// Where the next buffer comes from.
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut waiting = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.push(std::mem::take(&mut self.memory));
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = self.pool.take(self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        let pool = Arc::new(Pool::default());
        let mut first = pool.take(100);
        first.fill(3.0);
        let (at, copy) = (first.as_ptr(), first.clone());
        drop(first);
        let second = pool.take(90);
        assert_eq!((second.as_ptr(), second.len()), (at, 90));
        assert!(second.iter().chain(copy.iter()).all(|value| *value == 3.0));
        assert_eq!(at.align_offset(64), 0);
        // Neither too small a buffer nor far too large a one.
        let places = [second.as_ptr(), copy.as_ptr()];
        drop((second, copy));
        let others = [pool.take(5), pool.take(1000)];
        assert!(others.iter().all(|other| !places.contains(&other.as_ptr())));
        assert_eq!(others.map(|other| other.len()), [5, 1000]);
        assert!((0..2 * WAITING).map(|_| pool.take(64)).collect::<Vec<_>>().len() > WAITING);
        assert!(pool.0.lock().unwrap().len() <= WAITING);
    }
}
