//! Whether a projection is good enough, and whether a transfer is advisable.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Request, invalid};
use super::rows::{Number, Rows, ids, number};
use crate::session::quality::QualityGate;
use crate::transfer::validate::{ExpectedRows, mean, pseudo_perplexity};
use crate::transfer::{SharedTokens, Validation, effective_rank as ratio};

#[derive(Deserialize)]
struct Texts {
    #[serde(default)]
    count: Option<usize>,
}

pub(super) fn validation_texts<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Texts = request.args()?;
    let mut settings = Validation::default();
    settings.texts = args.count.unwrap_or(settings.texts);
    Ok(Answer::new(json!({"texts": settings.texts()})))
}

#[derive(Deserialize)]
struct Tokens {
    ids: Vec<Vec<u32>>,
}

pub(super) fn validate_cosine<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Tokens = request.args()?;
    let embedding = Rows::of(request, "tgt_embed")?;
    let shared = match request.parts().iter().any(|part| part.name == "src_indices") {
        true => Some(SharedTokens {
            source_ids: ids(request, "src_indices")?,
            target_ids: ids(request, "tgt_indices")?,
        }),
        false => None,
    };
    let expected = ExpectedRows::new(embedding.table(), shared.as_ref());
    let of_text = |(index, tokens): (usize, &Vec<u32>)| -> Result<f64, Refusal> {
        // Rows of no tokens have no length.
        let projected = embedding.beside(request, format!("projected{index}"))?;
        Ok(expected.cosine(&projected.values, tokens)?)
    };
    let cosines = args.ids.iter().enumerate().map(of_text).collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::new(json!({"cosine": number(mean(&cosines))})))
}

pub(super) fn validate_ppl<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Tokens = request.args()?;
    let of_text = |(index, tokens): (usize, &Vec<u32>)| -> Result<f64, Refusal> {
        let logits = Rows::of(request, &format!("logits{index}"))?;
        Ok(pseudo_perplexity(&logits.values, logits.dim, tokens)?)
    };
    let all = args.ids.iter().enumerate().map(of_text).collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::new(json!({"perplexity": number(mean(&all))})))
}

#[derive(Deserialize)]
struct Decide {
    cosine: Number,
    #[serde(default)]
    perplexity: Option<Number>,
    #[serde(default)]
    cosine_threshold: Option<f64>,
    #[serde(default)]
    perplexity_threshold: Option<f64>,
}

pub(super) fn validate_decide<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Decide = request.args()?;
    let mut settings = Validation::default();
    settings.cosine_threshold = args.cosine_threshold.unwrap_or(settings.cosine_threshold);
    settings.perplexity_threshold = args.perplexity_threshold.unwrap_or(settings.perplexity_threshold);
    let perplexity = args.perplexity.as_ref().map(|given| given.value("perplexity")).transpose()?;
    let verdict = settings.decide(request.dialect, args.cosine.value("cosine")?, || Ok(perplexity))?;
    Ok(Answer::new(json!({
        "mode": verdict.mode.as_str(),
        "cosine": number(verdict.cosine),
        "perplexity": verdict.perplexity.map(number),
    })))
}

pub(super) fn effective_rank<'a>(request: &Request<'a>) -> Outcome<'a> {
    let hidden = states(request)?;
    Ok(Answer::new(json!({"ratio": number(ratio(&hidden.values, hidden.dim)?)})))
}

/// Hidden states [n, D], or a batch of one.
///
/// # Errors
/// `shape_mismatch` for other shapes.
fn states(request: &Request<'_>) -> Result<Rows, Refusal> {
    let hidden = Rows::of(request, "hidden")?;
    match hidden.shape[..] {
        [_, _] | [1, _, _] => Ok(hidden),
        _ => {
            let (expected, found) = ("[n, D] or [1, n, D]", format!("{:?}", hidden.shape));
            Err(crate::Error::new(crate::ErrorClass::ShapeMismatch, "hidden", expected, found).into())
        }
    }
}

#[derive(Deserialize)]
struct Assess {
    prompt_tokens: i64,
    #[serde(default)]
    max_prompt_tokens: Option<i64>,
    #[serde(default)]
    max_effective_rank: Option<f64>,
}

pub(super) fn assess_transfer<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Assess = request.args()?;
    let count = |field, tokens: i64| {
        u64::try_from(tokens).map_err(|_| invalid(field, "no negative count", tokens.to_string()))
    };
    let mut gate = QualityGate::default();
    if let Some(most) = args.max_prompt_tokens {
        gate.max_prompt_tokens = count("max_prompt_tokens", most)?;
    }
    gate.max_effective_rank = args.max_effective_rank.unwrap_or(gate.max_effective_rank);
    let asked = request.parts().iter().any(|part| part.name == "hidden");
    let hidden = asked.then(|| states(request)).transpose()?;
    let hidden = hidden.as_ref().map(|hidden| (&*hidden.values, hidden.dim));
    let assessment = gate.assess(count("prompt_tokens", args.prompt_tokens)?, hidden)?;
    Ok(Answer::new(json!({
        "recommend_latent": assessment.recommend_latent,
        "prompt_tokens": assessment.prompt_tokens,
        "reason": assessment.reason,
        "effective_rank_ratio": assessment.effective_rank_ratio.map(number),
    })))
}
