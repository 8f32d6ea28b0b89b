//! A map whose entries end: what the stores of sessions and of contexts have in common.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use crate::session::ttl::{Deadline, Ttl};

/// Place in the order of deadlines; the number tells equal deadlines apart and counts insertions.
type Turn = (Deadline, u64);

/// Values under keys, each with a time to live, also in the order in which they end. It has no clock: every call is told
/// the time.
pub(crate) struct Expiring<K, V> {
    by_key: HashMap<K, (Turn, V)>,
    by_deadline: BTreeMap<Turn, K>,
    inserted: u64,
}

/// What a look-up finds.
pub(crate) enum Found<V> {
    /// It is alive.
    Live(V),
    /// It has ended and is taken out.
    Ended(V),
    /// There is no such key.
    Nothing,
}

impl<K, V> Default for Expiring<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_deadline: BTreeMap::new(), inserted: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> Expiring<K, V> {
    /// Adds an entry that lives from `now` on. It replaces one of the same key, which comes back.
    pub(crate) fn insert(&mut self, key: K, value: V, now: Duration, ttl: Ttl) -> Option<V> {
        let turn = (ttl.deadline(now), self.inserted);
        self.inserted += 1;
        let replaced = self.remove(&key);
        self.by_deadline.insert(turn, key.clone());
        self.by_key.insert(key, (turn, value));
        replaced
    }

    /// Takes an entry out, alive or not.
    pub(crate) fn remove<Q: ?Sized + Eq + Hash>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (turn, value) = self.by_key.remove(key)?;
        self.by_deadline.remove(&turn);
        Some(value)
    }

    /// The entry, when alive. One that is not is taken out.
    pub(crate) fn look_up<Q: ?Sized + Eq + Hash>(&mut self, key: &Q, now: Duration) -> Found<V>
    where
        K: Borrow<Q>,
        V: Clone,
    {
        match self.by_key.get(key) {
            None => Found::Nothing,
            Some((turn, value)) if !turn.0.has_passed(now) => Found::Live(value.clone()),
            Some(_) => self.remove(key).map_or(Found::Nothing, Found::Ended),
        }
    }

    /// Takes out the entry that ended first, if one has.
    pub(crate) fn pop_ended(&mut self, now: Duration) -> Option<(K, V)> {
        let first = self.by_deadline.first_entry().filter(|first| first.key().0.has_passed(now))?;
        let key = first.remove();
        let (_, value) = self.by_key.remove(&key)?;
        Some((key, value))
    }

    /// The entries that are alive, oldest first.
    pub(crate) fn live(&self, now: Duration) -> impl Iterator<Item = (&K, &V)> {
        let mut live: Vec<_> = self.by_key.iter().filter(|(_, (turn, _))| !turn.0.has_passed(now)).collect();
        live.sort_by_key(|(_, (turn, _))| turn.1);
        live.into_iter().map(|(key, (_, value))| (key, value))
    }

    /// How many entries are alive.
    pub(crate) fn live_count(&self, now: Duration) -> usize {
        let ended = self.by_deadline.keys().take_while(|turn| turn.0.has_passed(now)).count();
        self.by_deadline.len() - ended
    }

    /// How many entries are held, alive or not.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether a key is held, alive or not.
    pub(crate) fn holds<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.by_key.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[derive(Clone, Debug)]
    enum Move {
        Insert(u8, i8),
        Remove(u8),
        LookUp(u8),
        Pop,
    }

    fn moves() -> impl Strategy<Value = Vec<(u8, Move)>> {
        let one = prop_oneof![
            (0u8..6, -1i8..9).prop_map(|(key, ttl)| Move::Insert(key, ttl)),
            (0u8..6).prop_map(Move::Remove),
            (0u8..6).prop_map(Move::LookUp),
            Just(Move::Pop),
        ];
        prop::collection::vec((0u8..3, one), 0..60)
    }

    proptest! {
        /// Against a list that is searched from end to end.
        #[test]
        fn behaves_like_a_plain_list(moves in moves()) {
            let mut map = Expiring::<u8, usize>::default();
            let mut list: Vec<(u8, usize, u64, i64)> = Vec::new();
            let mut now = 100;
            let alive = |entry: &(u8, usize, u64, i64), now: u64| entry.3 >= 0 && now <= entry.2 + entry.3 as u64;
            for (number, (pause, step)) in moves.into_iter().enumerate() {
                now += u64::from(pause);
                let named = |list: &[(u8, usize, u64, i64)], key| list.iter().position(|entry| entry.0 == key);
                match step {
                    Move::Insert(key, ttl) => {
                        let old = named(&list, key).map(|index| list.remove(index).1);
                        list.push((key, number, now, ttl.into()));
                        let ttl = Ttl::from_seconds(ttl.into()).unwrap();
                        prop_assert_eq!(map.insert(key, number, at(now), ttl), old);
                    }
                    Move::Remove(key) => {
                        let old = named(&list, key).map(|index| list.remove(index).1);
                        prop_assert_eq!(map.remove(&key), old);
                    }
                    Move::LookUp(key) => {
                        let index = named(&list, key);
                        match map.look_up(&key, at(now)) {
                            Found::Nothing => prop_assert_eq!(index, None),
                            Found::Live(value) => {
                                let entry = list[index.unwrap()];
                                prop_assert!(alive(&entry, now) && entry.1 == value);
                            }
                            Found::Ended(value) => {
                                let entry = list.remove(index.unwrap());
                                prop_assert!(!alive(&entry, now) && entry.1 == value);
                            }
                        }
                    }
                    Move::Pop => match map.pop_ended(at(now)) {
                        Some((key, _)) => {
                            let entry = list.remove(named(&list, key).unwrap());
                            prop_assert!(!alive(&entry, now));
                        }
                        None => prop_assert!(list.iter().all(|entry| alive(entry, now))),
                    },
                }
                let live: Vec<u8> = list.iter().filter(|entry| alive(entry, now)).map(|entry| entry.0).collect();
                prop_assert_eq!(map.live_count(at(now)), live.len());
                prop_assert_eq!(map.live(at(now)).map(|(key, _)| *key).collect::<Vec<_>>(), live);
                prop_assert_eq!((map.len(), map.by_deadline.len()), (list.len(), list.len()));
            }
        }
    }
}
