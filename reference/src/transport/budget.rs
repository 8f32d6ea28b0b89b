//! Bytes that may be held at a time, over everything that holds some.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bound on bytes. What takes some gives them back when it is dropped.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// Bytes taken from a [`Budget`].
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// So many bytes, none of them taken.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// Bytes that are taken now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A permit for nothing yet.
    #[must_use]
    pub fn permit(self: &Arc<Self>) -> Permit {
        Permit { budget: Arc::clone(self), bytes: 0 }
    }

    /// A permit for so many bytes, when there are as many left.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: u64) -> Option<Permit> {
        let mut permit = self.permit();
        permit.reach(bytes).then_some(permit)
    }

    fn grow(&self, by: u64) -> bool {
        let grown = |used: u64| used.checked_add(by).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }
}

impl Permit {
    /// Brings the permit to so many bytes. False, and nothing changed, when there are not as many left.
    #[must_use]
    pub fn reach(&mut self, bytes: u64) -> bool {
        if bytes <= self.bytes {
            self.budget.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        } else if !self.budget.grow(bytes - self.bytes) {
            return false;
        }
        self.bytes = bytes;
        true
    }

    /// Bytes of this permit.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_permit_is_given_back_with_its_holder() {
        let budget = Budget::new(10);
        let mut first = budget.take(6).unwrap();
        assert!(budget.take(5).is_none());
        assert!(!first.reach(11) && first.bytes() == 6);
        assert!(first.reach(10) && first.reach(2));
        let second = budget.take(8).unwrap();
        assert_eq!(budget.used(), 10);
        drop((first, second));
        assert_eq!(budget.used(), 0);
        assert!(Budget::new(u64::MAX).take(u64::MAX).is_some());
    }

    proptest! {
        #[test]
        fn what_is_used_is_the_sum_and_within_the_limit(limit in 0u64..100, steps in prop::collection::vec((0usize..4, 0u64..60), 0..40)) {
            let budget = Budget::new(limit);
            let mut permits: Vec<Permit> = (0..4).map(|_| budget.permit()).collect();
            for (which, bytes) in steps {
                let before = permits[which].bytes();
                let others: u64 = permits.iter().map(Permit::bytes).sum::<u64>() - before;
                prop_assert_eq!(permits[which].reach(bytes), bytes <= before || others + bytes <= limit);
                prop_assert_eq!(budget.used(), permits.iter().map(Permit::bytes).sum::<u64>());
            }
        }
    }
}
