//! Transfers between two tiny models: think with one, project, write with the other, judged by the decoder oracle.

mod pair;

use serde_json::json;

use super::draft::{Draft, Property, V04, ok, reject};
use super::random::Random;
use super::share::{A_MODEL, Share};
use super::tiny::Tiny;
use crate::case::Within;
use crate::oracle::TokenIds;
use pair::{Pair, Plan};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "model-transfer",
        share: Share::Fixed(8, A_MODEL),
        specs: V04,
        requirements: &["AVP-PRJ-028", "AVP-API-008"],
        why: "The source's last state, projected, is one position in front of the target's prompt, and the text goes on from there.",
        bug: "transfer-wrong",
        make: shared,
    },
    Property {
        name: "model-transfer-length",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-PRJ-013"],
        why: "What is injected is as long as the target's embeddings are on average.",
        bug: "transfer-without-length",
        make: length,
    },
    Property {
        name: "model-transfer-head",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-PRJ-029"],
        why: "A model with a head of its own says its tokens with it, not with its embeddings.",
        bug: "transfer-through-embeddings",
        make: head,
    },
    Property {
        name: "model-transfer-overlap",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-PRJ-028", "AVP-PRJ-025"],
        why: "Between two vocabularies the state goes through the tokens that they share.",
        bug: "transfer-ignores-overlap",
        make: overlap,
    },
    Property {
        name: "model-transfer-vectors",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-PRJ-028"],
        why: "Several of the last states are as many positions, the oldest first.",
        bug: "transfer-one-vector",
        make: vectors,
    },
    Property {
        name: "model-transfer-unasked",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-007"],
        why: "Without the flag, a context of another model is left out with a warning, and the text is that of the prompt alone.",
        bug: "transfer-without-flag",
        make: unasked,
    },
    Property {
        name: "model-transfer-restored",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-009"],
        why: "A cache that came as a message has no last hidden state, and nothing else of it fits another model.",
        bug: "transfer-without-state",
        make: restored,
    },
    Property {
        name: "model-transfer-twice",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-MAP-010"],
        why: "A map is made once: the second transfer has it in memory, and another request at least on the disk.",
        bug: "calibrated-every-time",
        make: twice,
    },
    Property {
        name: "model-transfer-calibrated",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-MAP-010"],
        why: "A map that lies on the disk is used.",
        bug: "disk-ignored",
        make: calibrated,
    },
    Property {
        name: "model-transfer-gate",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-QG-005", "AVP-QG-009"],
        why: "The prompt's tokens are those of the cache less the steps; more than three hundred warn, and the text comes all the same.",
        bug: "gate-of-a-transfer",
        make: gate,
    },
];

/// The feature of an implementation that projects more states than the last one.
const SEVERAL: &str = "vectors";

/// Nearness of what is injected (AVP-PRJ-029).
const WITHIN: Within = Within { frobenius: None, rows: Some(1e-3), cosine: None, norms: None };

/// Two kinds of models, each with each.
fn plan(draft: &Draft, steps: usize) -> Plan {
    let index = draft.index();
    Plan { source: index % 4, target: index / 4 % 4, steps, vectors: 1, prompt: 0, overlap: false }
}

fn shared(random: &mut Random, draft: &mut Draft) {
    let steps = [2, 0, 4][draft.index() % 3];
    let pair = Pair::draw(random, plan(draft, steps));
    pair.ask(draft, json!({}), &json!({"quality_gate_passed": true}), WITHIN);
}

/// Every second case has several vectors: each is brought to the length, not all of them together.
fn length(random: &mut Random, draft: &mut Draft) {
    let vectors = 1 + draft.index() % 2;
    if vectors > 1 {
        draft.requires(SEVERAL);
    }
    let pair = Pair::draw(random, Plan { vectors, ..plan(draft, 1) });
    let within = Within { norms: Some(1e-4), ..Within::default() };
    pair.ask(draft, json!({}), &json!({}), within);
}

fn head(random: &mut Random, draft: &mut Draft) {
    let plan = Plan { source: 2 + draft.index() % 2, ..plan(draft, 1) };
    Pair::draw(random, plan).ask(draft, json!({}), &json!({}), WITHIN);
}

fn overlap(random: &mut Random, draft: &mut Draft) {
    let plan = Plan { overlap: true, ..plan(draft, 2) };
    Pair::draw(random, plan).ask(draft, json!({}), &json!({"projection_method": "vocab_overlap"}), WITHIN);
}

fn vectors(random: &mut Random, draft: &mut Draft) {
    draft.requires(SEVERAL);
    let steps = random.between(1, 4);
    let plan = Plan { vectors: random.between(2, steps + 1), ..plan(draft, steps) };
    Pair::draw(random, plan).ask(draft, json!({}), &json!({}), WITHIN);
}

fn unasked(random: &mut Random, draft: &mut Draft) {
    let pair = Pair::draw(random, plan(draft, 1));
    pair.ask_alone(draft, json!({"cross_model": false}));
}

/// An implementation that can put a message between the two models.
const RESTORED: &str = "transfer_restored";

fn restored(random: &mut Random, draft: &mut Draft) {
    draft.requires(RESTORED);
    let pair = Pair::once(random, plan(draft, 1));
    draft.step("transfer", pair.args(json!({"restored": true})), pair.parts(), reject(&["invalid_argument"]));
}

fn twice(random: &mut Random, draft: &mut Draft) {
    let pair = Pair::draw(random, plan(draft, 1));
    pair.ask(draft, json!({"times": 2}), &json!({"origins": ["calibrated", "memory"]}), WITHIN);
    let known = json!({"origins": [{"$any": ["disk", "memory"]}]});
    pair.ask(draft, json!({}), &known, WITHIN);
}

fn calibrated(random: &mut Random, draft: &mut Draft) {
    let pair = Pair::draw(random, plan(draft, 1));
    let tensors = &pair.target.model.tensors;
    let Some(embed) = tensors.iter().find(|tensor| tensor.name == "model.embed_tokens.weight") else {
        return;
    };
    let side = |name: &str, tiny: &Tiny, vocab: &TokenIds| json!({"model_id": name, "config": tiny.model.config, "vocab": vocab});
    let args = json!({
        "cache_dir": {"$scratch": "cache"},
        "source": side("example/one", &pair.source, &pair.source_vocab),
        "target": side("example/two", &pair.target, &pair.vocab),
    });
    let embed = super::realign::numbers("tgt_embed", crate::case::Dtype::F32, &embed.shape, &embed.values);
    draft.step("calibrate", args, vec![embed], ok(json!({"saved": true}), Vec::new()));
    let known = json!({"origins": [{"$any": ["disk", "memory"]}]});
    pair.ask(draft, json!({}), &known, WITHIN);
}

/// The oracle would take longer over such prompts than a run should wait. What is injected is asked of shorter ones.
fn gate(random: &mut Random, draft: &mut Draft) {
    // A cache of 320 positions, 20 of them latent, is a prompt of 300.
    let cases = [(300, 20, true), (301, 2, false), (300, 2, true), (330, 0, false)];
    let (prompt, steps, passed) = cases[draft.index() % cases.len()];
    let pair = Pair::once(random, Plan { prompt, ..plan(draft, steps) });
    let mut right = json!({
        "ids": {"$nonempty": true},
        "latent": true,
        "prompt_tokens": prompt,
        "primed_len": 1,
        "quality_gate_passed": passed,
    });
    if !passed {
        right["warnings"] = json!({"$nonempty": true});
    }
    draft.timeout_ms(10_000);
    draft.step("transfer", pair.args(json!({})), pair.parts(), ok(right, Vec::new()));
}
