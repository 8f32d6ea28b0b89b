//! One decoder block: attention and MLP, each behind a norm and beside the residual stream.

use super::activation::Activation;
use super::attention::Attention;
use super::cache::LayerCache;
use super::mlp::Mlp;
use super::norm::RmsNorm;
use super::rope::Rotation;
use crate::error::Result;

pub(super) struct Block {
    pub(super) attention_norm: RmsNorm,
    pub(super) attention: Attention,
    pub(super) mlp_norm: RmsNorm,
    pub(super) mlp: Mlp,
}

impl Block {
    /// Hidden states [s, hidden] → [s, hidden]; appends to the layer's cache.
    pub(super) fn forward(
        &self,
        hidden: Activation,
        rotation: &Rotation,
        cache: &mut LayerCache,
        past: usize,
    ) -> Result<Activation> {
        let mixed = self.attention.forward(&self.attention_norm.forward(&hidden), rotation, cache, past)?;
        let hidden = hidden.plus(mixed);
        let out = self.mlp.forward(&self.mlp_norm.forward(&hidden))?;
        Ok(hidden.plus(out))
    }
}
