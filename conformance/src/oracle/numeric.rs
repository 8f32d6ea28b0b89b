//! What a numeric operation must answer, from the request itself.

use serde_json::{Map, Value};

use super::matrix::Matrix;
use super::realign::{
    DEFAULT_LAMBDA, normalized, realign_matrix, regularised_gram, soft_embedding, target_norm,
};
use crate::case::{Part, PartData};

/// A numeric request: its arguments and tensors.
#[derive(Clone, Copy, Debug)]
pub struct NumericRequest<'a> {
    /// Operation of ACP/1.
    pub op: &'a str,
    /// Its arguments.
    pub args: &'a Map<String, Value>,
    /// Its tensors.
    pub parts: &'a [Part],
}

impl NumericRequest<'_> {
    /// The tensor that must be answered, with its shape.
    ///
    /// # Errors
    /// A sentence when the operation answers no tensor, or the request is not one that it can answer.
    pub fn answer(&self) -> Result<(Matrix, Vec<u64>), String> {
        let made = match self.op {
            "realign_matrix" | "realign_cached" => {
                let w = realign_matrix(&self.tensor("e_in")?, &self.tensor("e_out")?, self.lambda()?);
                let w = w.ok_or("the embeddings determine no matrix")?;
                let shape = vec![w.rows as u64, w.cols as u64];
                return Ok((w, shape));
            }
            "realign_apply" => {
                normalized(&self.tensor("hidden")?.times(&self.tensor("w")?), self.number("target_norm")?)
            }
            "normalize" => normalized(&self.tensor("hidden")?, self.number("target_norm")?),
            "soft_embed" => {
                let embed = self.tensor("embed")?;
                let made = soft_embedding(&self.tensor("hidden")?, &embed, self.number("temperature")?);
                match self.args.get("rescale_to") {
                    None => made,
                    // Only expectations say so; a request names a number.
                    Some(Value::String(text)) if text == "target_norm" => {
                        normalized(&made, target_norm(&embed).ok_or("there is no embedding")?)
                    }
                    Some(_) => normalized(&made, self.number("rescale_to")?),
                }
            }
            other => return Err(format!("`{other}` answers no tensor that the oracle knows")),
        };
        let shape = self.part("hidden")?.shape.clone().unwrap_or_default();
        match made.values.iter().all(|value| value.is_finite()) {
            true => Ok((made, shape)),
            false => Err("the right answer is not finite".to_owned()),
        }
    }

    /// A matrix that errors in directions which do not matter vanish behind: `equations` is the left side of the normal
    /// equations, anything else one of the request's tensors.
    ///
    /// # Errors
    /// A sentence when there is no such tensor.
    pub fn through(&self, name: &str) -> Result<Matrix, String> {
        match name {
            "equations" => Ok(regularised_gram(&self.tensor("e_out")?, self.lambda()?)),
            name => self.tensor(name),
        }
    }

    fn lambda(&self) -> Result<f64, String> {
        if self.args.contains_key("lambda") { self.number("lambda") } else { Ok(DEFAULT_LAMBDA) }
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        match self.args.get(name) {
            Some(Value::String(text)) if text == "inf" => Ok(f64::INFINITY),
            value => {
                value.and_then(Value::as_f64).ok_or_else(|| format!("the request has no number `{name}`"))
            }
        }
    }

    fn part(&self, name: &str) -> Result<&Part, String> {
        let found = self.parts.iter().find(|part| part.name == name);
        found.ok_or_else(|| format!("the request has no tensor `{name}`"))
    }

    fn tensor(&self, name: &str) -> Result<Matrix, String> {
        let part = self.part(name)?;
        let made = match (&part.data, part.dtype, &part.shape) {
            (PartData::Bytes(bytes), Some(dtype), Some(shape)) => Matrix::of_bytes(dtype, shape, bytes),
            _ => None,
        };
        made.ok_or_else(|| format!("`{name}` is no tensor of floats that is known beforehand"))
    }
}
