//! Contexts with some of their positions, or with all in another order.

use rayon::prelude::*;

use super::context::Context;
use super::runtime::Runtime;
use crate::error::{Error, ErrorClass, Result};

impl Runtime {
    /// A context of the chosen positions of a cache, in that order. Each key is turned to the position at which it stands
    /// now: keys carry their position, so that pairs of keys and values in another order, left as they are, would be the
    /// same context. Values stay as they are, with what they knew of the positions before them. Hidden states are left out.
    ///
    /// # Errors
    /// `incompatible_models` for another model's context; `invalid_argument` for one without a cache, for no positions, and
    /// for positions that it does not have.
    pub fn rearranged(&self, context: &Context, positions: &[usize]) -> Result<Context> {
        let wrong = |expected: String, found: String| {
            Error::new(ErrorClass::InvalidArgument, "context.positions", expected, found)
        };
        let Some(cache) = context.cache() else {
            return Err(wrong("a context with a cache".to_owned(), "none".to_owned()));
        };
        let (cache, _) = self.adopt(Some(context.clone().with_cache(cache.clone())), false)?;
        let (len, heads, dim) = (cache.len(), cache.kv_heads(), cache.head_dim());
        if positions.is_empty() || positions.iter().any(|&position| position >= len) {
            let found = positions.iter().max().map_or_else(|| "none".to_owned(), usize::to_string);
            return Err(wrong(format!("one position or more, below {len}"), found));
        }
        let layers: Vec<[Vec<f32>; 2]> = (0..cache.num_layers())
            .into_par_iter()
            .map(|layer| {
                let [keys, values] = cache.read_layer(layer)?.unwrap_or_default();
                let pick = |tensor: &[f32]| -> Vec<f32> {
                    let heads = tensor.chunks_exact(len * dim);
                    heads
                        .flat_map(|head| {
                            positions.iter().flat_map(|&position| &head[position * dim..][..dim])
                        })
                        .copied()
                        .collect()
                };
                let mut keys = pick(&keys);
                if let Some(rope) = self.model.rope_of(layer) {
                    let rotation = rope.moves(positions);
                    keys.chunks_exact_mut(positions.len() * dim).for_each(|head| rotation.turn(head, 1));
                }
                Ok([keys, pick(&values)])
            })
            .collect::<Result<_>>()?;
        debug_assert!(layers.iter().flatten().all(|tensor| tensor.len() == heads * positions.len() * dim));
        Ok(context.clone().with_cache(cache.with_layers(&layers)?))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{Connector as _, LoadOptions, Prompt, ThinkOptions};

    /// With text files, rotation by one frequency and by several, windows and layers without positions among them.
    const MODELS: [&str; 5] = ["llama-tied", "qwen2-untied", "qwen3-yarn", "smollm3", "gemma3"];

    fn open(name: &str) -> Runtime {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny").join(name);
        let options = LoadOptions { device: super::super::Device::Cpu, ..LoadOptions::default() };
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let model = super::super::Model::open(&folder, options, &mut |_, _| ()).unwrap();
        Runtime::new(model, None, super::super::runtime::identity_of(&config).unwrap(), None)
    }

    fn read(runtime: &Runtime, tokens: &[u32]) -> Context {
        let options = ThinkOptions { steps: 0, ..ThinkOptions::default() };
        runtime.think(&Prompt::Tokens(tokens.to_vec()), options).unwrap().context
    }

    fn layer(context: &Context, index: usize) -> [Vec<f32>; 2] {
        context.cache().unwrap().read_layer(index).unwrap().unwrap()
    }

    fn assert_close(name: &str, left: &[f32], right: &[f32]) {
        assert_eq!(left.len(), right.len(), "{name}");
        for (left, right) in left.iter().zip(right) {
            assert!((left - right).abs() <= 1e-4, "{name}: {left} and {right}");
        }
    }

    #[test]
    fn keys_stand_where_they_were_put() {
        for name in MODELS {
            let runtime = open(name);
            // In the first layer keys and values depend on nothing but the token and, of keys, its position.
            let made = runtime.rearranged(&read(&runtime, &[5, 6, 7, 8]), &[2, 0, 3]).unwrap();
            let read = read(&runtime, &[7, 5, 8]);
            assert_eq!(made.seq_len(), 3);
            assert!(made.hidden_states().is_none());
            for (made, read) in layer(&made, 0).iter().zip(layer(&read, 0)) {
                assert_close(name, made, &read);
            }
        }
    }

    #[test]
    fn all_positions_in_their_order_are_the_same_context() {
        for name in MODELS {
            let runtime = open(name);
            let context = read(&runtime, &[5, 6, 7, 8, 9]);
            let same = runtime.rearranged(&context, &[0, 1, 2, 3, 4]).unwrap();
            let behind = |context: &Context| {
                runtime.logits_behind(Some(context.clone()), &Prompt::Tokens(vec![3, 4]), 2).unwrap()
            };
            assert_close(name, &behind(&context), &behind(&same));
            // Another order is another context.
            let other = behind(&runtime.rearranged(&context, &[4, 3, 2, 1, 0]).unwrap());
            assert!(behind(&context).iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-3), "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let runtime = open("llama-tied");
        let context = read(&runtime, &[5, 6]);
        assert!(runtime.rearranged(&context, &[]).is_err());
        assert!(runtime.rearranged(&context, &[2]).is_err());
        assert!(runtime.rearranged(&context.clone().without_cache(), &[0]).is_err());
        let cache = context.cache().unwrap();
        assert!(cache.with_layers(&[]).is_err());
        let mut layers: Vec<_> = (0..cache.num_layers()).map(|index| layer(&context, index)).collect();
        let same = cache.with_layers(&layers).unwrap();
        assert_eq!((same.len(), same.read_layer(0).unwrap().unwrap()), (2, layer(&context, 0)));
        layers[0][1].pop();
        assert!(cache.with_layers(&layers).is_err());
    }
}
