//! Root mean square norm, squares and sums in f32 whatever the element type.

use burn::tensor::DType;

use super::activation::Activation;
use super::backend::Tensor;
use crate::tensor::elementwise;

/// x · weight / sqrt(mean(x²) + eps), over each run of as many columns as there are weights: the row, or each head in it.
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
    /// [s, n · width] → [s, n · width].
    pub(super) fn forward(&self, input: &Activation) -> Activation {
        match (input, &self.weight) {
            (Activation::Row(row), Scale::Host(weight)) => {
                Activation::Row(elementwise::rms_norm(row, weight, self.eps as f32))
            }
            (Activation::Tokens(tokens), Scale::Host(weight)) => {
                Activation::Tokens(tokens.rms_norm(weight, self.eps as f32))
            }
            (Activation::Device(tensor), Scale::Device(weight)) => {
                let (dtype, [rows, cols], [width]) = (tensor.dtype(), tensor.dims(), weight.dims());
                let mut wide = tensor.clone().cast(DType::F32);
                if width != cols {
                    wide = wide.reshape([rows * cols / width, width]);
                }
                let mean = wide.clone().powi_scalar(2).mean_dim(1).add_scalar(self.eps);
                let weight = weight.clone().cast(DType::F32).unsqueeze::<2>();
                let scaled = (wide * mean.sqrt().recip() * weight).cast(dtype);
                Activation::Device(if width == cols { scaled } else { scaled.reshape([rows, cols]) })
            }
            _ => unreachable!("activations of two places"),
        }
    }
}
