//! Random scripts of context stores against the model.

use serde_json::{Value, json};

use super::draft::{Draft, Property, V04, ok};
use super::random::Random;
use super::share::Share;
use crate::oracle::{StoreAction, StoreModel};

/// How near to the end of a context a step may be, in milliseconds: within a second an implementation may differ
/// (ambiguity A-038).
const MARGIN_MS: u64 = 1_100;

pub(super) const PROPERTIES: &[Property] = &[Property {
    name: "store-script",
    share: Share::Weight(128),
    specs: V04,
    requirements: &["AVP-STO-001", "AVP-STO-002", "AVP-STO-003"],
    why: "Storing, replacing, looking up, removing, listing and cleaning up in any order, as time passes.",
    bug: "context-store",
    make: script,
}];

fn script(random: &mut Random, draft: &mut Draft) {
    let ttl_ms = (!random.once_in(3)).then(|| random.pick(&[5_000, 20_000, 300_000, 3_600_000]));
    let mut model = StoreModel::new(ttl_ms);
    let (mut steps, mut events) = (Vec::new(), Vec::new());
    // Not every store can be asked so; half of the scripts do without.
    let contains = draft.index().is_multiple_of(2);
    let mut now = 0;
    while steps.len() < 18 {
        now += random.pick(&[0, 0, 1_000, 2_500, 7_000, 60_000, 200_000]);
        while model.distance_to_edge(now).is_some_and(|distance| distance < MARGIN_MS) {
            now += 700;
        }
        let action = action(random, steps.len(), contains);
        if matches!(action, StoreAction::Contains { .. }) {
            draft.requires("store_contains");
        }
        steps.push(written(now, &action));
        events.push(expected(model.step(now, &action)));
        // A context that ends where it begins must not meet a step at the same instant.
        if model.distance_to_edge(now) == Some(0) {
            now += 2_000;
        }
    }
    let mut args = json!({ "steps": steps });
    if let Some(ttl) = ttl_ms {
        args["ttl"] = seconds(ttl);
    }
    draft.step("store_script", args, Vec::new(), ok(json!({ "events": events }), Vec::new()));
}

fn action(random: &mut Random, number: usize, contains: bool) -> StoreAction {
    let key = random.pick(&["a", "b", "agent", "agent-1", "", "ключ"]).to_owned();
    match random.below(12) {
        0..=3 => {
            let ttl_ms = random.once_in(3).then(|| random.pick(&[-5_000, 0, 3_000, 30_000, 500_000]));
            StoreAction::Store { key, value: format!("c{number}"), ttl_ms }
        }
        4..=5 => StoreAction::Get { key },
        6 if contains => StoreAction::Contains { key },
        6..=7 => StoreAction::Remove { key },
        8 => StoreAction::Keys,
        9 => StoreAction::Len,
        10 => StoreAction::Cleanup,
        _ if random.once_in(3) => StoreAction::Clear,
        _ => StoreAction::Get { key },
    }
}

/// Whole seconds as an integer, others as a decimal.
fn seconds(ms: i64) -> Value {
    if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

fn written(at_ms: i64, action: &StoreAction) -> Value {
    let at = seconds(at_ms);
    match action {
        StoreAction::Store { key, value, ttl_ms } => {
            let mut step = json!({"at": at, "do": "store", "key": key, "value": value});
            if let Some(ttl) = ttl_ms {
                step["ttl"] = seconds(*ttl);
            }
            step
        }
        StoreAction::Get { key } => json!({"at": at, "do": "get", "key": key}),
        StoreAction::Contains { key } => json!({"at": at, "do": "contains", "key": key}),
        StoreAction::Remove { key } => json!({"at": at, "do": "remove", "key": key}),
        StoreAction::Clear => json!({"at": at, "do": "clear"}),
        StoreAction::Keys => json!({"at": at, "do": "keys"}),
        StoreAction::Len => json!({"at": at, "do": "len"}),
        StoreAction::Cleanup => json!({"at": at, "do": "cleanup"}),
    }
}

/// The event as an expectation: keys in any order, a warning free.
fn expected(mut right: Vec<Value>) -> Value {
    if right.len() != 1 {
        return json!({ "$any": right });
    }
    let mut event = right.swap_remove(0);
    if let Some(keys) = event.get_mut("keys") {
        *keys = json!({ "$unordered": keys.take() });
    }
    if event.get("value").is_some() { json!({ "$subset": event }) } else { event }
}
