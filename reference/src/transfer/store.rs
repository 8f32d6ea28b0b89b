//! Contexts under keys, for a while.
//!
//! ```text
//!  think ──▶ Context ──store("agent-a")──▶ ContextStore ──get("agent-a")──▶ Arc<Context> ──▶ generate
//!                                              │ ended: dropped, and told
//!                                              ▼
//!                                          on_ended(Ended { key, age, ttl })
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::expiring::{Expiring, Found};
use crate::session::{Clock, MonotonicClock, Ttl};

/// Most contexts that a store holds at a time. Contexts of any use weigh megabytes, so memory ends long before; this
/// bounds what a flood of keys with tiny contexts costs in bookkeeping, to some 4 MiB.
pub const MAX_CONTEXTS: usize = 1 << 14;

/// A context that somebody asked for too late (AVP-STO-002).
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its key.
    pub key: String,
    /// How long ago it was stored.
    pub age: Duration,
    /// How long it was to live.
    pub ttl: Ttl,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, age, ttl) = (excerpt(&self.key), self.age.as_secs_f64(), self.ttl.seconds());
        write!(f, "context {key} has ended: stored {age:.1} s ago, to live {ttl:.1} s")
    }
}

type OnEnded = Box<dyn Fn(&Ended) + Send + Sync>;

/// Contexts by key, each with a time to live, safe to share between threads (AVP-STO-004).
///
/// `T` is what is kept: a context of a model runtime, a message, anything. It is handed out shared and never copied. What
/// has ended is dropped when it is looked up, whenever something is stored, and by [`ContextStore::cleanup`].
pub struct ContextStore<T> {
    clock: Box<dyn Clock>,
    default_ttl: Ttl,
    max_contexts: usize,
    on_ended: Option<OnEnded>,
    entries: Mutex<Entries<T>>,
}

type Entries<T> = Expiring<String, Entry<T>>;

struct Entry<T> {
    context: Arc<T>,
    stored: Duration,
    ttl: Ttl,
}

// By hand, since `derive` would want `T: Clone`.
impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { context: Arc::clone(&self.context), stored: self.stored, ttl: self.ttl }
    }
}

impl<T> ContextStore<T> {
    /// An empty store under the machine's monotonic clock, with a default time to live of 300 s (AVP-STO-001).
    pub fn new() -> Self {
        Self::with_clock(MonotonicClock::start(), Ttl::CONTEXT)
    }

    /// An empty store under another clock.
    pub fn with_clock(clock: impl Clock + 'static, default_ttl: Ttl) -> Self {
        Self {
            clock: Box::new(clock),
            default_ttl,
            max_contexts: MAX_CONTEXTS,
            on_ended: None,
            entries: Mutex::default(),
        }
    }

    /// The same store with another bound than [`MAX_CONTEXTS`].
    #[must_use]
    pub fn max_contexts(mut self, max_contexts: usize) -> Self {
        self.max_contexts = max_contexts;
        self
    }

    /// The same store, which tells of every context that was asked for and has ended, so that its loss is not silent: a
    /// host logs it as a warning. The store is not locked meanwhile.
    #[must_use]
    pub fn on_ended(mut self, tell: impl Fn(&Ended) + Send + Sync + 'static) -> Self {
        self.on_ended = Some(Box::new(tell));
        self
    }

    /// No operation leaves the entries half changed, so a panic in another thread is no reason to stop.
    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a context under `key`, for the store's time to live unless it has its own. It replaces what was there, its
    /// time to live included.
    ///
    /// # Errors
    /// `limit_exceeded` when the store is full of other contexts that are alive.
    pub fn store(&self, key: &str, context: impl Into<Arc<T>>, ttl: Option<Ttl>) -> Result<()> {
        let ttl = ttl.unwrap_or(self.default_ttl);
        // Caches are large: what goes is freed after the lock.
        let mut gone = Vec::new();
        let mut entries = self.entries();
        let now = self.clock.now();
        while let Some((_, ended)) = entries.pop_ended(now) {
            gone.push(ended);
        }
        if entries.len() >= self.max_contexts && !entries.holds(key) {
            let expected = format!("at most {} contexts", self.max_contexts);
            return Err(Error::new(ErrorClass::LimitExceeded, "store.key", expected, "one more"));
        }
        let entry = Entry { context: context.into(), stored: now, ttl };
        gone.extend(entries.insert(key.to_owned(), entry, now, ttl));
        drop(entries);
        Ok(())
    }

