//! The gated MLP: down(act(gate(x)) · up(x)).

use burn::tensor::activation::{gelu_approximate, silu};

use super::activation::{Activation, Rows};
use super::config::MlpActivation;
use super::linear::Linear;
use crate::error::Result;
use crate::tensor::elementwise::{gelu_times, silu_times};

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
        match self.activation {
            MlpActivation::Silu => silu_times(&mut gate.values, &up.values),
            MlpActivation::GeluTanh => gelu_times(&mut gate.values, &up.values),
        }
    }
}
