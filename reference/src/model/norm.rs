//! Root mean square norm, squares and sums in f32 whatever the element type.

use burn::tensor::DType;

use super::activation::{Activation, Rows};
use super::backend::Tensor;
use crate::tensor::elementwise;

/// x · weight / sqrt(mean(x²) + eps), over the columns.
pub(super) struct RmsNorm {
    pub(super) weight: Scale,
    pub(super) eps: f64,
}

/// One factor a column, [cols].
#[allow(
    clippy::large_enum_variant,
    reason = "few of them live at a time, and burn sets the size of its handle"
)]
pub(super) enum Scale {
    Host(Vec<f32>),
    Device(Tensor<1>),
}

impl RmsNorm {
    pub(super) fn forward(&self, input: &Activation) -> Activation {
        match (input, &self.weight) {
            (Activation::Host(rows), Scale::Host(weight)) => {
                let normed = elementwise::rms_norm(&rows.values, weight, self.eps as f32);
                Activation::Host(Rows::new(normed, rows.cols))
            }
            (Activation::Device(tensor), Scale::Device(weight)) => {
                let dtype = tensor.dtype();
                let wide = tensor.clone().cast(DType::F32);
                let mean = wide.clone().powi_scalar(2).mean_dim(1).add_scalar(self.eps);
                let normed = (wide * mean.sqrt().recip()).cast(dtype);
                Activation::Device(normed * weight.clone().unsqueeze::<2>())
            }
            _ => unreachable!("activations of two places"),
        }
    }
}
