//! Rows of numbers, numbers that JSON does not have, and ids.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::kv::tensor;
use super::request::{Part, Request, invalid};
use crate::error::{Error, ErrorClass, Result as Done};
use crate::tensor::{decode_f32, encode_f32};
use crate::transfer::{StateHealth, Table};
use crate::wire::DataType;

/// A tensor part as rows of 32-bit floats: the last dimension is a row's, all others count rows.
pub(super) struct Rows {
    pub(super) values: Vec<f32>,
    pub(super) shape: Vec<u64>,
    pub(super) dim: usize,
}

impl Rows {
    /// # Errors
    /// `invalid_argument` when there is no such part, `shape_mismatch` when bytes and shape do not agree.
    pub(super) fn of(request: &Request<'_>, name: &str) -> Result<Self, Refusal> {
        Self::from_part(&request.part(name)?)
    }

    /// As [`of`](Self::of); without the part no rows at all, which the library has a word for.
    pub(super) fn or_none(request: &Request<'_>, name: &str) -> Result<Self, Refusal> {
        match request.parts().iter().find(|part| part.name == name) {
            Some(part) => Self::from_part(part),
            None => Ok(Self { values: Vec::new(), shape: Vec::new(), dim: 0 }),
        }
    }

    pub(super) fn from_part(part: &Part<'_>) -> Result<Self, Refusal> {
        let view = tensor(part)?;
        let dim = view.shape().last().copied().unwrap_or_default();
        let dim =
            usize::try_from(dim).map_err(|_| invalid("parts", "a row that fits memory", dim.to_string()))?;
        Ok(Self { values: decode_f32(&view), shape: view.shape().to_vec(), dim })
    }

    /// As [`of`](Self::of), with rows as long as these.
    pub(super) fn beside(&self, request: &Request<'_>, name: impl AsRef<str>) -> Result<Self, Refusal> {
        let other = Self::of(request, name.as_ref())?;
        if other.dim != self.dim {
            let (expected, found) = (format!("rows of {} values", self.dim), other.dim.to_string());
            let found = format!("{found} in {}", name.as_ref());
            return Err(Error::new(ErrorClass::ShapeMismatch, "parts", expected, found).into());
        }
        Ok(other)
    }

    /// Rows of the same shape, as a part of the answer, with a word on these, which are hidden states.
    pub(super) fn answer<'a>(&self, name: &'static str, values: &[f32]) -> Outcome<'a> {
        let health = StateHealth::of(&self.values);
        let flags = json!({"has_nan": health.has_nan, "has_inf": health.has_inf});
        Ok(with_rows(Answer::new(flags), name, &self.shape, values)?)
    }
    /// As a table of the library.
    pub(super) fn table(&self) -> Table<'_> {
        Table { values: &self.values, dim: self.dim }
    }

    /// The shape of as many rows of another length.
    pub(super) fn shape_with(&self, dim: usize) -> Vec<u64> {
        let mut shape = self.shape.clone();
        shape.pop();
        shape.push(dim as u64);
        shape
    }
}

/// The same answer with rows as a part.
pub(super) fn with_rows<'a>(
    answer: Answer<'a>,
    name: impl Into<Cow<'static, str>>,
    shape: &[u64],
    values: &[f32],
) -> Done<Answer<'a>> {
    Ok(answer.tensor(name, "f32", shape, encode_f32(values, DataType::Float32)?))
}

/// A number, or one of the texts that stand for those that JSON does not have.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Finite(f64),
    Named(String),
}

impl Number {
    /// What single precision can't tell from zero becomes zero there, which the library refuses where it matters.
    pub(super) fn value(&self, field: &'static str) -> Result<f64, Refusal> {
        match self {
            Self::Finite(value) => Ok(*value),
            Self::Named(text) => match text.as_str() {
                "nan" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                other => Err(invalid(field, "a number", other).into()),
            },
        }
    }
}

/// A number as JSON has it, or the text that stands for it.
pub(super) fn number(value: f64) -> Value {
    match (value.is_nan(), value.is_infinite()) {
        (true, _) => "nan".into(),
        (_, true) => if value > 0.0 { "inf" } else { "-inf" }.into(),
        _ => value.into(),
    }
}

/// Ids of a part, one a token. Signed ones are read too, so that a negative id is refused as what it is (AVP-PRJ-018).
///
/// # Errors
/// `invalid_argument` when there is no such part or it is no list of integers; `shape_mismatch` for a negative id, one of
/// more than 32 bits, and one that is cut.
pub(super) fn ids(request: &Request<'_>, name: &'static str) -> Result<Vec<u32>, Refusal> {
    let part = request.part(name)?;
    let read = |id: i128| {
        u32::try_from(id).map_err(|_| {
            Error::new(ErrorClass::ShapeMismatch, name, "ids of 32 bits, not negative", id.to_string())
        })
    };
    let (found, rest): (Result<Vec<u32>, Error>, &[u8]) = match part.dtype {
        Some("u32") => {
            let (ids, rest) = part.bytes.as_chunks::<4>();
            (Ok(ids.iter().map(|id| u32::from_le_bytes(*id)).collect()), rest)
        }
        Some("i32") => {
            let (ids, rest) = part.bytes.as_chunks::<4>();
            (ids.iter().map(|id| read(i32::from_le_bytes(*id).into())).collect(), rest)
        }
        Some("i64") => {
            let (ids, rest) = part.bytes.as_chunks::<8>();
            (ids.iter().map(|id| read(i64::from_le_bytes(*id).into())).collect(), rest)
        }
        other => return Err(invalid("parts", "dtype u32, i32 or i64", other.unwrap_or("none")).into()),
    };
    if !rest.is_empty() {
        let found = format!("{} bytes", part.bytes.len());
        return Err(Error::new(ErrorClass::ShapeMismatch, name, "whole ids", found).into());
    }
    Ok(found?)
}

/// Ids as the bytes of a part of type u32.
pub(super) fn id_bytes(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect()
}
