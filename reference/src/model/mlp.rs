//! The gated MLP: down(act(gate(x)) · up(x)).

use burn::tensor::activation::{gelu_approximate, silu};

use super::activation::{Activation, Rows};
use super::config::MlpActivation;
use super::linear::Linear;
use crate::error::Result;

pub(super) struct Mlp {
    pub(super) gate: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) activation: MlpActivation,
}

impl Mlp {
    /// [s, hidden] → [s, hidden].
    pub(super) fn forward(&self, input: &Activation) -> Result<Activation> {
        let gated = self.gated(self.gate.forward(input)?, self.up.forward(input)?);
        self.down.forward(&gated)
    }

    fn gated(&self, gate: Activation, up: Activation) -> Activation {
        match (gate, up) {
            (Activation::Host(mut gate), Activation::Host(up)) => {
                self.gate_host(&mut gate, &up);
                Activation::Host(gate)
            }
            (Activation::Device(gate), Activation::Device(up)) => {
                let gate = match self.activation {
                    MlpActivation::Silu => silu(gate),
                    MlpActivation::GeluTanh => gelu_approximate(gate),
                };
                Activation::Device(gate * up)
            }
            _ => unreachable!("activations of two places"),
        }
    }

    fn gate_host(&self, gate: &mut Rows, up: &Rows) {
        let pairs = gate.values.iter_mut().zip(&up.values);
        match self.activation {
            MlpActivation::Silu => pairs.for_each(|(gate, up)| *gate = *gate / (1.0 + (-*gate).exp()) * up),
            MlpActivation::GeluTanh => pairs.for_each(|(gate, up)| {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (*gate + 0.044_715 * gate.powi(3));
                *gate = 0.5 * *gate * (1.0 + inner.tanh()) * up;
            }),
        }
    }
}
