//! Tiny language models that come with each request: latent steps, contexts, greedy texts, judged by the decoder oracle.

use serde_json::{Map, Value, json};

use super::draft::{BOTH, Draft, Property, V04, encoded, ok, part, reject};
use super::random::Random;
use super::share::{A_MODEL, Share};
use super::tiny::{Tiny, asking};
use crate::case::{
    CloseCache, CloseTensor, EncodedExpect, Expect, ExpectPart, Level, Part, PartContent, PartData, Within,
};
use crate::oracle::{DecoderCache, Greedy, Thinker, Thought};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "model-think",
        share: Share::Fixed(24, A_MODEL),
        specs: BOTH,
        requirements: &["AVP-RLN-017"],
        why: "A latent step feeds the last hidden state back as one input embedding, and the cache grows by one position.",
        bug: "latent-step-wrong",
        make: think,
    },
    Property {
        name: "model-steps-default",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-001"],
        why: "Who does not say how many steps gets twenty.",
        bug: "default-steps",
        make: default_steps,
    },
    Property {
        name: "model-output",
        share: Share::Fixed(16, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-003"],
        why: "Thinking leaves a cache and a hidden state behind, or the hidden state alone.",
        bug: "output-kind",
        make: output,
    },
    Property {
        name: "model-steps-bounds",
        share: Share::Fixed(8, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-004"],
        why: "No steps are a plain prefill; fewer than none are refused.",
        bug: "negative-steps-accepted",
        make: steps_bounds,
    },
    Property {
        name: "model-continued",
        share: Share::Fixed(16, A_MODEL),
        specs: BOTH,
        requirements: &["AVP-CTX-013"],
        why: "Thinking behind a context that somebody else made adds to its steps and to its cache.",
        bug: "context-not-continued",
        make: continued,
    },
    Property {
        name: "model-context-text",
        share: Share::Fixed(12, A_MODEL),
        specs: BOTH,
        requirements: &["AVP-CTX-012"],
        why: "A text behind a context from a message is the text behind the live one: the same tokens.",
        bug: "context-restored-wrong",
        make: context_text,
    },
    Property {
        name: "model-own-context-text",
        share: Share::Fixed(12, A_MODEL),
        specs: BOTH,
        requirements: &["AVP-CTX-012"],
        why: "A context goes through a message of the implementation's own and is continued to the same tokens.",
        bug: "context-restored-wrong",
        make: own_context_text,
    },
    Property {
        name: "model-foreign-context",
        share: Share::Fixed(12, A_MODEL),
        specs: BOTH,
        requirements: &["AVP-CTX-011"],
        why: "A context of another model is refused although it would fit.",
        bug: "foreign-context-accepted",
        make: foreign,
    },
    Property {
        name: "model-text",
        share: Share::Fixed(12, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-002"],
        why: "A text with and without a context.",
        bug: "text-wrong",
        make: text,
    },
    Property {
        name: "model-hidden-context",
        share: Share::Fixed(12, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-010", "AVP-XFR-003"],
        why: "Hidden states of the same model are a context: each is fed in as an input embedding.",
        bug: "hidden-context-not-injected",
        make: hidden_context,
    },
    Property {
        name: "model-info",
        share: Share::Fixed(8, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-011"],
        why: "What a connector says of its model is what the configuration says.",
        bug: "connector-properties",
        make: info,
    },
    Property {
        name: "model-norms",
        share: Share::Fixed(8, A_MODEL),
        specs: V04,
        requirements: &["AVP-MET-005"],
        why: "One norm a state: after the prompt, and after each step.",
        bug: "norm-trajectory-incomplete",
        make: norms,
    },
    Property {
        name: "model-nan",
        share: Share::Fixed(4, A_MODEL),
        specs: V04,
        requirements: &["AVP-RLN-018"],
        why: "An embedding that is not a number spoils the first latent step: thinking stops behind it and says so.",
        bug: "thinks-on-with-nan",
        make: nan,
    },
];

/// Relative error of hidden states, keys and values (AVP-RLN-017).
const WITHIN: Within = Within { frobenius: Some(1e-3), rows: None, cosine: None, norms: None };

/// Least distance of a highest logit from the second, so that rounding does not choose the token.
const CLEAR: f64 = 1e-3;

/// Tokens that a text has at most.
const WRITTEN: usize = 8;

fn close(shape: &[usize], values: Vec<u8>) -> CloseTensor {
    let shape = shape.iter().map(|&dim| dim as u64).collect();
    CloseTensor { shape, values: values.into(), through: None, within: WITHIN }
}

fn row(state: &[f64]) -> CloseTensor {
    close(&[1, state.len()], state.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect())
}

fn accepted(content: Value, parts: Vec<(&str, PartContent)>) -> Expect {
    let parts = parts.into_iter().map(|(name, content)| ExpectPart { name: name.to_owned(), content });
    Expect::Ok { ok: object(content), should: Map::new(), parts: parts.collect() }
}

fn object(content: Value) -> Map<String, Value> {
    match content {
        Value::Object(content) => content,
        _ => Map::new(),
    }
}

/// What thinking must answer: counts, the last state, and the cache in the message.
fn thought_of(tiny: &Tiny, thought: &Thought, tokens: usize, num_steps: usize) -> Expect {
    let cache = &thought.cache;
    let both = (0..cache.num_layers()).flat_map(|layer| [(layer, false), (layer, true)]);
    let message = CloseCache {
        content: object(json!({
            "model_hash": tiny.hash,
            "hidden_dim": tiny.shape.hidden_size,
            "num_layers": tiny.shape.num_layers,
            "num_steps": num_steps,
            "seq_len": cache.seq_len(),
        })),
        tensors: both.map(|(layer, values)| close(&cache.dims(), cache.tensor(layer, values))).collect(),
    };
    let content = json!({
        "num_steps": num_steps,
        "seq_len": cache.seq_len(),
        "payload_type": "KV_CACHE",
        "prompt_tokens?": tokens,
        "has_nan?": false,
        "has_inf?": false,
    });
    let parts = vec![
        ("hidden", PartContent::Close(row(thought.last()))),
        ("message", PartContent::Cache(Box::new(message))),
    ];
    accepted(content, parts)
}

/// Soft embeddings may come as they are or at the length of an embedding: either is right.
fn each_way(draft: &mut Draft, tiny: &Tiny, steps: usize, expect: impl Fn(&Thinker) -> Expect) -> Expect {
    if !tiny.shape.tied || steps == 0 {
        return expect(&tiny.thinker);
    }
    draft.settled_here("A-039");
    let ways = [("plain", &tiny.thinker), ("rescaled", &tiny.rescaled())];
    Expect::Either(ways.map(|(name, thinker)| (name.to_owned(), expect(thinker))).into())
}

/// Steps that a case takes, and a model that is calm over them.
fn calm(random: &mut Random, draft: &Draft, steps: usize) -> (Tiny, Vec<u32>) {
    Tiny::draw(random, draft.index(), |random, tiny| {
        let prompt = tiny.prompt(random);
        let calm = tiny.is_calm(|thinker| thinker.think(tiny.empty(), &prompt, steps).states);
        (prompt, calm)
    })
}

fn think_step(draft: &mut Draft, tiny: &Tiny, prompt: &[u32], steps: usize, more: Value) {
    let expect = each_way(draft, tiny, steps, |thinker| {
        thought_of(tiny, &thinker.think(tiny.empty(), prompt, steps), prompt.len(), steps)
    });
    draft.step("think", tiny.args(asking(prompt, &more)), tiny.parts(None), expect);
}

fn think(random: &mut Random, draft: &mut Draft) {
    // Four kinds of models, then other steps.
    let steps = [5, 1, 0][draft.index() / 4 % 3];
    let (tiny, prompt) = calm(random, draft, steps);
    think_step(draft, &tiny, &prompt, steps, json!({ "steps": steps }));
}

fn default_steps(random: &mut Random, draft: &mut Draft) {
    let (tiny, prompt) = calm(random, draft, 0);
    let content = json!({"num_steps": 20, "seq_len": prompt.len() + 20});
    draft.step("think", tiny.args(asking(&prompt, &json!({}))), tiny.parts(None), ok(content, Vec::new()));
}

fn output(random: &mut Random, draft: &mut Draft) {
    let (tiny, prompt) = calm(random, draft, 2);
    match draft.index() / 4 {
        0 => think_step(draft, &tiny, &prompt, 2, json!({"steps": 2, "output": "auto"})),
        1 => think_step(draft, &tiny, &prompt, 2, json!({"steps": 2, "output": "kv_cache"})),
        group => {
            let args = tiny.args(asking(&prompt, &json!({"steps": 2, "output": "hidden_state"})));
            let expect = match group {
                2 => each_way(draft, &tiny, 2, |thinker| {
                    let thought = thinker.think(tiny.empty(), &prompt, 2);
                    let content = json!({"num_steps": 2, "payload_type": "HIDDEN_STATE"});
                    accepted(content, vec![("hidden", PartContent::Close(row(thought.last())))])
                }),
                _ => hidden_message(draft, &tiny),
            };
            draft.step("think", args, tiny.parts(None), expect);
        }
    }
}

/// A message of hidden states alone. That one can be written at all is an open question.
fn hidden_message(draft: &mut Draft, tiny: &Tiny) -> Expect {
    draft.requirements(&["AVP-CTX-009"]);
    draft.settled("A-047", Level::Should);
    let metadata = object(json!({
        "hidden_dim": tiny.shape.hidden_size,
        "num_layers": tiny.shape.num_layers,
        "payload_type": "HIDDEN_STATE",
        "tensor_shape": [1, tiny.shape.hidden_size],
        "model_id": {"$any": [{"$absent": true}, {"$nonempty": true}]},
        "extra": {"$subset": {"model_hash": tiny.hash, "num_steps": "2"}},
    }));
    encoded(EncodedExpect { metadata: Some(metadata), ..EncodedExpect::default() })
}

fn steps_bounds(random: &mut Random, draft: &mut Draft) {
    let (tiny, prompt) = calm(random, draft, 0);
    if draft.index() < 4 {
        return think_step(draft, &tiny, &prompt, 0, json!({"steps": 0}));
    }
    let steps = random.pick(&[-1i64, -2, -20, i64::from(i32::MIN)]);
    let args = tiny.args(asking(&prompt, &json!({ "steps": steps })));
    draft.step("think", args, tiny.parts(None), reject(&["invalid_argument"]));
}

/// What the oracle thought before, as a message carries it.
struct Before {
    steps: usize,
    cache: DecoderCache,
}

impl Before {
    fn new(random: &mut Random, tiny: &Tiny) -> Self {
        let (prompt, steps) = (tiny.prompt(random), random.between(0, 3));
        Self { steps, cache: tiny.thinker.think(tiny.empty(), &prompt, steps).cache.rounded() }
    }

    fn part(&self, tiny: &Tiny, draft: &Draft) -> Part {
        part("context", tiny.message(&self.cache, self.steps, &tiny.hash, draft.spec))
    }
}

fn continued(random: &mut Random, draft: &mut Draft) {
    let steps = [2, 5, 1, 0][draft.index() / 4 % 4];
    let (tiny, (before, prompt)) = Tiny::draw(random, draft.index(), |random, tiny| {
        let (before, prompt) = (Before::new(random, tiny), tiny.prompt(random));
        let calm = tiny.is_calm(|thinker| thinker.think(before.cache.clone(), &prompt, steps).states);
        ((before, prompt), calm)
    });
    let expect = each_way(draft, &tiny, steps, |thinker| {
        let thought = thinker.think(before.cache.clone(), &prompt, steps);
        thought_of(&tiny, &thought, prompt.len(), before.steps + steps)
    });
    let context = before.part(&tiny, draft);
    let args = tiny.args(asking(&prompt, &json!({ "steps": steps })));
    draft.step("think", args, tiny.parts(Some(context)), expect);
}

fn written(greedy: &Greedy) -> Expect {
    let finish = if greedy.stopped { "stop" } else { "length" };
    ok(json!({"ids": greedy.ids, "finish?": finish, "seq_len?": greedy.seq_len}), Vec::new())
}

fn generate(draft: &mut Draft, tiny: &Tiny, prompt: &[u32], context: Option<Part>, expect: Expect) {
    let args = tiny.args(asking(prompt, &json!({ "max_tokens": WRITTEN })));
    draft.step("generate", args, tiny.parts(context), expect);
}

/// A text is clear, and not one that would come without its context.
fn tells(tiny: &Tiny, prompt: &[u32], texts: &[Greedy]) -> bool {
    let alone = tiny.thinker.greedy(tiny.empty(), prompt, WRITTEN);
    texts.iter().all(|text| text.margin > CLEAR && text.ids != alone.ids)
}

fn context_text(random: &mut Random, draft: &mut Draft) {
    let (tiny, (before, prompt)) = Tiny::draw(random, draft.index(), |random, tiny| {
        let (before, prompt) = (Before::new(random, tiny), tiny.prompt(random));
        let text = tiny.thinker.greedy(before.cache.clone(), &prompt, WRITTEN);
        let calm = tiny.is_calm(|thinker| vec![thinker.decoder.read(&prompt, &mut before.cache.clone())]);
        let liked = calm && tells(tiny, &prompt, &[text]);
        ((before, prompt), liked)
    });
    let expect = written(&tiny.thinker.greedy(before.cache.clone(), &prompt, WRITTEN));
    let context = before.part(&tiny, draft);
    generate(draft, &tiny, &prompt, Some(context), expect);
}

/// Behind the message that the implementation itself wrote.
fn own_context_text(random: &mut Random, draft: &mut Draft) {
    const STEPS: usize = 3;
    let (tiny, prompt) = Tiny::draw(random, draft.index(), |random, tiny| {
        let prompt = tiny.prompt(random);
        let calm = tiny.is_calm(|thinker| thinker.think(tiny.empty(), &prompt, STEPS).states);
        let behind = |thinker: &Thinker| {
            thinker.greedy(thinker.think(tiny.empty(), &prompt, STEPS).cache, &prompt, WRITTEN)
        };
        let clear = tells(tiny, &prompt, &[behind(&tiny.thinker), behind(&tiny.rescaled())]);
        (prompt, calm && clear)
    });
    think_step(draft, &tiny, &prompt, STEPS, json!({ "steps": STEPS }));
    let expect = each_way(draft, &tiny, STEPS, |thinker| {
        written(&thinker.greedy(thinker.think(tiny.empty(), &prompt, STEPS).cache, &prompt, WRITTEN))
    });
    let data = PartData::FromStep { step: 0, part: "message".to_owned() };
    let context = Part { data, ..part("context", []) };
    generate(draft, &tiny, &prompt, Some(context), expect);
}

fn foreign(random: &mut Random, draft: &mut Draft) {
    let (tiny, before) = Tiny::draw(random, draft.index(), |random, tiny| (Before::new(random, tiny), true));
    let prompt = tiny.prompt(random);
    let hash = match random.below(3) {
        0 => random.hash(),
        // One digit is enough.
        1 => match tiny.hash.split_at(63) {
            (most, "0") => format!("{most}1"),
            (most, _) => format!("{most}0"),
        },
        _ => String::new(),
    };
    let context = Some(part("context", tiny.message(&before.cache, before.steps, &hash, draft.spec)));
    let (op, more) = match draft.index() / 4 % 2 {
        0 => ("think", json!({"steps": 1})),
        _ => ("generate", json!({"max_tokens": 2})),
    };
    let args = tiny.args(asking(&prompt, &more));
    draft.step(op, args, tiny.parts(context), reject(&["incompatible_models"]));
}

fn text(random: &mut Random, draft: &mut Draft) {
    let (tiny, (before, prompt, texts)) = Tiny::draw(random, draft.index(), |random, tiny| {
        let (before, prompt) = (Before::new(random, tiny), tiny.prompt(random));
        let behind = tiny.thinker.greedy(before.cache.clone(), &prompt, WRITTEN);
        let alone = tiny.thinker.greedy(tiny.empty(), &prompt, WRITTEN);
        let clear = alone.margin > CLEAR && tells(tiny, &prompt, std::slice::from_ref(&behind));
        ((before, prompt, [alone, behind]), clear)
    });
    let [alone, behind] = &texts;
    generate(draft, &tiny, &prompt, None, written(alone));
    let context = before.part(&tiny, draft);
    generate(draft, &tiny, &prompt, Some(context), written(behind));
}

fn hidden_context(random: &mut Random, draft: &mut Draft) {
    let count = random.between(1, 3);
    let behind = |thinker: &Thinker, states: &[Vec<f64>], prompt: &[u32]| {
        thinker.greedy(thinker.cache_of(states), prompt, WRITTEN)
    };
    let (tiny, (states, prompt)) = Tiny::draw(random, draft.index(), |random, tiny| {
        let (first, prompt) = (tiny.prompt(random), tiny.prompt(random));
        let mut states = tiny.thinker.think(tiny.empty(), &first, count - 1).states;
        states.iter_mut().flatten().for_each(|value| *value = f64::from(*value as f32));
        let texts = [&tiny.thinker, &tiny.rescaled()].map(|thinker| behind(thinker, &states, &prompt));
        let clear = tells(tiny, &prompt, &texts);
        ((states, prompt), clear)
    });
    let expect = each_way(draft, &tiny, count, |thinker| written(&behind(thinker, &states, &prompt)));
    draft.settled("A-063", Level::Should);
    let context = part("context", tiny.hidden_message(&states, count - 1));
    generate(draft, &tiny, &prompt, Some(context), expect);
}

fn info(random: &mut Random, draft: &mut Draft) {
    let (tiny, ()) = Tiny::draw(random, draft.index(), |_, _| ((), true));
    let (shape, config) = (&tiny.shape, &tiny.model.config);
    let content = json!({
        "hidden_dim": shape.hidden_size,
        "num_layers": shape.num_layers,
        "context_length": config["max_position_embeddings"],
        "vocab_size": shape.vocab_size,
        "stop_tokens?": [config["eos_token_id"]],
        "device?": {"$nonempty": true},
        "dtype?": {"$re": "(?i)^(float32|f32)$"},
        "identity": {"$subset": {
            "model_family": tiny.family(),
            "model_hash": tiny.hash,
            "hidden_dim": shape.hidden_size,
            "num_layers": shape.num_layers,
            "num_kv_heads": shape.num_kv_heads,
            "head_dim": shape.head_dim,
        }},
    });
    draft.step("connector_info", tiny.args(json!({})), tiny.parts(None), ok(content, Vec::new()));
}

fn norms(random: &mut Random, draft: &mut Draft) {
    let steps = random.between(1, 6);
    let (tiny, prompt) = calm(random, draft, steps);
    let expect = each_way(draft, &tiny, steps, |thinker| {
        let norms = thinker.think(tiny.empty(), &prompt, steps).norms();
        let near: Vec<Value> =
            norms.into_iter().map(|value| json!({"$close": {"value": value, "rel": 1e-3}})).collect();
        ok(json!({ "norm_trajectory": near }), Vec::new())
    });
    draft.step("think", tiny.args(asking(&prompt, &json!({ "steps": steps }))), tiny.parts(None), expect);
}

fn nan(random: &mut Random, draft: &mut Draft) {
    // A tied model mixes all embeddings into its soft one, also that of a token which the prompt does not have.
    let kind = draft.index() % 2;
    let (mut tiny, prompt) = Tiny::draw(random, kind, |random, tiny| (tiny.prompt(random), true));
    let width = tiny.shape.hidden_size;
    let token = (2..tiny.shape.vocab_size).find(|id| !prompt.contains(&(*id as u32))).unwrap_or_default();
    tiny.model.tensors[0].values[token * width + random.below(width)] = f32::NAN;
    let content = json!({"num_steps": 1, "seq_len": prompt.len() + 1, "has_nan": true});
    let args = tiny.args(asking(&prompt, &json!({"steps": 10})));
    draft.step("think", args, tiny.parts(None), ok(content, Vec::new()));
}
