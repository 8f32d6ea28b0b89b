//! Input embeddings of another model that are wrong on purpose. What these inject, they also tell of and write behind,
//! unless it is the very thing that they get wrong.

use serde_json::{Map, Value, json};

use crate::crossing::{crosses, number, prompt, take, tell_of, unasked};
use crate::rows::{Rows, length};
use crate::weights::Weights;
use crate::{
    Mutant, again, answered,
    frame::{Frame, Part},
    mutant,
};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "crossing-one-vector",
        "projects the last state alone, however many are asked for",
        ask | frame | {
            if crosses(frame) {
                frame.args_mut().remove("vectors");
            }
        }
    ),
    mutant!(
        "crossing-oldest-states",
        "takes the oldest latent states for the last ones",
        ask | frame | {
            if let Some(vectors) = number(frame, "vectors") {
                frame.args_mut().insert("steps".to_owned(), vectors.saturating_sub(1).into());
            }
        }
    ),
    mutant!(
        "crossing-newest-first",
        "injects the newest state in front of the older ones",
        tell | asked,
        told | {
            injected(asked, told, |rows| {
                let newest_first = rows.values.rchunks_exact(rows.dim).flatten().copied().collect();
                Rows { dim: rows.dim, values: newest_first }
            });
        }
    ),
    mutant!(
        "crossing-mean-of-states",
        "injects the mean of several states as one position",
        tell | asked,
        told | {
            injected(asked, told, |rows| {
                let sum = |at: usize| rows.each().map(|row| row[at]).sum::<f64>();
                let mean = (0..rows.dim).map(|at| sum(at) / rows.count().max(1) as f64).collect();
                Rows { dim: rows.dim, values: mean }
            });
        }
    ),
    mutant!(
        "crossing-injected-twice",
        "injects every vector twice, and says once",
        tell | asked,
        told | {
            if let Some(rows) = Rows::of(told, "injected") {
                let twice = rows.each_row(|row| [row, row].concat());
                written_behind(asked, told, &twice);
            }
        }
    ),
    mutant!(
        "crossing-injection-lost",
        "primes no cache, and writes what the prompt alone gives",
        tell | asked,
        told | {
            if crosses(asked) && told.is_ok() {
                let alone = again(asked, "transfer", unasked);
                take(told, &alone, "ids");
            }
        }
    ),
    mutant!(
        "crossing-positions-of-the-prompt",
        "counts the prompt's positions as primed ones",
        tell | asked,
        told | {
            let primed = number(asked, "vectors").unwrap_or(1) + prompt(asked);
            tell_of(asked, told, |ok| _ = ok.insert("primed_len".to_owned(), primed.into()));
        }
    ),
    mutant!(
        "crossing-state-before-the-last",
        "projects the state before the last latent step",
        ask | frame | {
            if let Some(steps) = number(frame, "steps").filter(|steps| *steps > 0) {
                frame.args_mut().insert("steps".to_owned(), (steps - 1).into());
            }
        }
    ),
    mutant!(
        "crossing-likeliest-token",
        "injects the embedding of the likeliest token",
        tell | asked,
        told | {
            projected(asked, told, |through| {
                through.args.insert("temperature".to_owned(), json!(1e-4));
            });
        }
    ),
    mutant!(
        "crossing-through-embeddings",
        "takes a model's input embedding for its head",
        tell | asked,
        told | {
            if let Some(embed) = tensor(asked, "source_weights", EMBEDDING) {
                projected(asked, told, |through| through.head = embed);
            }
        }
    ),
    mutant!(
        "crossing-at-its-own-length",
        "injects the weighted mean as it is",
        tell | asked,
        told | {
            projected(asked, told, |through| _ = through.args.remove("target_norm"));
        }
    ),
    mutant!(
        "crossing-length-of-the-source",
        "brings projections to the mean length of the source's embeddings",
        tell | asked,
        told | {
            if let Some(embed) = tensor(asked, "source_weights", EMBEDDING) {
                let mean = mean_length(&embed);
                injected(asked, told, |rows| {
                    rows.each_row(|row| row.iter().map(|value| value * mean / length(row)).collect())
                });
            }
        }
    ),
    mutant!(
        "crossing-length-of-the-batch",
        "brings all vectors together to the length of one",
        tell | asked,
        told | {
            injected(asked, told, |rows| {
                let one = rows.each().next().map_or(0.0, length);
                rows.map(|value| value * one / length(&rows.values))
            });
        }
    ),
    mutant!(
        "crossing-length-told-only",
        "tells of the right vectors and injects them ten times as long",
        tell | asked,
        told | {
            if let Some(rows) = Rows::of(told, "injected") {
                written_behind(asked, told, &rows.map(|value| value * 10.0));
            }
        }
    ),
    mutant!(
        "crossing-one-vocabulary",
        "takes two vocabularies for one, and says that it does not",
        ask | frame | {
            if crosses(frame)
                && let Some(vocab) = frame.args().get("source_vocab").cloned()
            {
                frame.args_mut().insert("vocab".to_owned(), vocab);
            }
        },
        tell | asked,
        told | {
            let own = asked.args().get("source_vocab") == asked.args().get("vocab");
            if crosses(asked)
                && !own
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("projection_method".to_owned(), "vocab_overlap".into());
            }
        }
    ),
    mutant!(
        "crossing-method-untold",
        "calls every way vocab_overlap",
        tell | asked,
        told | {
            tell_of(asked, told, |ok| _ = ok.insert("projection_method".to_owned(), "vocab_overlap".into()));
        }
    ),
];

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

