//! Matrices in double precision: what numeric answers are measured with.

use half::{bf16, f16};

use crate::case::Dtype;

/// Rows of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// How many rows.
    pub rows: usize,
    /// Values a row.
    pub cols: usize,
    /// Row after row.
    pub values: Vec<f64>,
}

impl Matrix {
    /// A tensor's bytes: the last dimension is a row's, all others count rows. `None` when bytes and shape do not agree, or
    /// for a type that is no float.
    pub fn of_bytes(dtype: Dtype, shape: &[u64], bytes: &[u8]) -> Option<Self> {
        let values: Vec<f64> = match dtype {
            Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
            Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).into()).collect(),
            Dtype::Bf16 => bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).into()).collect(),
            Dtype::I8 | Dtype::U8 | Dtype::U32 => return None,
        };
        let count = shape.iter().try_fold(1, |count: u64, dim| count.checked_mul(*dim))?;
        let cols = usize::try_from(*shape.last()?).ok()?;
        let whole = count == values.len() as u64 && bytes.len() == values.len() * dtype.size();
        let rows = values.len().checked_div(cols).unwrap_or_default();
        whole.then_some(Self { rows, cols, values })
    }

    /// The values as float32, little-endian.
    pub fn to_f32_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect()
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// All rows.
    pub fn each_row(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.rows).map(|index| self.row(index))
    }

    /// This times `right`, which has as many rows as this has columns.
    pub fn times(&self, right: &Self) -> Self {
        let mut values = vec![0.0; self.rows * right.cols];
        for (index, row) in self.each_row().enumerate() {
            let out = &mut values[index * right.cols..(index + 1) * right.cols];
            for (factor, other) in row.iter().zip(right.each_row()) {
                out.iter_mut().zip(other).for_each(|(sum, value)| *sum += factor * value);
            }
        }
        Self { rows: self.rows, cols: right.cols, values }
    }

    /// Columns as rows.
    pub fn transposed(&self) -> Self {
        let at = |column: usize| (0..self.rows).map(move |row| self.row(row)[column]);
        Self { rows: self.cols, cols: self.rows, values: (0..self.cols).flat_map(at).collect() }
    }

    /// X of `self · X = right` by Gaussian elimination with the largest pivot of each column; `None` for a singular
    /// matrix.
    pub fn solve(&self, right: &Self) -> Option<Self> {
        let (n, width) = (self.rows, self.cols + right.cols);
        let joined = self.each_row().zip(right.each_row()).flat_map(|(a, b)| a.iter().chain(b).copied());
        let mut all: Vec<Vec<f64>> = joined.collect::<Vec<_>>().chunks(width).map(<[f64]>::to_vec).collect();
        for step in 0..n {
            let pivot = (step..n).max_by(|a, b| all[*a][step].abs().total_cmp(&all[*b][step].abs()))?;
            all.swap(step, pivot);
            let (done, rest) = all.split_at_mut(step + 1);
            let row = &mut done[step];
            let divisor = row[step];
            if divisor == 0.0 || !divisor.is_finite() {
                return None;
            }
            row[step..].iter_mut().for_each(|value| *value /= divisor);
            for other in rest {
                let factor = other[step];
                other[step..].iter_mut().zip(&row[step..]).for_each(|(to, from)| *to -= factor * from);
            }
        }
        for step in (0..n).rev() {
            let (rest, done) = all.split_at_mut(step);
            let row = &done[0];
            for other in rest {
                let factor = other[step];
                other[n..].iter_mut().zip(&row[n..]).for_each(|(to, from)| *to -= factor * from);
            }
        }
        let values = all.iter().flat_map(|row| row[n..].iter().copied()).collect();
        Some(Self { rows: n, cols: right.cols, values })
    }
}

/// Euclidean length.
pub fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Scalar product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
