//! Matrices of weights, [out, in], and what they do to rows.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::DType;
use half::{bf16, f16};

use super::activation::Activation;
use super::backend::{self, Tensor};
use super::norm::Scale;
use crate::error::Result;
use crate::tensor::matrix;
use crate::tensor::quantised::QuantisedMatrix;
use crate::tensor::soft_rows::soft_rows;
use crate::tensor::token_panels::{TokenPanels, WeightRows};
use crate::tensor::wide_products::wide_products;
use crate::transfer::Embedding;
use crate::wire::DataType;

/// Rows of weights that are turned into f32 at a time when a half precision matrix multiplies more than one row on the
/// host: 256 rows of a 4096 wide matrix take 4 MiB.
const WIDEN_ROWS: usize = 256;

/// A matrix on the host, row-major, [rows, cols], in the bytes of its file or our own.
#[derive(Clone)]
pub(super) struct HostMatrix {
    pub(super) data: bytes::Bytes,
    pub(super) element: DataType,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// Memory of our own as shared bytes.
struct Owned<T>(Vec<T>);

impl<T: bytemuck::NoUninit> AsRef<[u8]> for Owned<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Elements as shared bytes, without copying.
pub(super) fn shared<T: bytemuck::NoUninit + Send + 'static>(elements: Vec<T>) -> bytes::Bytes {
    bytes::Bytes::from_owner(Owned(elements))
}

/// Typed view of a matrix's bytes. They are aligned: [`super::load`] copies what a file keeps at odd places.
fn view<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> &[T] {
    bytemuck::cast_slice(bytes)
}

impl Embedding for HostMatrix {
    fn rows(&self) -> usize {
        self.rows
    }

    fn mat_vec(&self, x: &[f32], y: &mut [f32]) {
        match self.element {
            DataType::BFloat16 => matrix::mat_vec_bf16(view::<bf16>(&self.data), self.cols, x, y),
            DataType::Float16 => matrix::mat_vec_f16(view::<f16>(&self.data), self.cols, x, y),
            _ => matrix::mat_vec(view(&self.data), self.cols, x, y),
        }
    }

    fn weighted_rows(&self, p: &[f32], y: &mut [f32]) {
        match self.element {
            DataType::Float32 => matrix::weighted_rows(view(&self.data), self.cols, p, y),
            _ => {
                y.fill(0.0);
                let mut part = vec![0.0; y.len()];
                for (start, p) in (0..self.rows).step_by(WIDEN_ROWS).zip(p.chunks(WIDEN_ROWS)) {
                    matrix::weighted_rows(&self.widened(start, p.len()), self.cols, p, &mut part);
                    y.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
                }
            }
        }
    }

    fn soft(&self, x: &[f32], temperature: f32, y: &mut [f32]) {
        match self.element {
            DataType::Float32 => soft_rows(view(&self.data), self.cols, x, temperature, y),
            _ => self.soft_in_two(x, temperature, y),
        }
    }
}

impl Embedding for QuantisedMatrix {
    fn rows(&self) -> usize {
        self.rows()
    }

    fn mat_vec(&self, x: &[f32], y: &mut [f32]) {
        self.mat_vec(x, y);
    }

    fn weighted_rows(&self, p: &[f32], y: &mut [f32]) {
        self.weighted_rows(p, y);
    }
}

impl HostMatrix {
    /// Appends row `index` in f32.
    pub(super) fn row(&self, index: usize, out: &mut Vec<f32>) {
        out.extend_from_slice(&self.widened(index, 1));
    }

    fn widened(&self, start: usize, rows: usize) -> Vec<f32> {
        let size = self.element.size();
        let range = start * self.cols * size..(start + rows) * self.cols * size;
        let bytes = &self.data[range];
        match self.element {
            DataType::BFloat16 => view::<bf16>(bytes).iter().map(|value| value.to_f32()).collect(),
            DataType::Float16 => view::<f16>(bytes).iter().map(|value| value.to_f32()).collect(),
            _ => view::<f32>(bytes).to_vec(),
        }
    }
}

impl WeightRows for HostMatrix {
    fn rows<'a>(&'a self, range: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        if self.element == DataType::Float32 {
            return &view(&self.data)[range.start * self.cols..range.end * self.cols];
        }
        *scratch = self.widened(range.start, range.len());
        scratch
    }
}

impl WeightRows for QuantisedMatrix {
    /// Exact: vectors are not rounded where many share the work of widening.
    fn rows<'a>(&'a self, range: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(range.len() * self.cols(), 0.0);
        self.widen(range.start, scratch);
        scratch
    }
}

