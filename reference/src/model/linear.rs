//! Matrices of weights, [out, in], and what they do to rows.

use burn::tensor::{Bytes, DType, TensorData};
use half::{bf16, f16};

use super::activation::{Activation, Rows};
use super::backend::{self, Tensor};
use super::norm::Scale;
use crate::error::Result;
use crate::tensor::matrix;
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

    /// x · Mᵀ for many rows, [n, cols] → [n, rows], by burn's matrix product over the same memory.
    fn mat_mul(&self, x: &Rows) -> Result<Rows> {
        let device = backend::cpu();
        let left: Tensor<2> =
            backend::from_host(x.values.clone(), [x.count(), x.cols], DataType::Float32, &device);
        if self.element == DataType::Float32 {
            let bytes = Bytes::from_shared(self.data.clone(), burn::tensor::AllocationProperty::Other);
            let data = TensorData::from_bytes(bytes, [self.rows, self.cols], backend::dtype(self.element));
            let right = Tensor::<2>::from_data(data, (&device, backend::dtype(self.element)));
            return Ok(Rows::new(backend::to_host(left.matmul(right.transpose()))?, self.rows));
        }
        let mut out = vec![0.0; x.count() * self.rows];
        for start in (0..self.rows).step_by(WIDEN_ROWS) {
            let rows = WIDEN_ROWS.min(self.rows - start);
            let wide = self.widened(start, rows);
            let right: Tensor<2> = backend::from_host(wide, [rows, self.cols], DataType::Float32, &device);
            let part = backend::to_host(left.clone().matmul(right.transpose()))?;
            for (out, part) in out.chunks_exact_mut(self.rows).zip(part.chunks_exact(rows)) {
                out[start..start + rows].copy_from_slice(part);
            }
        }
        Ok(Rows::new(out, self.rows))
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
    /// [out, in].
    Device(Tensor<2>),
}

/// Rows of a matrix on a card that are turned into f32 at a time: 16 Ki rows, 4096 wide, take 256 MiB.
const DEVICE_ROWS: usize = 16 << 10;

impl Matrix {
    /// Its rows, from the first one, in f32 on the card, in blocks.
    pub(super) fn device_blocks(matrix: &Tensor<2>) -> impl Iterator<Item = (usize, Tensor<2>)> + use<> {
        let (matrix, [rows, cols]) = (matrix.clone(), matrix.dims());
        (0..rows).step_by(DEVICE_ROWS).map(move |start| {
            let end = rows.min(start + DEVICE_ROWS);
            (start, matrix.clone().slice([start..end, 0..cols]).cast(DType::F32))
        })
    }

    /// x · Mᵀ in f32, [n, cols] → [n, rows].
    pub(super) fn products(&self, x: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::Host(matrix) if x.len() == matrix.cols => {
                let mut y = vec![0.0; matrix.rows];
                matrix.mat_vec(x, &mut y);
                Ok(y)
            }
            Self::Host(matrix) => Ok(matrix.mat_mul(&Rows::new(x.to_vec(), matrix.cols))?.values),
            Self::Device(matrix) => {
                let cols = matrix.dims()[1];
                let shape = [x.len() / cols, cols];
                let left = backend::from_host(x.to_vec(), shape, DataType::Float32, &matrix.device());
                let parts =
                    Self::device_blocks(matrix).map(|(_, rows)| left.clone().matmul(rows.transpose()));
                backend::to_host(Tensor::cat(parts.collect(), 1))
            }
        }
    }
}

/// y = x · Mᵀ + bias.
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Scale>,
}

impl Linear {
    /// [n, in] → [n, out].
    pub(super) fn forward(&self, input: &Activation) -> Result<Activation> {
        match (input, &self.matrix) {
            (Activation::Host(rows), Matrix::Host(matrix)) => {
                let mut out = if rows.count() == 1 {
                    let mut y = vec![0.0; matrix.rows];
                    matrix.mat_vec(&rows.values, &mut y);
                    Rows::new(y, matrix.rows)
                } else {
                    matrix.mat_mul(rows)?
                };
                if let Some(Scale::Host(bias)) = &self.bias {
                    for row in out.values.chunks_exact_mut(bias.len()) {
                        row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
                    }
                }
                Ok(Activation::Host(out))
            }
            (Activation::Device(tensor), Matrix::Device(matrix)) => {
                let out = tensor.clone().matmul(matrix.clone().transpose());
                Ok(Activation::Device(match &self.bias {
                    Some(Scale::Device(bias)) => out + bias.clone().unsqueeze::<2>(),
                    _ => out,
                }))
            }
            _ => unreachable!("activations of two places"),
        }
    }
}
