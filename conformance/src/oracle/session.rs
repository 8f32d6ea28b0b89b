//! Sessions under a clock that is given (AVP-SES). Times are whole milliseconds, so that no rounding blurs a boundary.

use serde_json::{Value, json};

/// Life of a session that says nothing else: an hour (AVP-SES-001).
pub const DEFAULT_TTL_MS: i64 = 3_600_000;

/// What a step of a script does. Sessions go by labels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub enum Action {
    Create { session: String, agents: Vec<String>, ttl_ms: Option<i64> },
    Get { session: String },
    Invalidate { session: String },
    Find { agent: String },
    Cleanup,
    Count,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, on the script's clock; never before the step in front of it.
    pub at_ms: i64,
    /// What.
    pub action: Action,
}

struct Session {
    label: String,
    agents: Vec<String>,
    created_ms: i64,
    ttl_ms: i64,
}

/// A store as the requirements have it.
#[derive(Default)]
pub struct SessionModel {
    sessions: Vec<Session>,
    ttl_ms: Option<i64>,
}

impl SessionModel {
    /// An empty store whose sessions live for `ttl_ms`, or the default.
    pub fn new(ttl_ms: Option<i64>) -> Self {
        Self { sessions: Vec::new(), ttl_ms }
    }

    /// Performs a step and says what the event of it must be. `None` when the step falls on the very instant at which
    /// some session ends, where both answers are allowed (ambiguity A-038).
    pub fn step(&mut self, step: &Step) -> Option<Value> {
        let now = step.at_ms;
        let on_the_edge = |s: &Session| now == s.created_ms + s.ttl_ms;
        let creates = matches!(step.action, Action::Create { .. });
        if !creates && self.sessions.iter().any(on_the_edge) {
            return None;
        }
        let alive = |s: &Session| now < s.created_ms + s.ttl_ms;
        Some(match &step.action {
            Action::Create { session, agents, ttl_ms } => {
                let ttl_ms = ttl_ms.or(self.ttl_ms).unwrap_or(DEFAULT_TTL_MS);
                let (label, agents) = (session.clone(), agents.clone());
                self.sessions.push(Session { label, agents, created_ms: now, ttl_ms });
                json!({ "session": session })
            }
            Action::Get { session } => {
                let found = self.sessions.iter().any(|s| s.label == *session && alive(s));
                self.sessions.retain(|s| s.label != *session || alive(s));
                json!({ "found": found })
            }
            Action::Invalidate { session } => {
                let before = self.sessions.len();
                let found = self.sessions.iter().any(|s| s.label == *session && alive(s));
                let expired = self.sessions.iter().any(|s| s.label == *session && !alive(s));
                self.sessions.retain(|s| s.label != *session);
                debug_assert!(before >= self.sessions.len());
                // Whether ending a session that is over but still stored counts as finding it is not said anywhere.
                if expired {
                    return None;
                }
                json!({ "found": found })
            }
            Action::Find { agent } => {
                let live = self.sessions.iter().filter(|s| alive(s) && s.agents.contains(agent));
                json!({ "sessions": live.map(|s| s.label.as_str()).collect::<Vec<_>>() })
            }
            Action::Cleanup => {
                let before = self.sessions.len();
                self.sessions.retain(alive);
                json!({ "removed": before - self.sessions.len() })
            }
            Action::Count => json!({ "active": self.sessions.iter().filter(|s| alive(s)).count() }),
        })
    }
}

/// The events of a script; `None` for a step whose answer is free.
pub fn events(ttl_ms: Option<i64>, steps: &[Step]) -> Vec<Option<Value>> {
    let mut model = SessionModel::new(ttl_ms);
    steps.iter().map(|step| model.step(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(at_ms: i64, session: &str, ttl_ms: Option<i64>) -> Step {
        let agents = vec!["a".to_owned()];
        Step { at_ms, action: Action::Create { session: session.into(), agents, ttl_ms } }
    }

    fn get(at_ms: i64, session: &str) -> Step {
        Step { at_ms, action: Action::Get { session: session.into() } }
    }

    #[test]
    fn lives_and_ends() {
        let found = |ttl, at| events(ttl, &[create(0, "s", None), get(at, "s")]).pop().flatten();
        assert_eq!(found(Some(10_000), 9_900), Some(json!({"found": true})));
        assert_eq!(found(Some(10_000), 10_100), Some(json!({"found": false})));
        assert_eq!(found(Some(10_000), 10_000), None);
        assert_eq!(found(None, 3_599_000), Some(json!({"found": true})));
        assert_eq!(found(None, 3_601_000), Some(json!({"found": false})));
        assert_eq!(found(Some(0), 1), Some(json!({"found": false})));
        assert_eq!(found(Some(-1_000), 0), Some(json!({"found": false})));
    }

    #[test]
    fn counting_finding_and_cleaning_up() {
        let at = |at_ms, action| Step { at_ms, action };
        let steps = [
            create(0, "old", Some(1_000)),
            create(0, "new", Some(9_000)),
            at(500, Action::Find { agent: "a".into() }),
            at(2_000, Action::Count),
            at(2_000, Action::Cleanup),
            at(2_000, Action::Cleanup),
            at(3_000, Action::Invalidate { session: "new".into() }),
            at(3_000, Action::Invalidate { session: "new".into() }),
            at(3_000, Action::Invalidate { session: "nope".into() }),
        ];
        let expected = [
            json!({"session": "old"}),
            json!({"session": "new"}),
            json!({"sessions": ["old", "new"]}),
            json!({"active": 1}),
            json!({"removed": 1}),
            json!({"removed": 0}),
            json!({"found": true}),
            json!({"found": false}),
            json!({"found": false}),
        ];
        assert_eq!(events(None, &steps).into_iter().flatten().collect::<Vec<_>>(), expected);
    }
}
