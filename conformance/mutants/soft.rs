//! Soft embeddings that are wrong on purpose.

use serde_json::{Value, json};

use crate::rows::{Rows, dot, length};
use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "soft-state-itself",
        "passes the state on, at an embedding's length",
        tell | asked,
        told | {
            embedded(asked, told, |state, _, _| state.to_vec());
        }
    ),
    mutant!(
        "soft-nearest-token",
        "takes the embedding of the likeliest token",
        tell | asked,
        told | {
            embedded(asked, told, |state, embed, _| {
                let likeliest = embed.each().max_by(|a, b| dot(a, state).total_cmp(&dot(b, state)));
                likeliest.map(<[f64]>::to_vec).unwrap_or_default()
            });
        }
    ),
    mutant!(
        "soft-largest-not-subtracted",
        "raises e to the logits as they are",
        tell | asked,
        told | {
            embedded(asked, told, |state, embed, temperature| {
                let weights: Vec<f64> = embed
                    .each()
                    .map(|row| f64::from(((dot(row, state) / temperature) as f32).exp()))
                    .collect();
                let total: f64 = weights.iter().sum();
                let mean = |column: usize| {
                    embed.each().zip(&weights).map(|(row, weight)| weight * row[column]).sum::<f64>() / total
                };
                (0..embed.dim).map(mean).collect()
            });
        }
    ),
    mutant!(
        "soft-temperature-ignored",
        "takes every temperature for one",
        ask | frame | {
            temperature(frame, |_| 1.0);
        }
    ),
    mutant!(
        "soft-temperature-multiplied",
        "multiplies by the temperature",
        ask | frame | {
            temperature(frame, |temperature| 1.0 / temperature);
        }
    ),
    mutant!(
        "soft-blurred",
        "divides the logits by the root of the width once more",
        ask | frame | {
            let dim = Rows::of(frame, "hidden").map_or(1.0, |hidden| hidden.dim as f64);
            temperature(frame, |temperature| 8.0 * temperature * dim.sqrt());
        }
    ),
    mutant!(
        "soft-temperature-clamped",
        "takes a temperature that is none for a small one",
        ask | frame | {
            if frame.op() == "soft_embed" {
                let given = frame.args().get("temperature").and_then(Value::as_f64);
                if given.is_none_or(|temperature| temperature <= 0.0) {
                    frame.args_mut().insert("temperature".to_owned(), json!(1e-6));
                }
            }
        }
    ),
    mutant!(
        "soft-always-rescaled",
        "brings every result to an embedding's length",
        ask | frame | {
            if frame.op() == "soft_embed"
                && !frame.args().contains_key("rescale_to")
                && let Some(embed) = Rows::of(frame, "embed")
            {
                let target = embed.each().map(length).sum::<f64>() / embed.count() as f64;
                frame.args_mut().insert("rescale_to".to_owned(), json!(target));
            }
        }
    ),
    mutant!(
        "soft-never-rescaled",
        "ignores that a length is asked for",
        ask | frame | {
            if frame.op() == "soft_embed" {
                frame.args_mut().shift_remove("rescale_to");
            }
        }
    ),
    mutant!(
        "soft-nan-untold",
        "finds every state in order",
        tell | asked,
        told | {
            if asked.op() == "soft_embed"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("has_nan".to_owned(), false.into());
            }
        }
    ),
];

/// Makes soft embeddings in another way.
fn embedded(asked: &Frame, told: &mut Frame, make: impl Fn(&[f64], &Rows, f64) -> Vec<f64>) {
    let temperature = asked.args().get("temperature").and_then(Value::as_f64).unwrap_or(1.0);
    if asked.op() == "soft_embed"
        && told.is_ok()
        && let Some(hidden) = Rows::of(asked, "hidden")
        && let Some(embed) = Rows::of(asked, "embed")
    {
        hidden.each_row(|state| make(state, &embed, temperature)).put(told, "out");
    }
}

/// Puts another temperature in place of one that is a number above zero.
fn temperature(frame: &mut Frame, change: impl Fn(f64) -> f64) {
    if frame.op() == "soft_embed"
        && let Some(given) = frame.args().get("temperature").and_then(Value::as_f64)
        && given > 0.0
    {
        frame.args_mut().insert("temperature".to_owned(), json!(change(given)));
    }
}
