//! Contexts under keys, under a clock that is given (AVP-STO). Times are whole milliseconds.

use serde_json::{Value, json};

/// Life of a context that says nothing else: five minutes (AVP-STO-001).
const DEFAULT_TTL_MS: i64 = 300_000;

/// What a step of a script does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub enum StoreAction {
    Store { key: String, value: String, ttl_ms: Option<i64> },
    Get { key: String },
    Contains { key: String },
    Remove { key: String },
    Clear,
    Keys,
    Len,
    Cleanup,
}

struct Entry {
    key: String,
    value: String,
    /// The last instant at which it is alive.
    end_ms: i64,
}

/// A store as the requirements have it.
#[derive(Default)]
pub struct StoreModel {
    entries: Vec<Entry>,
    ttl_ms: Option<i64>,
}

impl StoreModel {
    /// An empty store whose contexts live for `ttl_ms`, or the default.
    pub fn new(ttl_ms: Option<i64>) -> Self {
        Self { entries: Vec::new(), ttl_ms }
    }

    /// How far the nearest end of a context is from this instant, in milliseconds. On the edge itself both answers are
    /// allowed (ambiguity A-038); scripts that are to have one right answer keep away from it.
    pub fn distance_to_edge(&self, at_ms: i64) -> Option<u64> {
        self.entries.iter().map(|entry| at_ms.abs_diff(entry.end_ms)).min()
    }

    /// Performs a step at an instant and says which events are right. There are several where the requirements leave it
    /// open: whether removing what has ended counts, and how many contexts a clean-up still finds, since they may go by
    /// themselves at any time.
    pub fn step(&mut self, now: i64, action: &StoreAction) -> Vec<Value> {
        let alive = |entry: &Entry| now < entry.end_ms;
        match action {
            StoreAction::Store { key, value, ttl_ms } => {
                self.entries.retain(|entry| entry.key != *key);
                let end_ms = now + ttl_ms.or(self.ttl_ms).unwrap_or(DEFAULT_TTL_MS);
                self.entries.push(Entry { key: key.clone(), value: value.clone(), end_ms });
                vec![json!({})]
            }
            StoreAction::Get { key } => {
                let found = self.entries.iter().find(|entry| entry.key == *key && alive(entry));
                let event = json!({"value": found.map(|entry| entry.value.as_str())});
                self.entries.retain(|entry| entry.key != *key || alive(entry));
                vec![event]
            }
            StoreAction::Contains { key } => {
                let found = self.entries.iter().any(|entry| entry.key == *key && alive(entry));
                vec![json!({"found": found})]
            }
            StoreAction::Remove { key } => {
                let named = self.entries.iter().find(|entry| entry.key == *key).map(alive);
                self.entries.retain(|entry| entry.key != *key);
                match named {
                    Some(true) => vec![json!({"found": true})],
                    None => vec![json!({"found": false})],
                    Some(false) => vec![json!({"found": false}), json!({"found": true})],
                }
            }
            StoreAction::Clear => {
                self.entries.clear();
                vec![json!({})]
            }
            StoreAction::Keys => {
                let keys: Vec<&str> = self
                    .entries
                    .iter()
                    .filter(|entry| alive(entry))
                    .map(|entry| entry.key.as_str())
                    .collect();
                vec![json!({"keys": keys})]
            }
            StoreAction::Len => {
                vec![json!({"len": self.entries.iter().filter(|entry| alive(entry)).count()})]
            }
            StoreAction::Cleanup => {
                let before = self.entries.len();
                self.entries.retain(alive);
                (0..=before - self.entries.len()).map(|n| json!({"removed": n})).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> String {
        key.to_owned()
    }

    fn store(name: &str, ttl_ms: Option<i64>) -> StoreAction {
        StoreAction::Store { key: key(name), value: format!("of {name}"), ttl_ms }
    }

    #[test]
    fn lives_is_replaced_and_ends() {
        let mut model = StoreModel::new(None);
        model.step(0, &store("a", None));
        let get = StoreAction::Get { key: key("a") };
        assert_eq!(model.step(299_000, &get), [json!({"value": "of a"})]);
        model.step(299_000, &store("a", Some(1_000)));
        assert_eq!(model.distance_to_edge(299_500), Some(500));
        assert_eq!(model.step(299_900, &StoreAction::Len), [json!({"len": 1})]);
        assert_eq!(model.step(300_100, &get), [json!({"value": null})]);
        assert_eq!(model.step(300_100, &StoreAction::Cleanup), [json!({"removed": 0})]);
    }

    #[test]
    fn housekeeping() {
        let mut model = StoreModel::new(Some(10_000));
        for name in ["a", "b", "c"] {
            model.step(0, &store(name, (name == "a").then_some(1_000)));
        }
        assert_eq!(model.step(2_000, &StoreAction::Keys), [json!({"keys": ["b", "c"]})]);
        assert_eq!(model.step(2_000, &StoreAction::Contains { key: key("a") }), [json!({"found": false})]);
        assert_eq!(model.step(2_000, &StoreAction::Remove { key: key("a") }).len(), 2);
        let remove = StoreAction::Remove { key: key("b") };
        assert_eq!(model.step(2_000, &remove), [json!({"found": true})]);
        assert_eq!(model.step(2_000, &remove), [json!({"found": false})]);
        assert_eq!(model.step(20_000, &StoreAction::Cleanup).len(), 2);
        model.step(20_000, &store("d", None));
        assert_eq!(model.step(20_000, &StoreAction::Clear), [json!({})]);
        assert_eq!(model.step(20_000, &StoreAction::Len), [json!({"len": 0})]);
    }
}
