//! Validations and quality gates that are wrong on purpose.

use serde_json::{Value, json};

use crate::rows::Rows;
use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "validate-cosine-exclusive",
        "wants a cosine above the threshold",
        tell | asked,
        told | {
            let least = number(asked, "cosine_threshold").unwrap_or(0.5);
            if number(asked, "cosine") == Some(least) {
                mode(asked, told, "JSON");
            }
        }
    ),
    mutant!(
        "validate-cosine-within-epsilon",
        "takes a cosine that is nearly enough",
        ask | frame | {
            if frame.op() == "validate_decide"
                && let Some(cosine) = number(frame, "cosine")
            {
                frame.args_mut().insert("cosine".to_owned(), json!(cosine + 1e-5));
            }
        }
    ),
    mutant!(
        "validate-perplexity-always-looked-at",
        "tells the perplexity that it gave up before",
        tell | asked,
        told | {
            if asked.op() == "validate_decide"
                && let Some(perplexity) = number(asked, "perplexity")
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("perplexity".to_owned(), json!(perplexity));
            }
        }
    ),
    mutant!(
        "validate-perplexity-exclusive",
        "wants a perplexity below the threshold",
        tell | asked,
        told | {
            let most = number(asked, "perplexity_threshold").unwrap_or(100.0);
            if number(asked, "perplexity") == Some(most) {
                mode(asked, told, "JSON");
            }
        }
    ),
    mutant!(
        "validate-hybrid-gone",
        "has two modes under every dialect",
        tell | asked,
        told | {
            let hybrid = told.ok_mut().is_some_and(|ok| ok.get("mode") == Some(&"HYBRID".into()));
            if hybrid {
                mode(asked, told, "LATENT");
            }
        }
    ),
    mutant!(
        "validate-hybrid-kept",
        "has three modes under every dialect",
        tell | asked,
        told | {
            let latent = told.ok_mut().is_some_and(|ok| ok.get("mode") == Some(&"LATENT".into()));
            let moderate = number(asked, "cosine").is_some_and(|cosine| cosine <= 0.8);
            if latent && moderate && number(asked, "perplexity").is_none() {
                mode(asked, told, "HYBRID");
            }
        }
    ),
    mutant!(
        "validate-thresholds-fixed",
        "ignores thresholds that are named",
        ask | frame | {
            if frame.op() == "validate_decide" {
                frame.args_mut().shift_remove("cosine_threshold");
                frame.args_mut().shift_remove("perplexity_threshold");
            }
        }
    ),
    mutant!(
        "validate-nan-passes",
        "compares what is no number with the threshold",
        tell | asked,
        told | {
            let nan = |name: &str| asked.args().get(name) == Some(&"nan".into());
            if nan("cosine") || nan("perplexity") {
                mode(asked, told, "LATENT");
            }
        }
    ),
    mutant!(
        "validate-same-position",
        "compares each projection with the embedding of its own token",
        ask | frame | {
            if frame.op() == "validate_cosine" {
                rewrite(frame, |texts| {
                    for text in texts.iter_mut().filter(|text| !text.is_empty()) {
                        text.insert(0, text[0]);
                        text.pop();
                    }
                });
            }
        }
    ),
    mutant!(
        "validate-short-text-left-out",
        "leaves texts of one token out of the mean",
        ask | frame | {
            if frame.op() == "validate_cosine" {
                let texts = ids(frame, "validate_cosine");
                let short: Vec<bool> = texts.iter().map(|text| text.len() < 2).collect();
                if short.contains(&false) {
                    rewrite(frame, |texts| texts.retain(|text| text.len() > 1));
                    let mut kept = 0;
                    for (index, short) in short.into_iter().enumerate() {
                        let name = format!("projected{index}");
                        if short {
                            frame.parts.retain(|part| part.name() != name);
                        } else if let Some(part) = frame.parts.iter_mut().find(|part| part.name() == name) {
                            part.spec.insert("name".to_owned(), format!("projected{kept}").into());
                            kept += 1;
                        }
                    }
                }
            }
        }
    ),
    mutant!(
        "validate-texts-pooled",
        "takes the mean of all positions of all texts",
        tell | asked,
        told | {
            // Each text by itself, weighed by its positions.
            let lengths: Vec<usize> = ids(asked, "validate_cosine").iter().map(Vec::len).collect();
            if lengths.len() > 1 && told.is_ok() {
                let each = (0..lengths.len()).map(|index| alone(asked, "projected", index, "cosine"));
                let weights = lengths.iter().map(|length| length.saturating_sub(1) as f64);
                let total: f64 = weights.clone().sum();
                let sum: f64 = each.zip(weights).map(|(cosine, weight)| cosine * weight).sum();
                answer(told, "cosine", sum / total.max(1.0));
            }
        }
    ),
    mutant!(
        "validate-overlap-unmapped",
        "takes the source's ids for the target's",
        ask | frame | {
            if frame.op() == "validate_cosine" {
                frame.parts.retain(|part| !part.name().ends_with("_indices"));
            }
        }
    ),
    mutant!(
        "validate-perplexity-shifted",
        "scores each token with the row behind it",
        ask | frame | {
            for index in 0..ids(frame, "validate_ppl").len() {
                let name = format!("logits{index}");
                if let Some(rows) = Rows::of(frame, &name) {
                    let (first, rest) = rows.values.split_at(rows.dim);
                    Rows { dim: rows.dim, values: [rest, first].concat() }.put(frame, &name);
                }
            }
        }
    ),
    mutant!(
        "validate-perplexity-is-a-logarithm",
        "answers the cross-entropy",
        tell | asked,
        told | {
            if asked.op() == "validate_ppl"
                && let Some(perplexity) = told.ok_mut().and_then(|ok| ok.get("perplexity")?.as_f64())
            {
                answer(told, "perplexity", perplexity.ln());
            }
        }
    ),
    mutant!(
        "validate-perplexity-geometric",
        "averages the logarithms of the perplexities",
        tell | asked,
        told | {
            let count = ids(asked, "validate_ppl").len();
            let finite = told.ok_mut().is_some_and(|ok| ok.get("perplexity").is_some_and(Value::is_number));
            if count > 1 && finite {
                let each = (0..count).map(|index| alone(asked, "logits", index, "perplexity").ln());
                answer(told, "perplexity", (each.sum::<f64>() / count as f64).exp());
            }
        }
    ),
    mutant!(
        "validate-short-text-perfect",
        "finds a text of one token not surprising at all",
        tell | asked,
        told | {
            if ids(asked, "validate_ppl").iter().any(|text| text.len() < 2) {
                answer(told, "perplexity", 1.0);
            }
        }
    ),
    mutant!(
        "validate-texts-from-the-end",
        "takes the last texts when fewer are asked for",
        tell | asked,
        told | {
            let all = crate::again(asked, "validation_texts", serde_json::Map::clear);
            let texts = all.json.get("ok").and_then(|ok| ok.get("texts")).and_then(Value::as_array);
            if asked.op() == "validation_texts"
                && let Some(count) = asked.args().get("count").and_then(Value::as_u64)
                && let Some(texts) = texts
                && let Some(ok) = told.ok_mut()
            {
                let from = texts.len().saturating_sub(count as usize);
                ok.insert("texts".to_owned(), texts[from..].to_vec().into());
            }
        }
    ),
    mutant!(
        "gate-border-exclusive",
        "advises against as many tokens as the threshold",
        tell | asked,
        told | {
            let most = asked.args().get("max_prompt_tokens").and_then(Value::as_i64).unwrap_or(300);
            if asked.op() == "assess_transfer"
                && asked.args().get("prompt_tokens").and_then(Value::as_i64) == Some(most)
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("recommend_latent".to_owned(), false.into());
            }
        }
    ),
    mutant!(
        "gate-default-512",
        "takes 512 tokens for few",
        ask | frame | {
            if frame.op() == "assess_transfer" && !frame.args().contains_key("max_prompt_tokens") {
                frame.args_mut().insert("max_prompt_tokens".to_owned(), 512.into());
            }
        }
    ),
    mutant!(
        "gate-default-256",
        "takes 257 tokens for many",
        ask | frame | {
            if frame.op() == "assess_transfer" && !frame.args().contains_key("max_prompt_tokens") {
                frame.args_mut().insert("max_prompt_tokens".to_owned(), 256.into());
            }
        }
    ),
    mutant!(
        "gate-fixed",
        "ignores a threshold that is named",
        ask | frame | {
            if frame.op() == "assess_transfer" {
                frame.args_mut().shift_remove("max_prompt_tokens");
            }
        }
    ),
    mutant!(
        "gate-zero-is-no-threshold",
        "takes a threshold of zero for none",
        ask | frame | {
            if frame.op() == "assess_transfer" && frame.args().get("max_prompt_tokens") == Some(&0.into()) {
                frame.args_mut().shift_remove("max_prompt_tokens");
            }
        }
    ),
    mutant!(
        "gate-without-reason",
        "does not say why",
        tell | asked,
        told | {
            if asked.op() == "assess_transfer"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("reason".to_owned(), "".into());
            }
        }
    ),
    mutant!(
        "gate-negative-is-short",
        "takes a negative count for a short prompt",
        ask | frame | {
            if frame.op() == "assess_transfer"
                && frame.args().get("prompt_tokens").and_then(Value::as_i64).is_some_and(|count| count < 0)
            {
                frame.args_mut().insert("prompt_tokens".to_owned(), 0.into());
            }
        }
    ),
    mutant!(
        "gate-rank-first",
        "computes the rank of prompts that are too long",
        tell | asked,
        told | {
            let hidden = asked.parts.iter().any(|part| part.name() == "hidden");
            if asked.op() == "assess_transfer"
                && hidden
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("effective_rank_ratio".to_owned(), json!(1.0));
            }
        }
    ),
    mutant!(
        "gate-rank-ignored",
        "goes by the count of tokens alone",
        ask | frame | {
            if frame.op() == "assess_transfer" {
                frame.parts.clear();
            }
        }
    ),
    mutant!(
        "gate-rank-not-normalised",
        "answers the entropy itself",
        tell | asked,
        told | {
            ranked(asked, told, |entropy, _, _| entropy);
        }
    ),
    mutant!(
        "gate-rank-over-the-larger",
        "divides by the logarithm of the larger dimension",
        tell | asked,
        told | {
            ranked(asked, told, |entropy, rows, cols| entropy / (rows.max(cols) as f64).ln());
        }
    ),
];

