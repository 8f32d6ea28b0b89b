//! What flows through the blocks: rows of numbers on the host, or a tensor on a device.
//!
//! On the CPU our kernels and burn's matrix products share the same memory, so that nothing is copied between them; on
//! CUDA everything stays on the card. Each operation is written for both, and tests hold one against the other.

use super::backend::{self, BurnDevice, Tensor};
use crate::error::Result;
use crate::tensor::elementwise;
use crate::wire::DataType;

/// Rows of numbers, [rows, cols].
#[allow(
    clippy::large_enum_variant,
    reason = "few of them live at a time, and burn sets the size of its handle"
)]
#[derive(Clone)]
pub(super) enum Activation {
    /// On the host, always in f32.
    Host(Rows),
    /// On a device, in the model's element type.
    Device(Tensor<2>),
}

/// Row-major numbers, [rows, cols].
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) values: Vec<f32>,
    pub(super) cols: usize,
}

impl Rows {
    pub(super) fn new(values: Vec<f32>, cols: usize) -> Self {
        debug_assert_eq!(values.len() % cols, 0);
        Self { values, cols }
    }

    pub(super) fn count(&self) -> usize {
        self.values.len() / self.cols
    }

    pub(super) fn last(&self) -> &[f32] {
        &self.values[self.values.len() - self.cols..]
    }
}

impl Activation {
    /// Rows and columns.
    pub(super) fn dims(&self) -> [usize; 2] {
        match self {
            Self::Host(rows) => [rows.count(), rows.cols],
            Self::Device(tensor) => tensor.dims(),
        }
    }

    /// The sum of both, in the place of the first.
    #[must_use]
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Host(mut left), Self::Host(right)) => {
                elementwise::add(&mut left.values, &right.values);
                Self::Host(left)
            }
            (Self::Device(left), Self::Device(right)) => Self::Device(left + right),
            // A model lives in one place; activations come from its own matrices only.
            _ => unreachable!("activations of two places"),
        }
    }

    /// Every number times a factor.
    #[must_use]
    pub(super) fn times(self, factor: f32) -> Self {
        match self {
            Self::Host(mut rows) => {
                rows.values.iter_mut().for_each(|value| *value *= factor);
                Self::Host(rows)
            }
            Self::Device(tensor) => Self::Device(tensor.mul_scalar(factor)),
        }
    }

    /// The last row alone.
    #[must_use]
    pub(super) fn last_row(self) -> Self {
        match self {
            Self::Host(rows) if rows.count() == 1 => Self::Host(rows),
            Self::Host(rows) => Self::Host(Rows::new(rows.last().to_vec(), rows.cols)),
            Self::Device(tensor) => {
                let [rows, cols] = tensor.dims();
                Self::Device(tensor.slice([rows - 1..rows, 0..cols]))
            }
        }
    }

    /// The numbers on the host, row-major.
    pub(super) fn into_host(self) -> Result<Vec<f32>> {
        match self {
            Self::Host(rows) => Ok(rows.values),
            Self::Device(tensor) => backend::to_host(tensor),
        }
    }
}

/// Where a model's tensors live.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The host's memory: f32 activations, weights in the model's element type.
    Host,
    /// A device of burn: everything in the model's element type, sums of norms and softmax in f32.
    Device(BurnDevice),
}

impl Place {
    /// Rows of numbers, [n, cols], moved there.
    pub(super) fn rows(&self, values: Vec<f32>, cols: usize, element: DataType) -> Activation {
        let rows = Rows::new(values, cols);
        match self {
            Self::Host => Activation::Host(rows),
            Self::Device(device) => {
                let shape = [rows.count(), cols];
                Activation::Device(backend::from_host(rows.values, shape, element, device))
            }
        }
    }
}