/// A matrix in the place where the model lives.
#[allow(
    clippy::large_enum_variant,
    reason = "few of them live at a time, and burn sets the size of its handle"
)]
#[derive(Clone)]
pub(super) enum Matrix {
    Host(HostMatrix),
    /// On the host, in the blocks of the file.
    Quantised(Arc<QuantisedMatrix>),
    /// [out, in].
    Device(Tensor<2>),
}

/// Rows of a matrix on a card that are turned into f32 at a time: 16 Ki rows, 4096 wide, take 256 MiB. Less in tests, so that
/// small vocabularies go through several blocks.
pub(super) const DEVICE_ROWS: usize = if cfg!(test) { 200 } else { 16 << 10 };

impl Matrix {
    /// Its rows, from the first one, in f32 on the card, in blocks.
    pub(super) fn device_blocks(matrix: &Tensor<2>) -> impl Iterator<Item = (usize, Tensor<2>)> + use<> {
        let (matrix, [rows, cols]) = (matrix.clone(), matrix.dims());
        (0..rows).step_by(DEVICE_ROWS).map(move |start| {
            let end = rows.min(start + DEVICE_ROWS);
            (start, matrix.clone().slice([start..end, 0..cols]).cast(DType::F32))
        })
    }

    /// x · Mᵀ, [n, cols] → [n, rows]: on the host with sums in f64, on a card in f32.
    pub(super) fn products(&self, x: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::Host(matrix) => Ok(wide_products(matrix, matrix.rows, x, matrix.cols)),
            Self::Quantised(matrix) => {
                Ok(wide_products(&**matrix, QuantisedMatrix::rows(matrix), x, matrix.cols()))
            }
            Self::Device(matrix) => {
                let cols = matrix.dims()[1];
                let shape = [x.len() / cols, cols];
                let left = backend::from_host(x.to_vec(), shape, DataType::Float32, &matrix.device());
                let parts = Self::device_blocks(matrix)
                    .map(|(_, rows)| backend::product(left.clone(), rows.transpose()));
                backend::to_host(Tensor::cat(parts.collect(), 1))
            }
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Host(matrix) => matrix.data.len(),
            Self::Quantised(matrix) => matrix.bytes(),
            Self::Device(tensor) => tensor.shape().num_elements() * tensor.dtype().size(),
        }
    }
}

/// y = x · Mᵀ + bias.
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Scale>,
}

impl Linear {
    /// Bytes of the weights.
    pub(super) fn bytes(&self) -> usize {
        self.matrix.bytes()
    }

    /// [n, in] → [n, out].
    pub(super) fn forward(&self, input: &Activation) -> Activation {
        match input {
            Activation::Row(row) => Activation::Row(self.one(row)),
            Activation::Tokens(tokens) => Activation::Tokens(self.many(tokens)),
            Activation::Device(tensor) => self.on_device(tensor),
        }
    }

    /// One row on the host.
    fn one(&self, row: &[f32]) -> Vec<f32> {
        let mut y = match &self.matrix {
            Matrix::Host(matrix) => mat_vec(matrix, row),
            Matrix::Quantised(matrix) => mat_vec(&**matrix, row),
            Matrix::Device(_) => unreachable!("activations of two places"),
        };
        if let Some(Scale::Host(bias)) = &self.bias {
            y.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
        y
    }

    /// Many rows on the host.
    fn many(&self, tokens: &TokenPanels) -> TokenPanels {
        let mut out = match &self.matrix {
            Matrix::Host(matrix) => tokens.product(matrix, matrix.rows),
            Matrix::Quantised(matrix) => tokens.product(&**matrix, QuantisedMatrix::rows(matrix)),
            Matrix::Device(_) => unreachable!("activations of two places"),
        };
        if let Some(Scale::Host(bias)) = &self.bias {
            out.add_each(bias);
        }
        out
    }

    fn on_device(&self, tensor: &Tensor<2>) -> Activation {
        let Matrix::Device(matrix) = &self.matrix else { unreachable!("activations of two places") };
        let out = backend::product(tensor.clone().cast(matrix.dtype()), matrix.clone().transpose());
        Activation::Device(match &self.bias {
            Some(Scale::Device(bias)) => out + bias.clone().unsqueeze::<2>(),
            _ => out,
        })
    }
}

fn mat_vec(matrix: &impl Embedding, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; matrix.rows()];
    matrix.mat_vec(x, &mut y);
    y
}
