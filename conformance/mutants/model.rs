//! Runtimes of language models that are wrong on purpose. Most ask the reference for something else than the harness did.

use serde_json::{Value, json};

use crate::weights::Weights;
use crate::{Mutant, again, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "model-one-step-too-few",
        "takes one latent step fewer than it says",
        ask | frame | {
            if let Some(steps) = steps(frame).filter(|steps| *steps > 0) {
                frame.args_mut().insert("steps".to_owned(), (steps - 1).into());
            }
        },
        tell | asked,
        told | {
            if steps(asked).is_some_and(|steps| steps > 0) {
                add(told, "num_steps", 1);
            }
        }
    ),
    mutant!(
        "model-cache-not-grown",
        "leaves the cache of the prompt behind",
        tell | asked,
        told | {
            if steps(asked).is_some() && told.is_ok() {
                let prefill = again(asked, "think", |args| args.insert("steps".to_owned(), 0.into()));
                if let Some(message) = prefill.part("message")
                    && let Some(own) = told.part_mut("message")
                {
                    *own = message.to_vec();
                }
            }
        }
    ),
    mutant!(
        "model-hidden-of-the-token-before",
        "answers the hidden state of the last token but one",
        tell | asked,
        told | {
            if steps(asked) == Some(0) && told.is_ok() {
                let before = again(asked, "think", |args| match args.get_mut("ids") {
                    Some(Value::Array(ids)) if ids.len() > 1 => ids.pop(),
                    _ => None,
                });
                if let Some(hidden) = before.part("hidden")
                    && let Some(own) = told.part_mut("hidden")
                {
                    *own = hidden.to_vec();
                }
            }
        }
    ),
    mutant!(
        "model-thinks-in-tokens",
        "feeds back the likeliest token in place of the state",
        ask | frame | {
            if let Some(steps) = steps(frame).filter(|steps| *steps > 0) {
                let text =
                    again(frame, "generate", |args| args.insert("max_tokens".to_owned(), steps.into()));
                let tokens =
                    text.json.get("ok").and_then(|ok| ok.get("ids")).and_then(Value::as_array).cloned();
                if let (Some(Value::Array(ids)), Some(tokens)) = (frame.args_mut().get_mut("ids"), tokens) {
                    ids.extend(tokens);
                }
                frame.args_mut().insert("steps".to_owned(), 0.into());
            }
        },
        tell | asked,
        told | {
            if let Some(steps) = steps(asked) {
                add(told, "num_steps", steps);
            }
        }
    ),
    mutant!(
        "model-rope-interleaved",
        "turns neighbouring elements of a head instead of its halves",
        ask | frame | {
            let dim = head_dim(frame);
            edit_weights(frame, |weights| {
                for part in ["q_proj", "k_proj"] {
                    weights.each(part, |rows| {
                        for head in rows.chunks_exact_mut(dim) {
                            let even = head.iter().step_by(2);
                            let halves: Vec<_> =
                                even.chain(head.iter().skip(1).step_by(2)).cloned().collect();
                            head.clone_from_slice(&halves);
                        }
                    });
                }
            });
        }
    ),
    mutant!(
        "model-biases-left-out",
        "knows no biases on queries, keys and values",
        ask | frame | {
            edit_weights(frame, |weights| {
                weights.each("_proj.bias", |rows| rows.iter_mut().for_each(|row| row.fill(0)));
            });
        }
    ),
    mutant!(
        "model-steps-not-added",
        "counts its own steps only",
        tell | asked,
        told | {
            if let Some(steps) = steps(asked).filter(|_| asked.part("context").is_some())
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("num_steps".to_owned(), steps.into());
            }
        }
    ),
    mutant!(
        "model-context-forgotten",
        "thinks without the context",
        ask | frame | {
            if frame.op() == "think" {
                drop_own_context(frame);
            }
        }
    ),
    mutant!(
        "model-prompt-without-context",
        "writes without the context",
        ask | frame | {
            if frame.op() == "generate" {
                drop_own_context(frame);
            }
        }
    ),
    mutant!(
        "model-hidden-context-ignored",
        "takes hidden states for no context",
        ask | frame | {
            if frame.part("context").is_some_and(|message| message.get(3).is_some_and(|flags| flags & 4 == 0))
            {
                frame.parts.retain(|part| part.name() != "context");
            }
        }
    ),
    mutant!(
        "model-foreign-context-taken",
        "continues any context that fits",
        ask | frame | {
            let own = own_hash(frame);
            if let Some(hash) = frame.part_mut("context").and_then(|message| hash_in(message)) {
                hash.copy_from_slice(own.as_bytes());
            }
        }
    ),
    mutant!(
        "model-default-steps-10",
        "takes ten steps when none are named",
        ask | frame | {
            if frame.op() == "think" && !frame.args().contains_key("steps") {
                frame.args_mut().insert("steps".to_owned(), 10.into());
            }
        }
    ),
    mutant!(
        "model-negative-steps-are-none",
        "takes fewer than no steps for none",
        ask | frame | {
            if frame.args().get("steps").and_then(Value::as_i64).is_some_and(|steps| steps < 0) {
                frame.args_mut().insert("steps".to_owned(), 0.into());
            }
        }
    ),
    mutant!(
        "model-cache-kept",
        "leaves a cache behind, whatever was asked for",
        ask | frame | {
            frame.args_mut().remove("output");
        }
    ),
    mutant!(
        "model-norms-of-steps-only",
        "leaves the norm after the prompt out",
        tell | _asked,
        told | {
            if let Some(Value::Array(norms)) = told.ok_mut().and_then(|ok| ok.get_mut("norm_trajectory")) {
                norms.remove(0);
            }
        }
    ),
    mutant!(
        "model-context-length-guessed",
        "says 2048 of every model",
        tell | asked,
        told | {
            if asked.op() == "connector_info"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("context_length".to_owned(), 2048.into());
            }
        }
    ),
    mutant!(
        "model-thinks-on-with-nan",
        "takes all steps, with whatever numbers",
        tell | asked,
        told | {
            if let Some(steps) = steps(asked)
                && let Some(ok) = told.ok_mut()
                && ok.get("has_nan") == Some(&json!(true))
            {
                ok.insert("num_steps".to_owned(), steps.into());
            }
        }
    ),
    mutant!(
        "model-silent",
        "warns of nothing",
        tell | asked,
        told | {
            if let Some(ok) = told.ok_mut().filter(|_| matches!(asked.op(), "think" | "generate")) {
                ok.insert("warnings".to_owned(), json!([]));
            }
        }
    ),
    mutant!(
        "model-dtype-not-asked",
        "runs in the elements that it likes",
        ask | frame | {
            if let Some(Value::Object(load)) = frame.args_mut().get_mut("load") {
                load.remove("dtype");
            }
        }
    ),
    mutant!(
        "model-half-on-the-cpu",
        "runs in two bytes an element wherever it is",
        ask | frame | {
            if let Some(Value::Object(load)) = frame.args_mut().get_mut("load") {
                load.entry("dtype").or_insert("bf16".into());
            }
        }
    ),
    mutant!(
        "model-device-not-asked",
        "says that it runs on a card",
        tell | asked,
        told | {
            if let Some(ok) = told.ok_mut().filter(|_| asked.args().contains_key("load")) {
                ok.insert("device".to_owned(), "cuda:0".into());
            }
        }
    ),
];

