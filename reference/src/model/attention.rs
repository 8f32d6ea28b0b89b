//! Grouped-query attention over a KV-cache, causal, with an optional window; softmax in f32.

use burn::tensor::{Bool, DType, Int, activation::softmax};

use super::activation::Activation;
use super::backend::{self, BurnDevice, Tensor};
use super::cache::{DeviceLayer, LayerCache, by_head};
use super::kv_store::KvStore;
use super::linear::Linear;
use super::norm::RmsNorm;
use super::rope::Rotation;
use crate::tensor::token_panels::attention::Attending;
use crate::tensor::{elementwise, matrix};

pub(super) struct Attention {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    /// Over each head of the queries and of the keys, before they turn.
    pub(super) head_norms: Option<[RmsNorm; 2]>,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Factor on the product of a query and a key.
    pub(super) scale: f32,
    /// Scores go through cap · tanh(score / cap).
    pub(super) softcap: Option<f32>,
    /// Tokens that a position sees, itself included; `None` for all.
    pub(super) window: Option<usize>,
}

impl Attention {
    /// Hidden states [s, hidden] of the positions from `past` on → [s, hidden]; appends to the layer's cache. Without a
    /// rotation heads stay as they are.
    pub(super) fn forward(
        &self,
        input: &Activation,
        rotation: Option<&Rotation>,
        cache: &mut LayerCache,
        past: usize,
    ) -> Activation {
        let [mut query, mut key, value] =
            [&self.query, &self.key, &self.value].map(|linear| linear.forward(input));
        if let Some([of_queries, of_keys]) = &self.head_norms {
            query = of_queries.forward(&query);
            key = of_keys.forward(&key);
        }
        let mixed = match (query, key, value, cache) {
            (
                Activation::Row(mut query),
                Activation::Row(mut key),
                Activation::Row(value),
                LayerCache::Host { keys, values },
            ) => {
                if let Some(rotation) = rotation {
                    rotation.turn(&mut query, self.heads);
                    rotation.turn(&mut key, self.kv_heads);
                }
                keys.append(past, &key);
                values.append(past, &value);
                Activation::Row(self.one_row(&query, keys, values, past + 1))
            }
            (
                Activation::Tokens(mut query),
                Activation::Tokens(mut key),
                Activation::Tokens(value),
                LayerCache::Host { keys, values },
            ) => {
                if let Some(rotation) = rotation {
                    let angles = rotation.panels(&query);
                    query.turn(angles);
                    key.turn(angles);
                }
                let seen = past + query.tokens();
                keys.append(past, &key.into_rows());
                values.append(past, &value.into_rows());
                let how = Attending {
                    dim: self.head_dim,
                    group: self.heads / self.kv_heads,
                    scale: self.scale,
                    softcap: self.softcap,
                    window: self.window,
                    past,
                };
                Activation::Tokens(query.attend(how, |head| [keys.head(head, seen), values.head(head, seen)]))
            }
            (
                Activation::Device(query),
                Activation::Device(key),
                Activation::Device(value),
                LayerCache::Device(layer),
            ) => Activation::Device(self.device([query, key, value], rotation, layer, past)),
            _ => unreachable!("activations of two places"),
        };
        self.output.forward(&mixed)
    }

    /// The first of `seen` positions that the last of them sees.
    fn first_seen(&self, seen: usize) -> usize {
        self.window.map_or(0, |window| seen.saturating_sub(window))
    }

    /// One new position: two passes over the cache, no matrices.
    fn one_row(&self, query: &[f32], keys: &KvStore, values: &KvStore, seen: usize) -> Vec<f32> {
        let (group, dim) = (self.heads / self.kv_heads, self.head_dim);
        let first = self.first_seen(seen);
        let mut out = vec![0.0; query.len()];
        let mut scores = vec![0.0; seen - first];
        for kv_head in 0..self.kv_heads {
            let (key, value) = (keys.head(kv_head, seen), values.head(kv_head, seen));
            let (key, value) = (&key[first * dim..], &value[first * dim..]);
            for head in kv_head * group..(kv_head + 1) * group {
                matrix::mat_vec(key, dim, &query[head * dim..][..dim], &mut scores);
                scores.iter_mut().for_each(|score| *score *= self.scale);
                if let Some(cap) = self.softcap {
                    elementwise::softcap(&mut scores, cap);
                }
                elementwise::softmax(&mut scores);
                matrix::weighted_rows(value, dim, &scores, &mut out[head * dim..][..dim]);
            }
        }
        out
    }

    /// Which of the positions before `seen` those from `past` on do not see, [1, seen − past, seen]; made on the device.
    fn unseen(&self, past: usize, seen: usize, place: &BurnDevice) -> Tensor<3, Bool> {
        let (shape, numbers) =
            ([1, seen - past, seen], |from: usize| Tensor::<1, Int>::arange(from as i64..seen as i64, place));
        let own = numbers(past).reshape([1, seen - past, 1]).expand(shape);
        let other = numbers(0).reshape([1, 1, seen]).expand(shape);
        let later = other.clone().greater(own.clone());
        match self.window {
            Some(window) => {
                // A window beyond all positions hides nothing; its number may be more than the device counts to.
                let window = i64::try_from(window.min(seen)).unwrap_or(i64::MAX);
                later.bool_or(other.lower_equal(own.sub_scalar(window)))
            }
            None => later,
        }
    }

    fn device(
        &self,
        [query, key, value]: [Tensor<2>; 3],
        rotation: Option<&Rotation>,
        cache: &mut DeviceLayer,
        past: usize,
    ) -> Tensor<2> {
        let ([count, width], group, dim) = (query.dims(), self.heads / self.kv_heads, self.head_dim);
        let (dtype, place) = (query.dtype(), query.device());
        let angles = rotation.map(|rotation| rotation.on_device(&place));
        let turn = |heads: Tensor<3>| {
            let heads = heads.cast(DType::F32);
            let Some([cos, sin]) = &angles else { return heads };
            let [number, count, dim] = heads.dims();
            let low = heads.clone().slice([0..number, 0..count, 0..dim / 2]);
            let high = heads.slice([0..number, 0..count, dim / 2..dim]);
            let turned_low = low.clone() * cos.clone() - high.clone() * sin.clone();
            let turned_high = high * cos.clone() + low * sin.clone();
            Tensor::cat(vec![turned_low, turned_high], 2)
        };
        // Scaled while it is wide: products of half precision leave their range otherwise.
        let query = turn(by_head(query, self.heads, dim)).mul_scalar(self.scale).cast(dtype);
        let key = turn(by_head(key, self.kv_heads, dim)).cast(dtype);
        let [keys, values] = cache.append(past, key, by_head(value, self.kv_heads, dim));
        let seen = past + count;
        let scores = backend::product(query.reshape([self.kv_heads, group * count, dim]), keys.transpose());
        let mut scores = scores.cast(DType::F32);
        if let Some(cap) = self.softcap {
            scores = scores.div_scalar(cap).tanh().mul_scalar(cap);
        }
        if count > 1 || self.window.is_some() {
            scores = scores
                .reshape([self.heads, count, seen])
                .mask_fill(
                    self.unseen(past, seen, &place).expand([self.heads, count, seen]),
                    f32::NEG_INFINITY,
                )
                .reshape([self.kv_heads, group * count, seen]);
        }
        let mixed = backend::product(softmax(scores, 2).cast(dtype), values);
        mixed.reshape([self.heads, count, dim]).swap_dims(0, 1).reshape([count, width])
    }
}