    /// The context under `key`, when there is one that is alive. One that has ended is dropped, and told of
    /// ([`ContextStore::on_ended`]).
    pub fn get(&self, key: &str) -> Option<Arc<T>> {
        let mut entries = self.entries();
        let now = self.clock.now();
        let found = entries.look_up(key, now);
        drop(entries);
        match found {
            Found::Live(entry) => Some(entry.context),
            Found::Nothing => None,
            Found::Ended(entry) => {
                if let Some(tell) = &self.on_ended {
                    tell(&Ended {
                        key: key.to_owned(),
                        age: now.saturating_sub(entry.stored),
                        ttl: entry.ttl,
                    });
                }
                None
            }
        }
    }

    /// Whether there is a context under `key` that is alive. As [`ContextStore::get`] for one that has ended.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Takes out the context under `key`. Whether it was there and alive.
    pub fn remove(&self, key: &str) -> bool {
        let mut entries = self.entries();
        let now = self.clock.now();
        let found = entries.look_up(key, now);
        let _removed = entries.remove(key);
        drop(entries);
        matches!(found, Found::Live(_))
    }

    /// Takes out everything.
    pub fn clear(&self) {
        let gone = std::mem::take(&mut *self.entries());
        drop(gone);
    }

    /// Keys of the contexts that are alive, oldest first.
    pub fn keys(&self) -> Vec<String> {
        let entries = self.entries();
        let now = self.clock.now();
        entries.live(now).map(|(key, _)| key.clone()).collect()
    }

    /// How many contexts are alive.
    pub fn len(&self) -> usize {
        let entries = self.entries();
        let now = self.clock.now();
        entries.live_count(now)
    }

    /// Whether none is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many contexts are held in memory, alive or not.
    pub fn stored_count(&self) -> usize {
        self.entries().len()
    }

    /// Drops every context that has ended, and says how many these were.
    pub fn cleanup(&self) -> usize {
        let mut gone = Vec::new();
        let mut entries = self.entries();
        let now = self.clock.now();
        while let Some((_, ended)) = entries.pop_ended(now) {
            gone.push(ended);
        }
        drop(entries);
        gone.len()
    }
}

