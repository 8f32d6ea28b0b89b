//! Root mean square norm, squares and sums in f32 whatever the element type.

use burn::tensor::DType;

use super::activation::{Activation, Rows};
use super::backend::Tensor;

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
            (Activation::Host(rows), Scale::Host(weight)) => Activation::Host(self.host(rows, weight)),
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

    fn host(&self, rows: &Rows, weight: &[f32]) -> Rows {
        let mut out = Vec::with_capacity(rows.values.len());
        for row in rows.values.chunks_exact(rows.cols) {
            let mean = sum_of_squares(row) / row.len() as f32;
            let factor = 1.0 / (mean + self.eps as f32).sqrt();
            out.extend(row.iter().zip(weight).map(|(value, weight)| value * factor * weight));
        }
        Rows::new(out, rows.cols)
    }
}

/// Independent sums, so that the loop vectorises and rounding errors stay small.
fn sum_of_squares(row: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value * value);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
}
