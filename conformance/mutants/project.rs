//! Projections onto another model that are wrong on purpose.

use half::f16;
use serde_json::{Value, json};

use crate::rows::{Rows, dot, length};
use crate::through::{normal, projected, softmax};
use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "project-likeliest-token",
        "takes the embedding of the likeliest token",
        tell | asked,
        told | {
            projected(asked, told, |state, through, _| {
                let likeliest =
                    through.logits(state).into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
                through.targets.row(likeliest.map_or(0, |(at, _)| at)).to_vec()
            });
        }
    ),
    mutant!(
        "project-largest-not-subtracted",
        "raises e to the logits as they are",
        tell | asked,
        told | {
            projected(asked, told, |state, through, temperature| {
                let weights = through
                    .logits(state)
                    .into_iter()
                    .map(|logit| f64::from(((logit / temperature) as f32).exp()));
                through.mean(&normal(weights.collect()))
            });
        }
    ),
    mutant!(
        "project-softmax-over-all",
        "takes the softmax over all tokens and keeps the shared ones' share",
        tell | asked,
        told | {
            let all = Rows::of(asked, "src_head");
            projected(asked, told, |state, through, temperature| {
                let Some(all) = &all else { return Vec::new() };
                let logits: Vec<f64> = all.each().map(|row| dot(row, state)).collect();
                let weights = softmax(&logits, temperature);
                through.mean(&through.picked.iter().map(|at| weights[*at]).collect::<Vec<_>>())
            });
        }
    ),
    mutant!(
        "project-overlap-ids-as-rows",
        "takes the shared embeddings for those of the first tokens",
        ask | frame | {
            if frame.op() == "project_overlap"
                && let Some(indices) = indices(frame)
            {
                put_indices(frame, &(0..indices.len() as u32).collect::<Vec<_>>());
            }
        }
    ),
    mutant!(
        "project-indices-sorted",
        "sorts the indices and leaves the rows as they are",
        ask | frame | {
            if frame.op() == "project_overlap"
                && let Some(mut indices) = indices(frame)
            {
                indices.sort_unstable();
                put_indices(frame, &indices);
            }
        }
    ),
    mutant!(
        "project-overlap-doubled-temperature",
        "divides the logits of shared tokens by twice the temperature",
        ask | frame | {
            if frame.op() == "project_overlap" {
                temperature(frame, |given| 2.0 * given);
            }
        }
    ),
    mutant!(
        "project-padding-weighs",
        "takes padding into the softmax",
        tell | asked,
        told | {
            let all = Rows::of(asked, "src_head");
            let rows = Rows::of(asked, "tgt_embed");
            projected(asked, told, |state, through, temperature| {
                let (Some(all), Some(rows)) = (&all, &rows) else { return Vec::new() };
                let mut logits: Vec<f64> = all.each().map(|row| dot(row, state)).collect();
                logits.resize(all.count().max(rows.count()), 0.0);
                through.mean(&softmax(&logits, temperature))
            });
        }
    ),
    mutant!(
        "project-padding-refused",
        "refuses vocabularies of different sizes",
        tell | asked,
        told | {
            if asked.op() == "project_vocab"
                && let Some(head) = Rows::of(asked, "src_head")
                && let Some(embed) = Rows::of(asked, "tgt_embed")
                && head.count() != embed.count()
            {
                told.become_err("shape_mismatch");
            }
        }
    ),
    mutant!(
        "project-temperature-ignored",
        "takes every temperature for one",
        ask | frame | {
            temperature(frame, |_| 1.0);
        }
    ),
    mutant!(
        "project-temperature-multiplied",
        "multiplies by the temperature",
        ask | frame | {
            temperature(frame, |given| 1.0 / given);
        }
    ),
    mutant!(
        "project-default-temperature-cold",
        "takes a half for the temperature when none is named",
        ask | frame | {
            if frame.op().starts_with("project_") && !frame.args().contains_key("temperature") {
                frame.args_mut().insert("temperature".to_owned(), json!(0.5));
            }
        }
    ),
    mutant!(
        "project-temperature-clamped",
        "takes a temperature below zero for a small one",
        ask | frame | {
            let given = frame.args().get("temperature").and_then(Value::as_f64);
            if given.is_some_and(|given| given <= 0.0) {
                frame.args_mut().insert("temperature".to_owned(), json!(1e-6));
            }
        }
    ),
    mutant!(
        "project-temperature-nan-passes",
        "takes a temperature that is no number for one",
        ask | frame | {
            if frame.args().get("temperature").is_some_and(Value::is_string) {
                frame.args_mut().insert("temperature".to_owned(), json!(1.0));
            }
        }
    ),
    mutant!(
        "project-length-ignored",
        "ignores the target's length",
        ask | frame | {
            if matches!(frame.op(), "project_vocab" | "project_overlap") {
                frame.args_mut().shift_remove("target_norm");
            }
        }
    ),
    mutant!(
        "project-length-of-the-batch",
        "brings a batch as a whole to the target's length",
        tell | asked,
        told | {
            let target = asked.args().get("target_norm").and_then(Value::as_f64);
            let mut unscaled = asked.clone();
            unscaled.args_mut().shift_remove("target_norm");
            let plain = crate::again(&unscaled, asked.op(), |_| ());
            if let Some(target) = target
                && let Some(made) = Rows::of(&plain, "out")
            {
                let mean = (length(&made.values) / (made.count().max(1) as f64).sqrt()).max(1e-6);
                made.map(|value| value * target / mean).put(told, "out");
            }
        }
    ),
    mutant!(
        "project-floor-missing",
        "divides by lengths however short",
        tell | asked,
        told | {
            let target = asked.args().get("target_norm").and_then(Value::as_f64);
            if let Some(target) = target
                && let Some(made) = Rows::of(told, "out")
            {
                made.each_row(|row| row.iter().map(|value| value * target / length(row)).collect())
                    .put(told, "out");
            }
        }
    ),
    mutant!(
        "project-always-normalised",
        "brings every projection to the mean length of the target's rows",
        ask | frame | {
            if matches!(frame.op(), "project_vocab" | "project_overlap")
                && !frame.args().contains_key("target_norm")
                && let Some(rows) =
                    Rows::of(frame, "tgt_embed").or_else(|| Rows::of(frame, "tgt_embed_shared"))
            {
                let mean = rows.each().map(length).sum::<f64>() / rows.count().max(1) as f64;
                frame.args_mut().insert("target_norm".to_owned(), json!(mean));
            }
        }
    ),
    mutant!(
        "project-zeros-to-zeros",
        "answers a state of zeros with zeros",
        tell | asked,
        told | {
            projected(asked, told, |state, through, temperature| {
                match state.iter().all(|value| *value == 0.0) {
                    true => vec![0.0; through.targets.dim],
                    false => through.mean(&softmax(&through.logits(state), temperature)),
                }
            });
        }
    ),
    mutant!(
        "project-sums-in-float16",
        "sums products of 16-bit weights in float16",
        tell | asked,
        told | {
            let wide = asked.parts.iter().any(|part| part.spec.get("dtype") == Some(&"f32".into()));
            if !wide {
                projected(asked, told, |state, through, temperature| {
                    let logit = |row: &[f64]| {
                        let products = row.iter().zip(state).map(|(a, b)| f16::from_f64(a * b));
                        products.fold(f16::ZERO, |sum, product| sum + product).to_f64()
                    };
                    let logits: Vec<f64> = through.source.each().map(logit).collect();
                    through.mean(&softmax(&logits, temperature))
                });
            }
        }
    ),
    mutant!(
        "project-width-cut",
        "cuts wider states and heads to the narrower width",
        ask | frame | {
            if matches!(frame.op(), "project_vocab" | "project_overlap")
                && let Some(hidden) = Rows::of(frame, "hidden")
                && let Some(head) = Rows::of(frame, "src_head")
            {
                let width = hidden.dim.min(head.dim);
                let cut = |rows: &Rows| Rows {
                    dim: width,
                    values: rows.each().flat_map(|row| row[..width].to_vec()).collect(),
                };
                cut(&hidden).put(frame, "hidden");
                cut(&head).put(frame, "src_head");
            }
        }
    ),
    mutant!(
        "project-indices-clamped",
        "takes the last row for an index beyond it",
        ask | frame | {
            if let Some(mut indices) = indices(frame)
                && let Some(head) = Rows::of(frame, "src_head")
            {
                let last = head.count().saturating_sub(1) as u32;
                indices.iter_mut().for_each(|index| *index = (*index).min(last));
                put_indices(frame, &indices);
            }
        }
    ),
    mutant!(
        "project-pairs-cut",
        "leaves indices or rows over that have no counterpart",
        ask | frame | {
            if let Some(indices) = indices(frame)
                && let Some(rows) = Rows::of(frame, "tgt_embed_shared")
                && indices.len() != rows.count()
            {
                let count = indices.len().min(rows.count());
                put_indices(frame, &indices[..count]);
                rows.first(count).put(frame, "tgt_embed_shared");
            }
        }
    ),
    mutant!(
        "project-negative-wraps",
        "counts negative indices from the end",
        ask | frame | {
            let rows = Rows::of(frame, "src_head").map_or(0, |head| head.count() as i64);
            let part = frame.parts.iter().find(|part| part.name() == "src_indices");
            if let Some(part) = part.filter(|part| part.spec.get("dtype") == Some(&"i8".into())) {
                let whole = part.bytes.iter().map(|byte| i64::from(*byte as i8));
                let wrapped: Vec<u32> = whole.map(|at| (at + if at < 0 { rows } else { 0 }) as u32).collect();
                put_indices(frame, &wrapped);
            }
        }
    ),
    mutant!(
        "project-nan-untold",
        "projects what is no number, and finds it in order",
        tell | asked,
        told | {
            let flawed =
                Rows::of(asked, "hidden").is_some_and(|rows| rows.values.iter().any(|v| !v.is_finite()));
            if asked.op().starts_with("project_") && flawed {
                let bytes = vec![0; 4 * Rows::of(asked, "hidden").map_or(0, |rows| rows.count())];
                told.become_ok(json!({"has_nan": false, "has_inf": false}), &[("out", &bytes)]);
            }
        }
    ),
    mutant!(
        "project-entropy-in-bits",
        "takes logarithms to the base two",
        tell | asked,
        told | {
            metric(asked, told, "entropy", |value, _| value / std::f64::consts::LN_2);
        }
    ),
    mutant!(
        "project-gap-is-the-greatest",
        "answers the greatest weight for its distance to the second",
        tell | asked,
        told | {
            metric(asked, told, "logit_gap", |_, other| other);
        }
    ),
    mutant!(
        "project-metrics-of-one-row",
        "answers one number for a whole batch",
        tell | _asked,
        told | {
            let lists = told.ok_mut().and_then(|ok| ok.get_mut("metrics")).and_then(Value::as_object_mut);
            for list in lists.into_iter().flat_map(|lists| lists.values_mut()).filter_map(Value::as_array_mut)
            {
                list.truncate(1);
            }
        }
    ),
    mutant!(
        "project-linear-from-the-left",
        "multiplies with the matrix on the left",
        ask | frame | {
            if frame.op() == "project_linear"
                && let Some(w) = Rows::of(frame, "w")
                && w.count() == w.dim
            {
                w.transposed().put(frame, "w");
            }
        }
    ),
    mutant!(
        "project-linear-without-bias",
        "leaves the bias out",
        ask | frame | {
            if frame.op() == "project_linear" {
                frame.parts.retain(|part| part.name() != "bias");
            }
        }
    ),
];

