//! Calls by a model's name in any order, with a store: engines that count steps stand in for the models, so the answer to
//! every call is known.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::draft::{Draft, Property, V04, ok};
use super::random::Random;
use super::share::Share;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "easy-script",
        share: Share::Weight(16),
        specs: V04,
        requirements: &["AVP-STO-006", "AVP-API-013", "AVP-API-017"],
        why: "Models stay loaded until they are let go, contexts stay in the store, and every result says what it took.",
        bug: "easy-state",
        make: script,
    },
    Property {
        name: "easy-refusals",
        share: Share::Weight(12),
        specs: V04,
        requirements: &["AVP-STO-005", "AVP-API-014"],
        why: "Among calls that are right, those that are not are refused and leave nothing behind.",
        bug: "easy-arguments-unchecked",
        make: refusals,
    },
];

/// Latent steps of a call that names none.
const DEFAULT_STEPS: u64 = 20;
const MODELS: [&str; 3] = ["one", "two", "example/three"];
const KEYS: [&str; 3] = ["a", "b", "agent-c"];

/// What a caller knows: which models are loaded, how often one was, and the steps of what is in the store.
#[derive(Default)]
struct Caller {
    loaded: BTreeSet<&'static str>,
    loads: u64,
    stored: BTreeMap<&'static str, u64>,
    steps: Vec<Value>,
    events: Vec<Value>,
}

impl Caller {
    fn step(&mut self, step: Value, event: Value) {
        self.steps.push(step);
        self.events.push(json!({ "$subset": event }));
    }

    fn load(&mut self, random: &mut Random) -> &'static str {
        let model = random.pick(&MODELS);
        self.loads += u64::from(self.loaded.insert(model));
        model
    }

    fn think(&mut self, random: &mut Random) {
        let model = self.load(random);
        let mut call = json!({"do": "think", "model": model, "prompt": prompt(random)});
        let steps = steps(random, &mut call);
        let metrics = json!({"$subset": {"steps": steps, "has_prior_context": false}});
        self.step(call, json!({"num_steps": steps, "metrics": metrics}));
    }

    fn generate(&mut self, random: &mut Random) {
        let model = self.load(random);
        let prompt = prompt(random);
        let mut call = json!({"do": "generate", "model": model, "prompt": prompt, "store": true});
        let steps = steps(random, &mut call);
        let prior = random.once_in(2).then(|| random.pick(&KEYS));
        let kept = random.once_in(2).then(|| random.pick(&KEYS));
        for (name, key) in [("prior_key", prior), ("store_key", kept)] {
            if let Some(key) = key {
                call[name] = json!(key);
            }
        }
        let before = prior.and_then(|key| self.stored.get(key).copied());
        let context = if steps > 0 { Some(before.unwrap_or(0) + steps) } else { before };
        let saved = kept.zip(context);
        self.stored.extend(saved);
        let metrics = json!({"$subset": {
            "steps": steps, "has_prior_context": before.is_some(), "stored": saved.is_some(),
        }});
        let text = format!("{prompt}|{}", context.unwrap_or(0));
        self.step(call, json!({"text": text, "metrics": metrics}));
    }

    fn look(&mut self, random: &mut Random) {
        let key = random.pick(&KEYS);
        let event = json!({"num_steps": self.stored.get(key)});
        self.step(json!({"do": "stored", "key": key}), event);
    }

    /// A call with one mistake.
    fn mistake(&mut self, random: &mut Random) {
        let mut call = match random.below(2) {
            0 => json!({"do": "think", "model": random.pick(&MODELS), "prompt": "hello"}),
            _ => json!({"do": "generate", "model": random.pick(&MODELS), "prompt": "hello"}),
        };
        steps(random, &mut call);
        match random.below(3) {
            0 => call["prompt"] = json!(""),
            1 => {
                if let Some(call) = call.as_object_mut() {
                    call.remove("model");
                }
            }
            _ => {
                call["do"] = json!("generate");
                call[random.pick(&["store_key", "prior_key"])] = json!(random.pick(&KEYS));
            }
        }
        self.step(call, json!({"error": "configuration"}));
    }

    fn ask(self, draft: &mut Draft) {
        draft.step(
            "easy_script",
            json!({"steps": self.steps}),
            Vec::new(),
            ok(json!({"events": self.events}), Vec::new()),
        );
    }
}

fn prompt(random: &mut Random) -> String {
    random.word(8)
}

/// Steps of a call; one in four does not say how many.
fn steps(random: &mut Random, call: &mut Value) -> u64 {
    if random.once_in(4) {
        return DEFAULT_STEPS;
    }
    let steps = random.below(9) as u64;
    call["steps"] = json!(steps);
    steps
}

fn script(random: &mut Random, draft: &mut Draft) {
    let mut caller = Caller::default();
    for _ in 0..random.between(3, 12) {
        match random.below(8) {
            0 => caller.think(random),
            1 => {
                caller.loaded.clear();
                caller.step(json!({"do": "clear"}), json!({}));
            }
            2 => caller.look(random),
            3 => {
                let loads = caller.loads;
                caller.step(json!({"do": "loads"}), json!({"loads": loads}));
            }
            _ => caller.generate(random),
        }
    }
    let loads = caller.loads;
    caller.step(json!({"do": "loads"}), json!({"loads": loads}));
    caller.ask(draft);
}

fn refusals(random: &mut Random, draft: &mut Draft) {
    let mut caller = Caller::default();
    for _ in 0..random.between(2, 8) {
        match random.below(4) {
            0 => caller.generate(random),
            1 => caller.look(random),
            _ => caller.mistake(random),
        }
    }
    caller.mistake(random);
    caller.look(random);
    caller.ask(draft);
}