fn mean_length(rows: &Rows) -> f64 {
    rows.each().map(length).sum::<f64>() / rows.count().max(1) as f64
}

/// A tensor of a model that comes along.
fn tensor(asked: &Frame, weights: &str, name: &str) -> Option<Rows> {
    Weights::of(&mut asked.part(weights)?.to_vec())?.rows(name)
}

/// Injects something else, and tells of it.
fn injected(asked: &Frame, told: &mut Frame, change: impl FnOnce(&Rows) -> Rows) {
    let Some(rows) = Rows::of(told, "injected").filter(|_| crosses(asked)) else { return };
    let changed = change(&rows);
    changed.put(told, "injected");
    tell_of(asked, told, |ok| _ = ok.insert("primed_len".to_owned(), changed.count().into()));
    written_behind(asked, told, &changed);
}

/// Answers what the target writes behind these input embeddings.
fn written_behind(asked: &Frame, told: &mut Frame, rows: &Rows) {
    let Some(Value::Object(ok)) = told.json.get("ok") else { return };
    if ok.get("latent") != Some(&true.into()) {
        return;
    }
    let model = |parts: Vec<Part>| {
        asked.parts.iter().filter(|part| part.name() == "weights").cloned().chain(parts).collect()
    };
    let info = ask("connector_info", json!({ "config": asked.args()["config"] }), model(Vec::new()));
    let identity = info.json.get("ok").and_then(|ok| ok.get("identity")).cloned().unwrap_or_default();
    let extra = json!({
        "model_hash": identity["model_hash"], "model_family": identity["model_family"], "num_steps": "0",
        "avp.seq_len": rows.count().to_string(),
    });
    // Under a map's id, states are input embeddings as they are.
    let metadata = json!({
        "hidden_dim": identity["hidden_dim"], "num_layers": identity["num_layers"], "avp_map_id": "a_b",
        "payload_type": "HIDDEN_STATE", "dtype": "FLOAT32", "tensor_shape": [rows.count(), rows.dim],
        "mode": "LATENT", "extra": extra,
    });
    let context =
        ask("encode", json!({ "metadata": metadata, "compression": "none" }), vec![rows.part("payload")]);
    let Some(message) = context.part("message") else { return };
    let context = Part::named("context", message);
    let args = Map::from_iter(
        ["config", "ids", "max_tokens"].map(|key| (key.to_owned(), asked.args()[key].clone())),
    );
    let text = ask("generate", args.into(), model(vec![context]));
    take(told, &text, "ids");
}

/// What a projection through one vocabulary is made of.
struct Through {
    head: Rows,
    embed: Rows,
    args: Map<String, Value>,
}

/// Projects the source's last states in another way, injects that, and tells of it.
fn projected(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Through)) {
    let method = told.json.get("ok").and_then(|ok| ok.get("projection_method"));
    if !crosses(asked) || method != Some(&"vocab_mediated".into()) {
        return;
    }
    let embed = tensor(asked, "source_weights", EMBEDDING);
    let head = tensor(asked, "source_weights", HEAD).or(embed);
    let (Some(head), Some(embed), Some(states)) = (head, tensor(asked, "weights", EMBEDDING), states(asked))
    else {
        return;
    };
    let args = Map::from_iter([("target_norm".to_owned(), mean_length(&embed).into())]);
    let mut through = Through { head, embed, args };
    change(&mut through);
    let parts = vec![states.part("hidden"), through.head.part("src_head"), through.embed.part("tgt_embed")];
    let made = ask("project_vocab", through.args.into(), parts);
    if let Some(made) = Rows::of(&made, "out") {
        injected(asked, told, |_| made);
    }
}

/// The last states of the source, as many as are projected: each is the last one after so many steps.
fn states(asked: &Frame) -> Option<Rows> {
    let vectors = number(asked, "vectors").unwrap_or(1);
    let steps = number(asked, "steps")?;
    let mut all = Rows { dim: 1, values: Vec::new() };
    for steps in (steps + 1).checked_sub(vectors)?..=steps {
        let args = json!({
            "config": asked.args()["source_config"], "ids": asked.args()["source_ids"], "steps": steps,
        });
        let weights = Part::named("weights", asked.part("source_weights")?);
        let state = Rows::of(&ask("think", args, vec![weights]), "hidden")?;
        all.dim = state.dim;
        all.values.extend(state.values);
    }
    Some(all)
}

/// What the reference answers.
fn ask(op: &str, args: Value, parts: Vec<Part>) -> Frame {
    let json = json!({ "id": 0, "op": op, "spec": "0.4", "args": args });
    answered(&Frame { json: json.as_object().cloned().unwrap_or_default(), parts })
}
