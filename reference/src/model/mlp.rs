//! The gated MLP: down(act(gate(x)) · up(x)).

use burn::tensor::activation::{gelu_approximate, silu};

use super::activation::Activation;
use super::config::MlpActivation;
use super::linear::Linear;
use crate::tensor::elementwise::{gelu_times, silu_times};

pub(super) struct Mlp {
    pub(super) gate: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) activation: MlpActivation,
}

impl Mlp {
    /// [s, hidden] → [s, hidden].
    pub(super) fn forward(&self, input: &Activation) -> Activation {
        let (gate, up) = (self.gate.forward(input), self.up.forward(input));
        self.down.forward(&self.gated(gate, up))
    }

    fn gated(&self, gate: Activation, up: Activation) -> Activation {
        match (gate, up) {
            (Activation::Row(mut gate), Activation::Row(up)) => {
                self.gate_host(&mut gate, &up);
                Activation::Row(gate)
            }
            (Activation::Tokens(mut gate), Activation::Tokens(up)) => {
                self.gate_host(gate.values_mut(), up.values());
                Activation::Tokens(gate)
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

    fn gate_host(&self, gate: &mut [f32], up: &[f32]) {
        match self.activation {
            MlpActivation::Silu => silu_times(gate, up),
            MlpActivation::GeluTanh => gelu_times(gate, up),
        }
    }
}
