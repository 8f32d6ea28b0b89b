//! The gated MLP: down(act(gate(x)) · up(x)).

use burn::tensor::activation::{gelu_approximate, silu};

use super::activation::{Activation, Rows};
use super::config::MlpActivation;
use super::linear::Linear;
use crate::error::Result;
use crate::tensor::elementwise::{gelu_times, silu_times};
use crate::tensor::token_panels::TokenPanels;

pub(super) struct Mlp {
    pub(super) gate: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) activation: MlpActivation,
}

impl Mlp {
    /// [s, hidden] → [s, hidden].
    pub(super) fn forward(&self, input: &Activation) -> Result<Activation> {
        if let Activation::Host(rows) = input
            && rows.count() > 1
        {
            return Ok(Activation::Host(self.many(rows)));
        }
        let [gate, up] = Linear::forward_each([&self.gate, &self.up], input)?;
        self.down.forward(&self.gated(gate, up))
    }

    /// Many rows, in the layout of products from end to end.
    fn many(&self, rows: &Rows) -> Rows {
        let tokens = TokenPanels::from_rows(&rows.values, rows.cols);
        let (mut gate, up) = (self.gate.product(&tokens), self.up.product(&tokens));
        self.gate_host(gate.values_mut(), up.values());
        self.down.rows_of(self.down.product(&gate))
    }

    fn gated(&self, gate: Activation, up: Activation) -> Activation {
        match (gate, up) {
            (Activation::Host(mut gate), Activation::Host(up)) => {
                self.gate_host(&mut gate.values, &up.values);
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

    fn gate_host(&self, gate: &mut [f32], up: &[f32]) {
        match self.activation {
            MlpActivation::Silu => silu_times(gate, up),
            MlpActivation::GeluTanh => gelu_times(gate, up),
        }
    }
}
