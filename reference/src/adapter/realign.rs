//! Realignment, norms and soft embedding.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::request::Request;
use super::rows::{Number, Rows, with_rows};
use crate::error::{Error, ErrorClass};
use crate::transfer::{
    self, DEFAULT_LAMBDA, Origin, RealignCache, Realignment, needs_realignment as needs,
    realign_matrix as matrix,
};

pub(super) fn target_norm<'a>(request: &Request<'a>) -> Outcome<'a> {
    let e_in = Rows::of(request, "e_in")?;
    Ok(Answer::new(json!({"value": transfer::target_norm(&e_in.values, e_in.dim)?})))
}

#[derive(Deserialize)]
struct Matrix {
    #[serde(default)]
    lambda: Option<f64>,
}

/// The embeddings of a request, and the length of their rows.
fn embeddings(request: &Request<'_>) -> Result<(Rows, Rows, usize), Refusal> {
    let (e_in, e_out) = (Rows::or_none(request, "e_in")?, Rows::or_none(request, "e_out")?);
    let dim = e_in.dim.max(e_out.dim);
    // Matrices over hidden states of different lengths: no row count would make them fit.
    if !e_in.values.is_empty() && !e_out.values.is_empty() && e_in.dim != e_out.dim {
        let (expected, found) = (format!("rows of {} values", e_in.dim), e_out.dim.to_string());
        return Err(Error::new(ErrorClass::Projection, "e_out", expected, found).into());
    }
    Ok((e_in, e_out, dim))
}

fn with_matrix<'a>(content: Value, made: &Realignment) -> Outcome<'a> {
    let mut content = content;
    content["target_norm"] = made.target_norm.into();
    Ok(with_rows(Answer::new(content), "w", &[made.dim as u64; 2], &made.w)?)
}

pub(super) fn realign_matrix<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Matrix = request.args()?;
    let (e_in, e_out, dim) = embeddings(request)?;
    with_matrix(json!({}), &matrix(&e_in.values, &e_out.values, dim, args.lambda.unwrap_or(DEFAULT_LAMBDA))?)
}

#[derive(Deserialize)]
struct Cached {
    cache_dir: PathBuf,
    model_hash: String,
}

pub(super) fn realign_cached<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Cached = request.args()?;
    let (e_in, e_out, dim) = embeddings(request)?;
    let cache = RealignCache::located(Some(args.cache_dir.into_os_string()), None)?;
    let (made, origin) = cache.load_or_make(&args.model_hash, dim, DEFAULT_LAMBDA, || {
        matrix(&e_in.values, &e_out.values, dim, DEFAULT_LAMBDA)
    })?;
    with_matrix(json!({"from_disk": origin == Origin::Disk}), &made)
}

#[derive(Deserialize)]
struct Target {
    target_norm: f32,
}

pub(super) fn realign_apply<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Target = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let w = hidden.beside(request, "w")?;
    let aligned = transfer::realign_apply(&hidden.values, &w.values, hidden.dim, args.target_norm)?;
    hidden.answer("aligned", &aligned)
}

pub(super) fn normalize<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Target = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let out = transfer::normalize(&hidden.values, hidden.dim, args.target_norm)?;
    hidden.answer("out", &out)
}

#[derive(Deserialize)]
struct SoftEmbed {
    temperature: Number,
    #[serde(default)]
    rescale_to: Option<f32>,
}

pub(super) fn soft_embed<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: SoftEmbed = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let embed = hidden.beside(request, "embed")?;
    let temperature = args.temperature.value("temperature")? as f32;
    let out = transfer::soft_embed(&hidden.values, &embed.values, hidden.dim, temperature, args.rescale_to)?;
    hidden.answer("out", &out)
}

#[derive(Deserialize)]
struct Config {
    config: Map<String, Value>,
}

pub(super) fn needs_realignment<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Config = request.args()?;
    let tied = args.config.get("tie_word_embeddings").and_then(Value::as_bool);
    Ok(Answer::new(json!({"value": needs(tied)})))
}
