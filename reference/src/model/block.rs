//! One decoder block: attention and MLP, each behind a norm and beside the residual stream.

use super::activation::Activation;
use super::attention::Attention;
use super::cache::LayerCache;
use super::linear::Linear;
use super::mlp::Mlp;
use super::norm::RmsNorm;
use super::rope::Rotation;

pub(super) struct Block {
    pub(super) attention_norm: RmsNorm,
    pub(super) attention: Attention,
    /// Behind attention, before the residual stream takes it.
    pub(super) after_attention: Option<RmsNorm>,
    pub(super) mlp_norm: RmsNorm,
    pub(super) mlp: Mlp,
    /// Behind the MLP.
    pub(super) after_mlp: Option<RmsNorm>,
}

impl Block {
    /// Bytes of the matrices: what a position's pass reads.
    pub(super) fn bytes(&self) -> usize {
        let (attention, mlp) = (&self.attention, &self.mlp);
        let attention = [&attention.query, &attention.key, &attention.value, &attention.output];
        let mlp = [&mlp.gate, &mlp.up, &mlp.down];
        attention.into_iter().chain(mlp).map(Linear::bytes).sum()
    }

    /// Hidden states [s, hidden] → [s, hidden]; appends to the layer's cache. Without a rotation heads stay as they are.
    pub(super) fn forward(
        &self,
        hidden: Activation,
        rotation: Option<&Rotation>,
        cache: &mut LayerCache,
        past: usize,
    ) -> Activation {
        let mixed = self.attention.forward(&self.attention_norm.forward(&hidden), rotation, cache, past);
        let hidden = hidden.plus(normed(self.after_attention.as_ref(), mixed));
        let out = self.mlp.forward(&self.mlp_norm.forward(&hidden));
        hidden.plus(normed(self.after_mlp.as_ref(), out))
    }
}

fn normed(norm: Option<&RmsNorm>, rows: Activation) -> Activation {
    match norm {
        Some(norm) => norm.forward(&rows),
        None => rows,
    }
}
