//! Sessions under a clock that the harness sets, and under many threads.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Request, invalid};
use super::session_script::{Script, Step};
use crate::error::Error;
use crate::session::{NewSession, SessionMode, SessionStore, Ttl};

/// Most threads of a stress run; what the requirement asks for is 16.
const MAX_THREADS: usize = 256;
/// Most sessions of a stress run; what the requirement asks for is 16,000.
const MAX_CREATED: usize = 100_000;

#[derive(Deserialize)]
struct ScriptArgs<'a> {
    #[serde(default)]
    ttl: Option<f64>,
    #[serde(borrow)]
    steps: Vec<Step<'a>>,
}

pub(super) fn session_script<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: ScriptArgs<'a> = request.args()?;
    let ttl = args.ttl.map(Ttl::from_seconds).transpose()?.unwrap_or_default();
    let mut script = Script::new(ttl);
    let events: Vec<_> = args.steps.iter().map(|step| script.run(step)).collect::<Result<_, Error>>()?;
    Ok(Answer::new(json!({"events": events})))
}

/// How many threads do a thing how often.
#[derive(Deserialize)]
pub(super) struct Stress {
    pub(super) threads: usize,
    pub(super) per_thread: usize,
}

/// The arguments of a stress run that makes no more than `most` things.
pub(super) fn stress(request: &Request<'_>, most: usize) -> Result<Stress, Refusal> {
    let asked: Stress = request.args()?;
    if asked.threads > MAX_THREADS {
        return Err(invalid("threads", format!("at most {MAX_THREADS}"), asked.threads.to_string()).into());
    }
    if asked.threads.checked_mul(asked.per_thread).is_none_or(|made| made > most) {
        let found = format!("{} times {}", asked.threads, asked.per_thread);
        return Err(invalid("per_thread", format!("at most {most} in all"), found).into());
    }
    Ok(asked)
}

#[derive(Default)]
struct Tally {
    created: usize,
    found: usize,
    removed: usize,
}

pub(super) fn session_stress<'a>(request: &Request<'a>) -> Outcome<'a> {
    let Stress { threads, per_thread } = stress(request, MAX_CREATED)?;
    let store = SessionStore::new();
    let mut total = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&store, per_thread))).collect();
        for worker in workers {
            // A worker's panic goes on here and is answered as a fault.
            let tally = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            total.created += tally.created;
            total.found += tally.found;
            total.removed += tally.removed;
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(Answer::new(json!({
        "created": total.created,
        "found": total.found,
        "removed": total.removed,
        "active": store.active_count(),
    })))
}

fn work(store: &SessionStore, count: usize) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    for n in 0..count {
        let new = NewSession {
            agents: Vec::new(),
            identities: Vec::new(),
            mode: SessionMode::Latent,
            avp_map_id: String::new(),
            ttl: None,
            holder: String::new(),
        };
        let session = store.create(new)?;
        tally.created += 1;
        tally.found += usize::from(store.get(session.id.as_str()).is_some());
        if n % 2 == 1 {
            tally.removed += usize::from(store.invalidate(session.id.as_str()));
        }
    }
    Ok(tally)
}
