//! Tensors of a frame as rows of numbers.

use half::{bf16, f16};
use serde_json::Value;

use crate::frame::Frame;
#[cfg(feature = "model")]
use crate::frame::Part;

/// Rows of `dim` numbers each, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) dim: usize,
    pub(crate) values: Vec<f64>,
}

impl Rows {
    /// A part whose last dimension is a row; `None` when there is none of floats.
    pub(crate) fn of(frame: &Frame, name: &str) -> Option<Self> {
        let part = frame.parts.iter().find(|part| part.name() == name)?;
        let dim = part.spec.get("shape")?.as_array()?.last()?.as_u64()? as usize;
        let pairs = || part.bytes.as_chunks::<2>().0.iter();
        let values = match part.spec.get("dtype")?.as_str()? {
            "f32" => part.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
            "f16" => pairs().map(|b| f16::from_le_bytes(*b).into()).collect(),
            "bf16" => pairs().map(|b| bf16::from_le_bytes(*b).into()).collect(),
            _ => return None,
        };
        (dim > 0).then_some(Self { dim, values })
    }

    /// Puts these in the place of a part, as float32. Its other dimensions stay as they are where the count allows.
    pub(crate) fn put(&self, frame: &mut Frame, name: &str) {
        let Some(part) = frame.parts.iter_mut().find(|part| part.name() == name) else { return };
        part.bytes = self.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        part.spec.insert("dtype".to_owned(), "f32".into());
        let shape = part.spec.get("shape").and_then(Value::as_array).cloned().unwrap_or_default();
        let count: u64 = shape.iter().filter_map(Value::as_u64).product();
        if shape.is_empty() || count != self.values.len() as u64 {
            part.spec.insert("shape".to_owned(), vec![self.count(), self.dim].into());
        }
    }

    /// These as a part of their own.
    #[cfg(feature = "model")]
    pub(crate) fn part(&self, name: &str) -> Part {
        let bytes: Vec<u8> = self.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        let mut part = Part::named(name, &bytes);
        part.spec.insert("dtype".to_owned(), "f32".into());
        part.spec.insert("shape".to_owned(), vec![self.count(), self.dim].into());
        part
    }

    pub(crate) fn count(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(crate) fn row(&self, index: usize) -> &[f64] {
        self.values.get(index * self.dim..(index + 1) * self.dim).unwrap_or_default()
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.dim)
    }

    /// The same with every row made anew.
    pub(crate) fn each_row(&self, make: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        Self { dim: self.dim, values: self.each().flat_map(make).collect() }
    }

    pub(crate) fn map(&self, make: impl Fn(f64) -> f64) -> Self {
        Self { dim: self.dim, values: self.values.iter().map(|value| make(*value)).collect() }
    }

    pub(crate) fn first(&self, count: usize) -> Self {
        Self { dim: self.dim, values: self.values[..count * self.dim].to_vec() }
    }

    pub(crate) fn transposed(&self) -> Self {
        let column = |at: usize| self.each().map(move |row| row[at]);
        Self { dim: self.count(), values: (0..self.dim).flat_map(column).collect() }
    }

    pub(crate) fn times(&self, right: &Self) -> Self {
        let entry = |row: &[f64], at: usize| row.iter().zip(right.each()).map(|(a, b)| a * b[at]).sum();
        let values = self.each().flat_map(|row| (0..right.dim).map(move |at| entry(row, at))).collect();
        Self { dim: right.dim, values }
    }
}

/// The sum of products.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The Euclidean length.
pub(crate) fn length(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}