impl<T> Default for ContextStore<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ManualClock;

    /// A store of numbers under a clock of the test's.
    fn timed() -> (Arc<ManualClock>, ContextStore<u32>) {
        let clock = Arc::new(ManualClock::default());
        let store = ContextStore::with_clock(Arc::clone(&clock), Ttl::CONTEXT);
        (clock, store)
    }

    fn seconds(seconds: f64) -> Option<Ttl> {
        Some(Ttl::from_seconds(seconds).unwrap())
    }

    #[test]
    fn lives_for_300_seconds_or_its_own_time() {
        let (clock, store) = timed();
        store.store("a", 1, None).unwrap();
        store.store("b", 2, seconds(1000.0)).unwrap();
        clock.set(Duration::from_secs(300));
        assert_eq!(store.get("a").as_deref(), Some(&1));
        clock.set(Duration::from_secs(301));
        assert_eq!((store.len(), store.stored_count(), store.keys()), (1, 2, vec!["b".to_owned()]));
        assert_eq!((store.get("a"), store.get("b").as_deref()), (None, Some(&2)));
        assert_eq!((store.stored_count(), store.get("c")), (1, None));
    }

    #[test]
    fn storing_again_replaces_value_and_time() {
        let (clock, store) = timed();
        store.store("a", 1, seconds(10.0)).unwrap();
        clock.set(Duration::from_secs(8));
        store.store("a", 2, None).unwrap();
        clock.set(Duration::from_secs(20));
        assert_eq!((store.get("a").as_deref(), store.len()), (Some(&2), 1));
        store.store("a", 3, seconds(-1.0)).unwrap();
        assert_eq!(store.get("a"), None);
    }

    #[test]
    fn the_end_of_a_context_is_told_when_it_is_missed() {
        let (clock, store) = timed();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let store = store.on_ended(move |ended: &Ended| tell.lock().unwrap().push(ended.clone()));
        store.store("a", 1, seconds(1.0)).unwrap();
        assert!(store.contains("a"));
        clock.set(Duration::from_millis(1100));
        assert!(!store.contains("a") && !store.contains("a") && !store.contains("b"));
        let told = told.lock().unwrap();
        let ended = Ended { key: "a".into(), age: Duration::from_millis(1100), ttl: seconds(1.0).unwrap() };
        assert_eq!(*told, [ended]);
        assert_eq!(told[0].to_string(), "context \"a\" has ended: stored 1.1 s ago, to live 1.0 s");
    }

    #[test]
    fn removing_clearing_and_cleaning_up() {
        let (clock, store) = timed();
        for (key, ttl) in [("a", 1.0), ("b", 1.0), ("c", 100.0), ("d", 100.0)] {
            store.store(key, 0, seconds(ttl)).unwrap();
        }
        clock.set(Duration::from_secs(2));
        assert!(!store.remove("a"));
        assert_eq!((store.cleanup(), store.cleanup(), store.stored_count()), (1, 0, 2));
        assert!(store.remove("c") && !store.remove("c") && !store.remove("nope"));
        store.clear();
        assert!(store.is_empty() && store.stored_count() == 0);
    }

    #[test]
    fn what_has_ended_is_freed_when_something_is_stored() {
        let (clock, store) = timed();
        let context = Arc::new(7);
        store.store("a", Arc::clone(&context), seconds(1.0)).unwrap();
        assert_eq!(Arc::strong_count(&context), 2);
        clock.set(Duration::from_secs(2));
        store.store("b", 8, None).unwrap();
        assert_eq!((Arc::strong_count(&context), store.stored_count()), (1, 1));
    }

    #[test]
    fn a_full_store_refuses_other_keys_only() {
        let (clock, store) = timed();
        let store = store.max_contexts(2);
        store.store("a", 1, None).unwrap();
        store.store("b", 2, seconds(10.0)).unwrap();
        assert_eq!(store.store("c", 3, None).unwrap_err().class, ErrorClass::LimitExceeded);
        store.store("a", 4, None).unwrap();
        clock.set(Duration::from_secs(11));
        store.store("c", 3, None).unwrap();
        assert_eq!(store.keys(), ["a", "c"]);
    }

    #[test]
    fn a_listener_may_use_the_store() {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new_cyclic(|this: &std::sync::Weak<ContextStore<u32>>| {
            let this = this.clone();
            ContextStore::with_clock(Arc::clone(&clock), Ttl::CONTEXT).on_ended(move |ended| {
                if let Some(store) = this.upgrade() {
                    assert_eq!(store.len(), 0, "{ended}");
                }
            })
        });
        store.store("a", 1, seconds(1.0)).unwrap();
        clock.set(Duration::from_secs(2));
        assert_eq!(store.get("a"), None);
    }

    /// AVP-STO-004: eight threads lose nothing.
    #[test]
    fn eight_threads() {
        let store = ContextStore::new();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..500 {
                        let key = format!("{thread}/{n}");
                        store.store(&key, n, None).unwrap();
                        assert_eq!(store.get(&key).as_deref(), Some(&n));
                        if n % 2 == 0 {
                            assert!(store.remove(&key));
                        }
                    }
                });
            }
        });
        assert_eq!((store.len(), store.stored_count(), store.keys().len()), (2000, 2000, 2000));
    }
}
