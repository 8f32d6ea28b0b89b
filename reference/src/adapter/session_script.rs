//! A run of session operations at given times.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::request::invalid;
use super::script_time::{ORIGIN, time_of};
use crate::error::Error;
use crate::session::{ManualClock, NewSession, Reaper, SessionMode, SessionStore, Ttl};

#[derive(Deserialize)]
pub(super) struct Step<'a> {
    at: f64,
    #[serde(borrow, rename = "do")]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    agents: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow, default)]
    agent: Option<Cow<'a, str>>,
    #[serde(default)]
    ttl: Option<f64>,
    #[serde(borrow, default)]
    mode: Option<Cow<'a, str>>,
}

/// A store under a clock that the script sets. The store's reaper is played as its thread would run: every
/// [`Reaper::DEFAULT_INTERVAL`] of the script's time. A clean-up counts what the reaper took, so no step's answer but
/// that of `stored` depends on it.
pub(super) struct Script {
    clock: Arc<ManualClock>,
    store: SessionStore,
    reaped: Duration,
    /// Label → id. A label that is used again names the later session.
    ids: HashMap<String, String>,
    /// Id → label.
    labels: HashMap<String, String>,
}

impl Script {
    pub(super) fn new(ttl: Ttl) -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.set(ORIGIN);
        let store = SessionStore::with_clock(Arc::clone(&clock), ttl);
        Self { clock, store, reaped: ORIGIN, ids: HashMap::new(), labels: HashMap::new() }
    }

    /// Does a step and tells what came of it.
    pub(super) fn run(&mut self, step: &Step<'_>) -> Result<Value, Error> {
        self.advance(step.at)?;
        let label = step.session.as_deref().unwrap_or_default();
        let id = self.ids.get(label).map_or(label, String::as_str);
        Ok(match step.action.as_ref() {
            "create" => self.create(step)?,
            "get" => json!({"found": self.store.get(id).is_some()}),
            "require" => match self.store.require(id) {
                Ok(_) => json!({"found": true}),
                Err(error) => json!({"error": error.class.code(), "session": label}),
            },
            "invalidate" => json!({"found": self.store.invalidate(id)}),
            "find" => self.find(step)?,
            "cleanup" => json!({"removed": self.store.cleanup()}),
            "count" => json!({"active": self.store.active_count()}),
            "stored" => json!({"stored": self.store.stored_count()}),
            other => return Err(invalid("steps", "a step of session_script", other)),
        })
    }

    fn advance(&mut self, at: f64) -> Result<(), Error> {
        let now = time_of(at)?;
        let quiet = now.saturating_sub(self.reaped);
        if quiet >= Reaper::DEFAULT_INTERVAL {
            // Of all runs in a quiet stretch the last one finds what the others would have found.
            let into_interval = quiet.as_nanos() % Reaper::DEFAULT_INTERVAL.as_nanos();
            // The remainder is below the interval, which fits.
            self.reaped = now - Duration::from_nanos(into_interval as u64);
            self.clock.set(self.reaped);
            self.store.reap();
        }
        self.clock.set(now);
        Ok(())
    }

    fn create(&mut self, step: &Step<'_>) -> Result<Value, Error> {
        let mode = match step.mode.as_deref() {
            None | Some("LATENT") => SessionMode::Latent,
            Some("JSON") => SessionMode::Json,
            Some(other) => return Err(invalid("steps", "mode LATENT or JSON", other)),
        };
        let agents = step.agents.iter().flatten().map(|agent| agent.clone().into_owned()).collect();
        let ttl = step.ttl.map(Ttl::from_seconds).transpose()?;
        let new = NewSession {
            agents,
            identities: Vec::new(),
            mode,
            avp_map_id: String::new(),
            ttl,
            holder: String::new(),
        };
        let session = self.store.create(new)?;
        let id = session.id.as_str().to_owned();
        let label = step.session.as_deref().unwrap_or(&id).to_owned();
        let event = json!({"session": label, "ttl": seconds(session.ttl), "mode": session.mode.as_str()});
        self.labels.insert(id.clone(), label.clone());
        self.ids.insert(label, id);
        Ok(event)
    }

    fn find(&self, step: &Step<'_>) -> Result<Value, Error> {
        let agent = step.agent.as_ref().or_else(|| step.agents.as_ref()?.first());
        let agent = agent.ok_or_else(|| invalid("steps", "the agent to find", "none"))?;
        let found = self.store.find(agent);
        let labels: Vec<_> =
            found.iter().filter_map(|session| self.labels.get(session.id.as_str())).collect();
        Ok(json!({"sessions": labels}))
    }
}

/// A whole number of seconds as an integer.
fn seconds(ttl: Ttl) -> Value {
    let seconds = ttl.seconds();
    if seconds.fract() == 0.0 { json!(seconds as i64) } else { json!(seconds) }
}
