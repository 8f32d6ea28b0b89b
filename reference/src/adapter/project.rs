//! Projection of hidden states onto another model.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::request::Request;
use super::rows::{Number, Rows, ids, number, with_rows};
use crate::transfer::{self, ProjectOptions, Projected, ProjectionMetrics};

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    temperature: Option<Number>,
    #[serde(default)]
    target_norm: Option<f32>,
    #[serde(default)]
    metrics: Option<bool>,
    #[serde(default)]
    shared_tokenizer: Option<bool>,
}

impl Project {
    fn options(&self) -> Result<ProjectOptions, Refusal> {
        let mut options = ProjectOptions {
            target_norm: self.target_norm,
            metrics: self.metrics.unwrap_or_default(),
            ..ProjectOptions::default()
        };
        if let Some(temperature) = &self.temperature {
            options.temperature = temperature.value("temperature")? as f32;
        }
        Ok(options)
    }
}

/// What was projected, in the shape of the states that went in.
fn answer<'a>(hidden: &Rows, made: &Projected, dim: usize) -> Outcome<'a> {
    let mut ok = json!({"has_nan": made.health.has_nan, "has_inf": made.health.has_inf});
    if let Some(metrics) = &made.metrics {
        let list = |pick: fn(&ProjectionMetrics) -> f64| -> Value {
            metrics.iter().map(|metrics| number(pick(metrics))).collect()
        };
        ok["metrics"] = json!({
            "entropy": list(|metrics| metrics.entropy),
            "max_prob": list(|metrics| metrics.max_prob),
            "logit_gap": list(|metrics| metrics.logit_gap),
            "hidden_state_norm": list(|metrics| metrics.hidden_state_norm),
            "nearest_cos_sim": list(|metrics| metrics.nearest_cos_sim),
        });
    }
    Ok(with_rows(Answer::new(ok), "out", &hidden.shape_with(dim), &made.values)?)
}

pub(super) fn project_vocab<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Project = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let head = hidden.beside(request, "src_head")?;
    let embedding = Rows::of(request, "tgt_embed")?;
    let shared = args.shared_tokenizer.unwrap_or(true);
    let made =
        transfer::project_vocab(&hidden.values, head.table(), embedding.table(), shared, &args.options()?)?;
    answer(&hidden, &made, embedding.dim)
}

pub(super) fn project_overlap<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Project = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let head = hidden.beside(request, "src_head")?;
    let shared = Rows::of(request, "tgt_embed_shared")?;
    let ids = ids(request, "src_indices")?;
    let made =
        transfer::project_overlap(&hidden.values, head.table(), &ids, shared.table(), &args.options()?)?;
    answer(&hidden, &made, shared.dim)
}

#[derive(Deserialize)]
struct Linear {
    #[serde(default)]
    target_norm: Option<f32>,
}

pub(super) fn project_linear<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Linear = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let w = Rows::of(request, "w")?;
    let bias = request.parts().iter().find(|part| part.name == "bias").map(Rows::from_part).transpose()?;
    // A map's rows are as many as a state is long.
    let rows = w.values.len().checked_div(w.dim).unwrap_or_default();
    if rows != hidden.dim {
        let (expected, found) = (format!("{} rows, one a value of a state", hidden.dim), rows.to_string());
        let class = crate::ErrorClass::ShapeMismatch;
        return Err(crate::Error::new(class, "w", expected, found).into());
    }
    let bias = bias.as_ref().map(|bias| &*bias.values);
    let out = transfer::project_linear(&hidden.values, w.table(), bias, args.target_norm)?;
    Ok(with_rows(Answer::new(json!({})), "out", &hidden.shape_with(w.dim), &out)?)
}