/// Puts another temperature in place of one that is a number above zero.
fn temperature(frame: &mut Frame, change: impl Fn(f64) -> f64) {
    if frame.op().starts_with("project_")
        && let Some(given) = frame.args().get("temperature").and_then(Value::as_f64)
        && given > 0.0
    {
        frame.args_mut().insert("temperature".to_owned(), json!(change(given)));
    }
}

pub(crate) fn indices(frame: &Frame) -> Option<Vec<u32>> {
    let part = frame.parts.iter().find(|part| part.name() == "src_indices")?;
    let whole = part.spec.get("dtype") == Some(&"u32".into());
    whole.then(|| part.bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
}

fn put_indices(frame: &mut Frame, indices: &[u32]) {
    if let Some(part) = frame.parts.iter_mut().find(|part| part.name() == "src_indices") {
        part.bytes = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
        part.spec.insert("dtype".to_owned(), "u32".into());
        part.spec.insert("shape".to_owned(), vec![indices.len()].into());
    }
}

/// Changes a metric; the second argument is the row's greatest weight.
fn metric(asked: &Frame, told: &mut Frame, name: &str, change: impl Fn(f64, f64) -> f64) {
    if !asked.op().starts_with("project_") {
        return;
    }
    let metrics = told.ok_mut().and_then(|ok| ok.get_mut("metrics")).and_then(Value::as_object_mut);
    let Some(metrics) = metrics else { return };
    let numbers = |name: &str| -> Vec<f64> {
        let list = metrics.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let changed: Vec<f64> =
        numbers(name).into_iter().zip(numbers("max_prob")).map(|(value, most)| change(value, most)).collect();
    metrics.insert(name.to_owned(), json!(changed));
}
