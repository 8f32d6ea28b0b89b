//! Random scripts of sessions against the model.

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, ok};
use super::random::Random;
use super::share::Share;
use crate::oracle::{Action, SessionModel, Step};

/// How near to the end of a session a step may be, in milliseconds: within a second an implementation may differ
/// (ambiguity A-038).
const MARGIN_MS: u64 = 1_100;

pub(super) const PROPERTIES: &[Property] = &[Property {
    name: "session-script",
    share: Share::Weight(160),
    specs: BOTH,
    requirements: &["AVP-SES-002", "AVP-SES-004", "AVP-SES-006", "AVP-SES-007", "AVP-SES-008"],
    why: "Creating, looking up, ending, finding, counting and cleaning up in any order, as time passes.",
    bug: "session-store",
    make: script,
}];

fn script(random: &mut Random, draft: &mut Draft) {
    let ttl_ms = (!random.once_in(4)).then(|| random.pick(&[5_000, 10_000, 60_000, 3_600_000]));
    let mut model = SessionModel::new(ttl_ms);
    let (mut steps, mut events) = (Vec::new(), Vec::new());
    let (mut now, mut created) = (0, 0);
    while steps.len() < 16 {
        now += random.pick(&[0, 0, 1_000, 2_500, 7_000, 30_000, 120_000]);
        while model.distance_to_edge(now).is_some_and(|distance| distance < MARGIN_MS) {
            now += 700;
        }
        let action = action(random, &mut created);
        steps.push(written(now, &action));
        events.push(expected(model.step(&Step { at_ms: now, action })));
        // A session that ends where it begins must not meet a step at the same instant.
        if model.on_the_edge(now) {
            now += 2_000;
        }
    }
    let mut args = json!({ "steps": steps });
    if let Some(ttl) = ttl_ms {
        args["ttl"] = seconds(ttl);
    }
    draft.step("session_script", args, Vec::new(), ok(json!({ "events": events }), Vec::new()));
}

fn action(random: &mut Random, created: &mut usize) -> Action {
    let label = |n: usize| format!("s{n}");
    let agents = ["a", "b", "c"].map(str::to_owned);
    // One beyond those that exist is an id that was never issued.
    let any = label(random.below(*created + 1));
    match random.below(8) {
        0..=2 => {
            let session = label(*created);
            *created += 1;
            let count = random.between(1, 3);
            let ttl_ms = random.once_in(3).then(|| random.pick(&[-5_000, 0, 3_000, 20_000, 200_000]));
            Action::Create { session, agents: agents[..count].to_vec(), ttl_ms }
        }
        3 => Action::Get { session: any },
        4 => Action::Invalidate { session: any },
        5 => Action::Find { agent: random.pick(&agents) },
        6 => Action::Cleanup,
        _ => Action::Count,
    }
}

/// Whole seconds as an integer, others as a decimal.
fn seconds(ms: i64) -> Value {
    if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

fn written(at_ms: i64, action: &Action) -> Value {
    let at = seconds(at_ms);
    match action {
        Action::Create { session, agents, ttl_ms } => {
            let mut step = json!({"at": at, "do": "create", "session": session, "agents": agents});
            if let Some(ttl) = ttl_ms {
                step["ttl"] = seconds(*ttl);
            }
            step
        }
        Action::Get { session } => json!({"at": at, "do": "get", "session": session}),
        Action::Invalidate { session } => json!({"at": at, "do": "invalidate", "session": session}),
        Action::Find { agent } => json!({"at": at, "do": "find", "agent": agent}),
        Action::Cleanup => json!({"at": at, "do": "cleanup"}),
        Action::Count => json!({"at": at, "do": "count"}),
    }
}

/// The event as an expectation: a session found in any order, further keys of `create` free.
fn expected(mut right: Vec<Value>) -> Value {
    if right.len() != 1 {
        return json!({ "$any": right });
    }
    let mut event = right.swap_remove(0);
    if event.get("session").is_some() {
        return json!({ "$subset": event });
    }
    if let Some(sessions) = event.get_mut("sessions") {
        *sessions = json!({ "$unordered": sessions.take() });
    }
    event
}
