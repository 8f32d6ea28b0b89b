//! Sessions under a clock that is given (AVP-SES). Times are whole milliseconds, so that no rounding blurs a boundary.

use serde_json::{Value, json};

/// Life of a session that says nothing else: an hour (AVP-SES-001).
const DEFAULT_TTL_MS: i64 = 3_600_000;

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

    /// Whether some session ends at this very instant, where both answers are allowed (ambiguity A-038). Scripts that
    /// are to have one right answer keep away from such instants.
    pub fn on_the_edge(&self, at_ms: i64) -> bool {
        self.sessions.iter().any(|s| at_ms == s.created_ms + s.ttl_ms)
    }

    /// How far the nearest end of a session is from this instant, in milliseconds.
    pub fn distance_to_edge(&self, at_ms: i64) -> Option<u64> {
        self.sessions.iter().map(|s| at_ms.abs_diff(s.created_ms + s.ttl_ms)).min()
    }

    /// Performs a step and says which events are right. There are several where the requirements leave it open: whether
    /// ending a session that is over counts as finding it, and how many sessions a clean-up still finds, since expired
    /// ones may go by themselves at any time (AVP-SES-010).
    pub fn step(&mut self, step: &Step) -> Vec<Value> {
        let now = step.at_ms;
        let alive = |s: &Session| now < s.created_ms + s.ttl_ms;
        match &step.action {
            Action::Create { session, agents, ttl_ms } => {
                let ttl_ms = ttl_ms.or(self.ttl_ms).unwrap_or(DEFAULT_TTL_MS);
                let (label, agents) = (session.clone(), agents.clone());
                self.sessions.push(Session { label, agents, created_ms: now, ttl_ms });
                vec![json!({ "session": session })]
            }
            Action::Get { session } => {
                let found = self.sessions.iter().any(|s| s.label == *session && alive(s));
                self.sessions.retain(|s| s.label != *session || alive(s));
                vec![json!({ "found": found })]
            }
            Action::Invalidate { session } => {
                let named = self.sessions.iter().find(|s| s.label == *session).map(alive);
                self.sessions.retain(|s| s.label != *session);
                match named {
                    Some(true) => vec![json!({"found": true})],
                    None => vec![json!({"found": false})],
                    Some(false) => vec![json!({"found": false}), json!({"found": true})],
                }
            }
            Action::Find { agent } => {
                let live = self.sessions.iter().filter(|s| alive(s) && s.agents.contains(agent));
                vec![json!({ "sessions": live.map(|s| s.label.as_str()).collect::<Vec<_>>() })]
            }
            Action::Cleanup => {
                let before = self.sessions.len();
                self.sessions.retain(alive);
                (0..=before - self.sessions.len()).map(|n| json!({ "removed": n })).collect()
            }
            Action::Count => vec![json!({ "active": self.sessions.iter().filter(|s| alive(s)).count() })],
        }
    }
}

/// The events of a script, each with all that are right.
pub fn events(ttl_ms: Option<i64>, steps: &[Step]) -> Vec<Vec<Value>> {
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
        let found =
            |ttl, at| events(ttl, &[create(0, "s", None), get(at, "s")])[1] == [json!({"found": true})];
        assert!(found(Some(10_000), 9_900));
        assert!(!found(Some(10_000), 10_100));
        assert!(found(None, 3_599_000));
        assert!(!found(None, 3_601_000));
        assert!(!found(Some(0), 1));
        assert!(!found(Some(-1_000), 0));
        let mut model = SessionModel::new(Some(10_000));
        model.step(&create(0, "s", None));
        assert!(model.on_the_edge(10_000) && !model.on_the_edge(9_999));
        assert_eq!(model.distance_to_edge(9_000), Some(1_000));
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
        for (i, (right, expected)) in events(None, &steps).into_iter().zip(expected).enumerate() {
            // What is expired may have gone before it is cleaned up.
            let all = if i == 4 { vec![json!({"removed": 0}), expected] } else { vec![expected] };
            assert_eq!(right, all);
        }
        let over = [create(0, "s", Some(1)), at(5, Action::Invalidate { session: "s".into() })];
        assert_eq!(events(None, &over)[1].len(), 2);
        let alive = [create(0, "s", Some(9)), at(5, Action::Cleanup)];
        assert_eq!(events(None, &alive)[1], [json!({"removed": 0})]);
    }
}