/// The steps that a `think` names.
fn steps(frame: &Frame) -> Option<u64> {
    if frame.op() == "think" { frame.args().get("steps")?.as_u64() } else { None }
}

fn add(told: &mut Frame, key: &str, more: u64) {
    if let Some(ok) = told.ok_mut() {
        let before = ok.get(key).and_then(Value::as_u64).unwrap_or_default();
        ok.insert(key.to_owned(), (before + more).into());
    }
}

/// The hash of the request's own model.
fn own_hash(frame: &Frame) -> String {
    let info = again(frame, "connector_info", |_| ());
    let hash = info.json.get("ok").and_then(|ok| ok.pointer("/identity/model_hash"));
    hash.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The 64 digits behind the key `model_hash` of a message's metadata.
fn hash_in(message: &mut [u8]) -> Option<&mut [u8]> {
    const ENTRY: &[u8] = b"model_hash\x12\x40";
    let at = message.windows(ENTRY.len()).position(|window| window == ENTRY)? + ENTRY.len();
    message.get_mut(at..at + 64)
}

/// Leaves a context out that is the model's own; a foreign one is still refused.
fn drop_own_context(frame: &mut Frame) {
    let own = own_hash(frame);
    let named = frame.part_mut("context").and_then(|message| hash_in(message));
    if named.is_some_and(|hash| hash == own.as_bytes()) {
        frame.parts.retain(|part| part.name() != "context");
    }
}

fn head_dim(frame: &Frame) -> usize {
    let config = frame.args().get("config");
    let size = |key: &str| config.and_then(|config| config.get(key)).and_then(Value::as_u64);
    let split = || Some(size("hidden_size")? / size("num_attention_heads")?);
    size("head_dim").or_else(split).unwrap_or(2) as usize
}

fn edit_weights(frame: &mut Frame, edit: impl FnOnce(&mut Weights<'_>)) {
    if let Some(file) = frame.part_mut("weights")
        && let Some(mut weights) = Weights::of(file)
    {
        edit(&mut weights);
    }
}
