//! What a model's surroundings do: where it is loaded, and what anybody is told when something goes wrong.

use serde_json::{Value, json};

use super::draft::{Draft, Property, V04, ok};
use super::random::Random;
use super::share::{A_MODEL, Share};
use super::tiny::{Tiny, asking};
use crate::case::Expect;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "model-load",
        share: Share::Fixed(16, A_MODEL),
        specs: V04,
        requirements: &["AVP-API-012"],
        why: "A model goes to the fastest device that is there, in the elements that this is made for, unless somebody says otherwise.",
        bug: "device-choice",
        make: load,
    },
    Property {
        name: "model-warns-nan",
        share: Share::Fixed(8, A_MODEL),
        specs: V04,
        requirements: &["AVP-MET-006"],
        why: "Numbers that are none spoil all that follows; whoever asks for no diagnostics is told, too.",
        bug: "silent-nan",
        make: nan,
    },
    Property {
        name: "model-warns-empty",
        share: Share::Fixed(8, A_MODEL),
        specs: V04,
        requirements: &["AVP-MET-006"],
        why: "A text that ends before it begins is told, whether or not somebody looks for it.",
        bug: "silent-empty-text",
        make: empty,
    },
];

/// Prompts that are tried for one whose first token is clear. Nearly every one is.
const TRIES: usize = 64;

/// Least distance of a highest logit from the second, so that rounding does not choose the token.
const CLEAR: f64 = 1e-3;

/// An implementation that is told where to load a model.
const LOAD: &str = "load_options";

fn load(random: &mut Random, draft: &mut Draft) {
    draft.requires(LOAD);
    let index = draft.index();
    // A kind of models for each way to ask.
    let tiny = Tiny::sized(random, index / 4, 33, 128);
    let told = |device: &str, dtype: &str| -> Expect {
        ok(json!({"device": {"$re": device}, "dtype": {"$re": dtype}}), Vec::new())
    };
    let cpu = "(?i)^cpu(:0)?$";
    let (load, expect) = match index % 4 {
        // Which devices there are is the machine's.
        0 => {
            let ways = [
                ("cuda", told("(?i)^cuda(:[0-9]+)?$", "(?i)^(bfloat16|bf16|float16|f16)$")),
                ("mps", told("(?i)^mps(:0)?$", "(?i)^(float16|f16|float32|f32)$")),
                ("cpu", told(cpu, "(?i)^(float32|f32)$")),
            ];
            (json!({}), Expect::Either(ways.map(|(name, expect)| (name.to_owned(), expect)).into()))
        }
        1 => (json!({"device": "cpu"}), told(cpu, "(?i)^(float32|f32)$")),
        2 => (json!({"device": "cpu", "dtype": "bf16"}), told(cpu, "(?i)^(bfloat16|bf16)$")),
        _ => (json!({"device": "cpu", "dtype": "f16"}), told(cpu, "(?i)^(float16|f16|half)$")),
    };
    draft.step("connector_info", tiny.args(json!({ "load": load })), tiny.parts(None), expect);
}

fn warned(content: Value) -> Expect {
    let mut content = content;
    content["warnings?"] = json!({"$nonempty": true});
    ok(content, Vec::new())
}

fn nan(random: &mut Random, draft: &mut Draft) {
    let mut tiny = Tiny::sized(random, draft.index(), 33, 128);
    let prompt = tiny.prompt(random);
    // A token of the prompt, so that the first state is none; every second case an infinity.
    let (width, token) = (tiny.shape.hidden_size, prompt[random.below(prompt.len())] as usize);
    let value = if draft.index().is_multiple_of(2) { f32::NAN } else { f32::INFINITY };
    tiny.model.tensors[0].values[token * width + random.below(width)] = value;
    let args = tiny.args(asking(&prompt, &json!({"steps": 2})));
    draft.step("think", args, tiny.parts(None), warned(json!({})));
}

fn empty(random: &mut Random, draft: &mut Draft) {
    let mut tiny = Tiny::sized(random, draft.index(), 33, 128);
    let mut clear = None;
    for _ in 0..TRIES {
        let prompt = tiny.prompt(random);
        let text = tiny.thinker.greedy(tiny.empty(), &prompt, 1);
        clear = text.ids.first().map(|first| (prompt, *first)).filter(|_| text.margin > CLEAR);
        if clear.is_some() {
            break;
        }
    }
    // With choices that make no such prompt, no tokens at all are asked for.
    let Some((prompt, first)) = clear else {
        let args = tiny.args(asking(&[2], &json!({"max_tokens": 0})));
        return draft.step("generate", args, tiny.parts(None), warned(json!({"ids": []})));
    };
    // The first token that comes is the one that ends texts.
    tiny.model.config["eos_token_id"] = first.into();
    let args = tiny.args(asking(&prompt, &json!({"max_tokens": 8})));
    draft.step("generate", args, tiny.parts(None), warned(json!({"ids": [first]})));
}
