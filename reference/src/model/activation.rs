//! What flows through the blocks: a token's numbers or those of several on the host, or a tensor on a device.
//!
//! On the CPU several tokens stay in the layout of products from the embedding to the last norm; on CUDA everything stays on
//! the card. Each operation is written for all of them, and tests hold one against the other.

use super::backend::{self, BurnDevice, Tensor};
use crate::error::Result;
use crate::tensor::elementwise;
use crate::tensor::token_panels::TokenPanels;
use crate::wire::DataType;

/// Numbers of some tokens, [tokens, cols].
#[allow(
    clippy::large_enum_variant,
    reason = "few of them live at a time, and burn sets the size of its handle"
)]
#[derive(Clone)]
pub(super) enum Activation {
    /// Of one token on the host, always in f32.
    Row(Vec<f32>),
    /// Of several on the host, always in f32.
    Tokens(TokenPanels),
    /// On a device: the stream that blocks add to in f32, as on the host; what comes out of a matrix in the matrix's type.
    Device(Tensor<2>),
}

impl Activation {
    /// How many tokens.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Row(_) => 1,
            Self::Tokens(panels) => panels.tokens(),
            Self::Device(tensor) => tensor.dims()[0],
        }
    }

    /// The sum of both, in the place of the first.
    #[must_use]
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Row(mut left), Self::Row(right)) => {
                elementwise::add(&mut left, &right);
                Self::Row(left)
            }
            (Self::Tokens(mut left), Self::Tokens(right)) => {
                elementwise::add(left.values_mut(), right.values());
                Self::Tokens(left)
            }
            (Self::Device(left), Self::Device(right)) => {
                let right = right.cast(left.dtype());
                Self::Device(left + right)
            }
            // A model lives in one place; activations come from its own matrices only.
            _ => unreachable!("activations of two places"),
        }
    }

    /// Every number times a factor.
    #[must_use]
    pub(super) fn times(self, factor: f32) -> Self {
        match self {
            Self::Row(mut row) => {
                row.iter_mut().for_each(|value| *value *= factor);
                Self::Row(row)
            }
            Self::Tokens(mut tokens) => {
                tokens.values_mut().iter_mut().for_each(|value| *value *= factor);
                Self::Tokens(tokens)
            }
            Self::Device(tensor) => Self::Device(tensor.mul_scalar(factor)),
        }
    }

    /// The last row alone.
    #[must_use]
    pub(super) fn last_row(self) -> Self {
        match self {
            Self::Row(row) => Self::Row(row),
            Self::Tokens(tokens) => Self::Row(tokens.last_row()),
            Self::Device(tensor) => {
                let [rows, cols] = tensor.dims();
                Self::Device(tensor.slice([rows - 1..rows, 0..cols]))
            }
        }
    }

    /// The numbers on the host, row-major.
    pub(super) fn into_host(self) -> Result<Vec<f32>> {
        match self {
            Self::Row(row) => Ok(row),
            Self::Tokens(tokens) => Ok(tokens.into_rows()),
            Self::Device(tensor) => backend::to_host(tensor),
        }
    }
}

/// Where a model's tensors live.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The host's memory: f32 activations, weights in the model's element type.
    Host,
    /// A device of burn: weights, products and the cache in the model's element type, the rest in f32.
    Device(BurnDevice),
}

impl Place {
    /// Rows of numbers, [n, cols], moved there, in f32.
    pub(super) fn rows(&self, values: Vec<f32>, cols: usize) -> Activation {
        let count = values.len() / cols;
        match self {
            Self::Host if count == 1 => Activation::Row(values),
            Self::Host => Activation::Tokens(TokenPanels::from_rows(&values, cols)),
            Self::Device(device) => {
                let shape = [count, cols];
                Activation::Device(backend::from_host(values, shape, DataType::Float32, device))
            }
        }
    }
}