fn number(frame: &Frame, name: &str) -> Option<f64> {
    frame.args().get(name).and_then(Value::as_f64)
}

fn mode(asked: &Frame, told: &mut Frame, mode: &str) {
    if asked.op() == "validate_decide"
        && let Some(ok) = told.ok_mut()
    {
        ok.insert("mode".to_owned(), mode.into());
    }
}

fn answer(told: &mut Frame, name: &str, value: f64) {
    if let Some(ok) = told.ok_mut() {
        ok.insert(name.to_owned(), json!(value));
    }
}

/// Rewrites the token ids of each text.
fn rewrite(frame: &mut Frame, change: impl FnOnce(&mut Vec<Vec<u64>>)) {
    let mut texts = ids(frame, "validate_cosine");
    change(&mut texts);
    frame.args_mut().insert("ids".to_owned(), json!(texts));
}

/// The token ids of each text of a request for this operation; none of another.
fn ids(frame: &Frame, op: &str) -> Vec<Vec<u64>> {
    let list = frame.args().get("ids").filter(|_| frame.op() == op);
    list.and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default()
}

/// What the reference says of one text alone.
fn alone(asked: &Frame, part: &str, index: usize, key: &str) -> f64 {
    let mut one = asked.clone();
    let own = format!("{part}{index}");
    one.parts.retain(|other| other.name() == own || !other.name().starts_with(part));
    for other in one.parts.iter_mut().filter(|other| other.name() == own) {
        other.spec.insert("name".to_owned(), format!("{part}0").into());
    }
    let told = crate::again(&one, asked.op(), |args| {
        let text = args.get("ids").and_then(|ids| ids.get(index)).cloned().unwrap_or_default();
        args.insert("ids".to_owned(), json!([text]));
    });
    told.json.get("ok").and_then(|ok| ok.get(key)).and_then(Value::as_f64).unwrap_or_default()
}

/// Answers another rank, from the entropy and the two dimensions.
fn ranked(asked: &Frame, told: &mut Frame, change: impl Fn(f64, usize, usize) -> f64) {
    if asked.op() == "effective_rank"
        && let Some(hidden) = Rows::of(asked, "hidden")
        && let Some(ratio) = told.ok_mut().and_then(|ok| ok.get("ratio")?.as_f64())
    {
        let (rows, cols) = (hidden.count(), hidden.dim);
        let entropy = ratio * (rows.min(cols) as f64).ln();
        answer(told, "ratio", change(entropy, rows, cols));
    }
}
