//! What a numeric operation must answer, from the request itself.

use serde_json::{Map, Value};

use super::matrix::Matrix;
use super::projection::{Projection, linear_projection};
use super::realign::{
    DEFAULT_LAMBDA, normalized, realign_matrix, regularised_gram, soft_embedding, target_norm,
};
use crate::case::{Dtype, Part, PartData};

fn finite(made: Matrix, shape: Vec<u64>) -> Result<(Matrix, Vec<u64>), String> {
    match made.values.iter().all(|value| value.is_finite()) {
        true => Ok((made, shape)),
        false => Err("the right answer is not finite".to_owned()),
    }
}

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
            "project_vocab" | "project_overlap" | "project_linear" => {
                let made = match self.op {
                    "project_linear" => self.linear()?,
                    _ => self.projection()?.out,
                };
                let mut shape = self.part("hidden")?.shape.clone().unwrap_or_default();
                if let Some(last) = shape.last_mut() {
                    *last = made.cols as u64;
                }
                return finite(made, shape);
            }
            other => return Err(format!("`{other}` answers no tensor that the oracle knows")),
        };
        let shape = self.part("hidden")?.shape.clone().unwrap_or_default();
        finite(made, shape)
    }

    /// Hidden states that went through a vocabulary.
    ///
    /// # Errors
    /// A sentence when the request asks for no such thing, or its sizes do not fit.
    pub fn projection(&self) -> Result<Projection, String> {
        let temperature =
            if self.args.contains_key("temperature") { self.number("temperature")? } else { 1.0 };
        let (hidden, head) = (self.tensor("hidden")?, self.tensor("src_head")?);
        let made = match self.op {
            "project_overlap" => {
                let (indices, shared) = (self.indices("src_indices")?, self.tensor("tgt_embed_shared")?);
                Projection::overlap(&hidden, &head, &indices, &shared, temperature, self.target_norm()?)
            }
            _ => {
                let embed = self.tensor("tgt_embed")?;
                Projection::mediated(&hidden, &head, &embed, temperature, self.target_norm()?)
            }
        };
        made.ok_or_else(|| "the sizes do not fit".to_owned())
    }

    fn linear(&self) -> Result<Matrix, String> {
        let bias = self.parts.iter().any(|part| part.name == "bias");
        let bias = if bias { Some(self.tensor("bias")?) } else { None };
        let made = linear_projection(
            &self.tensor("hidden")?,
            &self.tensor("w")?,
            bias.as_ref(),
            self.target_norm()?,
        );
        made.ok_or_else(|| "the sizes do not fit".to_owned())
    }

    fn target_norm(&self) -> Result<Option<f64>, String> {
        let given = self.args.contains_key("target_norm");
        given.then(|| self.number("target_norm")).transpose()
    }

    fn indices(&self, name: &str) -> Result<Vec<usize>, String> {
        let part = self.part(name)?;
        match (&part.data, part.dtype) {
            (PartData::Bytes(bytes), Some(Dtype::U32)) => {
                Ok(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b) as usize).collect())
            }
            _ => Err(format!("`{name}` is no list of u32 that is known beforehand")),
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
