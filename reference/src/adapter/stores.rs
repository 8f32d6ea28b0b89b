//! Stores of contexts under a clock that the harness sets, and under many threads.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Request, invalid};
use super::script_time::{ORIGIN, time_of};
use super::sessions::{Stress, stress};
use crate::error::Error;
use crate::session::{ManualClock, Ttl};
use crate::transfer::store::{ContextStore, MAX_CONTEXTS};

#[derive(Deserialize)]
struct ScriptArgs<'a> {
    #[serde(default)]
    ttl: Option<f64>,
    #[serde(borrow)]
    steps: Vec<Step<'a>>,
}

#[derive(Deserialize)]
struct Step<'a> {
    at: f64,
    #[serde(borrow, rename = "do")]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
    #[serde(default)]
    ttl: Option<f64>,
}

/// A store whose contexts are labels: a store does not look into what it keeps.
struct Script {
    clock: Arc<ManualClock>,
    store: ContextStore<String>,
    /// Warnings that the store has given.
    warnings: Arc<AtomicUsize>,
}

impl Script {
    fn new(ttl: Ttl) -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.set(ORIGIN);
        let warnings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&warnings);
        let store = ContextStore::with_clock(Arc::clone(&clock), ttl).on_ended(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        Self { clock, store, warnings }
    }

    fn run(&self, step: &Step<'_>) -> Result<Value, Error> {
        self.clock.set(time_of(step.at)?);
        let key = step.key.as_ref();
        Ok(match step.action.as_ref() {
            "store" => {
                let ttl = step.ttl.map(Ttl::from_seconds).transpose()?;
                self.store.store(key, step.value.clone().into_owned(), ttl)?;
                json!({})
            }
            "get" => {
                let before = self.warnings.load(Ordering::Relaxed);
                let value = self.store.get(key);
                let warned = self.warnings.load(Ordering::Relaxed) > before;
                json!({"value": value.as_deref(), "warned": warned})
            }
            "contains" => json!({"found": self.store.contains(key)}),
            "remove" => json!({"found": self.store.remove(key)}),
            "clear" => {
                self.store.clear();
                json!({})
            }
            "keys" => json!({"keys": self.store.keys()}),
            "len" => json!({"len": self.store.len()}),
            "cleanup" => json!({"removed": self.store.cleanup()}),
            "stored" => json!({"stored": self.store.stored_count()}),
            other => return Err(invalid("steps", "a step of store_script", other)),
        })
    }
}

pub(super) fn store_script<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: ScriptArgs<'a> = request.args()?;
    let ttl = args.ttl.map(Ttl::from_seconds).transpose()?.unwrap_or(Ttl::CONTEXT);
    let script = Script::new(ttl);
    let events: Vec<_> = args.steps.iter().map(|step| script.run(step)).collect::<Result<_, Error>>()?;
    Ok(Answer::new(json!({"events": events})))
}

pub(super) fn store_stress<'a>(request: &Request<'a>) -> Outcome<'a> {
    let Stress { threads, per_thread } = stress(request, MAX_CONTEXTS)?;
    let store = ContextStore::new();
    let (found, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let work = |thread: usize| {
            for n in 0..per_thread {
                let key = format!("{thread}/{n}");
                store.store(&key, (thread, n), None)?;
                found.fetch_add(
                    usize::from(store.get(&key).as_deref() == Some(&(thread, n))),
                    Ordering::Relaxed,
                );
                if n % 2 == 1 {
                    removed.fetch_add(usize::from(store.remove(&key)), Ordering::Relaxed);
                }
            }
            Ok::<_, Error>(())
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        for worker in workers {
            // A worker's panic goes on here and is answered as a fault.
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(Answer::new(json!({
        "stored": threads * per_thread,
        "found": found.into_inner(),
        "removed": removed.into_inner(),
        "len": store.len(),
    })))
}
