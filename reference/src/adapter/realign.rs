//! Realignment, norms and soft embedding.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::kv::tensor;
use super::request::{Request, invalid};
use crate::error::{Error, ErrorClass, Result as Done};
use crate::tensor::{decode_f32, encode_f32};
use crate::transfer::{
    self, DEFAULT_LAMBDA, Origin, RealignCache, Realignment, StateHealth, needs_realignment as needs,
    realign_matrix as matrix,
};
use crate::wire::DataType;

/// A tensor part as rows of 32-bit floats: the last dimension is a row's, all others count rows.
struct Rows {
    values: Vec<f32>,
    shape: Vec<u64>,
    dim: usize,
}

impl Rows {
    /// # Errors
    /// `invalid_argument` when there is no such part, `shape_mismatch` when bytes and shape do not agree.
    fn of(request: &Request<'_>, name: &str) -> Result<Self, Refusal> {
        Self::from_part(&request.part(name)?)
    }

    /// As [`of`](Self::of); without the part no rows at all, which the library has a word for.
    fn or_none(request: &Request<'_>, name: &str) -> Result<Self, Refusal> {
        match request.parts().iter().find(|part| part.name == name) {
            Some(part) => Self::from_part(part),
            None => Ok(Self { values: Vec::new(), shape: Vec::new(), dim: 0 }),
        }
    }

    fn from_part(part: &super::request::Part<'_>) -> Result<Self, Refusal> {
        let view = tensor(part)?;
        let dim = view.shape().last().copied().unwrap_or_default();
        let dim =
            usize::try_from(dim).map_err(|_| invalid("parts", "a row that fits memory", dim.to_string()))?;
        Ok(Self { values: decode_f32(&view), shape: view.shape().to_vec(), dim })
    }

    /// As [`of`](Self::of), with rows as long as these.
    fn beside(&self, request: &Request<'_>, name: &'static str) -> Result<Self, Refusal> {
        let other = Self::of(request, name)?;
        if other.dim != self.dim {
            let (expected, found) = (format!("rows of {} values", self.dim), other.dim.to_string());
            return Err(Error::new(ErrorClass::ShapeMismatch, name, expected, found).into());
        }
        Ok(other)
    }

    /// Rows of the same shape, as a part of the answer, with a word on these, which are hidden states.
    fn answer<'a>(&self, name: &'static str, values: &[f32]) -> Outcome<'a> {
        let health = StateHealth::of(&self.values);
        let flags = json!({"has_nan": health.has_nan, "has_inf": health.has_inf});
        Ok(with_rows(Answer::new(flags), name, &self.shape, values)?)
    }
}

fn with_rows<'a>(answer: Answer<'a>, name: &'static str, shape: &[u64], values: &[f32]) -> Done<Answer<'a>> {
    Ok(answer.tensor(name, "f32", shape, encode_f32(values, DataType::Float32)?))
}

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

/// A number, or one of the texts that stand for those that JSON does not have.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Named(String),
}

impl Number {
    fn value(&self) -> Result<f32, Refusal> {
        match self {
            // What single precision can't tell from zero is zero: the library refuses it.
            Self::Finite(value) => Ok(*value as f32),
            Self::Named(text) => match text.as_str() {
                "nan" => Ok(f32::NAN),
                "inf" => Ok(f32::INFINITY),
                "-inf" => Ok(f32::NEG_INFINITY),
                other => Err(invalid("temperature", "a number", other).into()),
            },
        }
    }
}

pub(super) fn soft_embed<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: SoftEmbed = request.args()?;
    let hidden = Rows::of(request, "hidden")?;
    let embed = hidden.beside(request, "embed")?;
    let temperature = args.temperature.value()?;
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
