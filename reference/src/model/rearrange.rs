//! Contexts with some of their positions, with all in another order, and several in one.

use rayon::prelude::*;

use super::cache::KvCache;
use super::context::{Context, HiddenStates};
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

    /// Contexts that do not know of one another as one, in their order: the positions of each behind those of the one before
    /// it, its keys turned to where they now stand. Values stay as they are, so that, other than behind a context that was
    /// continued, nothing in one knows of the others. Hidden states are left out of contexts with caches; contexts of hidden
    /// states alone are put together state by state. Latent steps add up.
    ///
    /// # Errors
    /// `incompatible_models` for another model's context; `invalid_argument` for no contexts, for one that holds nothing, and
    /// for caches beside hidden states alone.
    pub fn joined(&self, contexts: &[Context]) -> Result<Context> {
        let wrong = |expected: &str, found: &str| {
            Error::new(ErrorClass::InvalidArgument, "contexts", expected, found.to_owned())
        };
        let Some(first) = contexts.first() else { return Err(wrong("at least one context", "none")) };
        let caches = contexts.iter().filter(|context| context.cache().is_some()).count();
        let steps = contexts.iter().fold(0_u64, |steps, context| steps.saturating_add(context.num_steps));
        let mut joined = match caches {
            0 => first.clone().with_hidden_states(joined_states(contexts)?),
            all if all == contexts.len() => first.clone().with_cache(self.joined_caches(contexts)?),
            _ => return Err(wrong("caches, or hidden states alone", "both")),
        };
        joined.num_steps = steps;
        Ok(joined)
    }

    fn joined_caches(&self, contexts: &[Context]) -> Result<KvCache> {
        let mut caches = Vec::with_capacity(contexts.len());
        for context in contexts {
            caches.push(self.adopt(Some(context.clone()), false)?.0);
        }
        // Where each position stood in its own cache.
        let from: Vec<usize> = caches.iter().flat_map(|cache| 0..cache.len()).collect();
        let (own, dim) = (self.model.empty_cache(), self.model.empty_cache().head_dim());
        let layers: Vec<[Vec<f32>; 2]> = (0..own.num_layers())
            .into_par_iter()
            .map(|layer| {
                let parts: Vec<[Vec<f32>; 2]> = caches
                    .iter()
                    .map(|cache| Ok(cache.read_layer(layer)?.unwrap_or_default()))
                    .collect::<Result<_>>()?;
                let heads = |which: usize| -> Vec<f32> {
                    let mut all = Vec::with_capacity(own.kv_heads() * from.len() * dim);
                    for head in 0..own.kv_heads() {
                        for (part, cache) in parts.iter().zip(&caches) {
                            let width = cache.len() * dim;
                            all.extend_from_slice(&part[which][head * width..][..width]);
                        }
                    }
                    all
                };
                let (mut keys, values) = (heads(0), heads(1));
                if let Some(rope) = self.model.rope_of(layer) {
                    let rotation = rope.moves(&from);
                    keys.chunks_exact_mut((from.len() * dim).max(1)).for_each(|head| rotation.turn(head, 1));
                }
                Ok([keys, values])
            })
            .collect::<Result<_>>()?;
        own.with_layers(&layers)
    }
}

/// The hidden states of contexts that have nothing else, one behind the other.
fn joined_states(contexts: &[Context]) -> Result<HiddenStates> {
    let wrong = |expected: String, found: String| {
        Error::new(ErrorClass::InvalidArgument, "contexts", expected, found)
    };
    let mut joined: Option<(HiddenStates, u32)> = None;
    for context in contexts {
        let Some(states) = context.hidden_states() else {
            return Err(wrong("a cache or hidden states in each context".to_owned(), "neither".to_owned()));
        };
        match &mut joined {
            None => joined = Some((states.clone(), context.hidden_dim)),
            Some((_, width)) if *width != context.hidden_dim => {
                return Err(wrong(format!("states of width {width}"), context.hidden_dim.to_string()));
            }
            Some((joined, _)) => {
                joined.values.extend_from_slice(&states.values);
                joined.seq_len = joined.seq_len.saturating_add(states.seq_len);
            }
        }
    }
    joined
        .map(|(states, _)| states)
        .ok_or_else(|| wrong("at least one context".to_owned(), "none".to_owned()))
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
    fn joined_contexts_stand_behind_one_another_and_do_not_know_of_one_another() {
        for name in MODELS {
            let runtime = open(name);
            let (one, other) = (read(&runtime, &[5, 6, 7]), read(&runtime, &[8, 9]));
            let joined = runtime.joined(&[one.clone(), other.clone()]).unwrap();
            assert_eq!(joined.seq_len(), 5);
            // In the first layer keys and values depend on nothing but the token and its position: as in one pass.
            let whole = read(&runtime, &[5, 6, 7, 8, 9]);
            for (joined, whole) in layer(&joined, 0).iter().zip(layer(&whole, 0)) {
                assert_close(name, joined, &whole);
            }
            // Further on the second one's values are its own, other than in one pass.
            let (last, heads) = (one.cache().unwrap().num_layers() - 1, one.cache().unwrap().kv_heads());
            let of = |context: &Context, from: usize| -> Vec<f32> {
                let [_, values] = layer(context, last);
                let len = context.seq_len();
                let width = values.len() / heads / len;
                values.chunks(len * width).flat_map(|head| head[from * width..].to_vec()).collect()
            };
            assert_eq!(of(&joined, 3), of(&other, 0), "{name}");
            assert!(of(&whole, 3).iter().zip(of(&other, 0)).any(|(a, b)| (a - b).abs() > 1e-4), "{name}");
            // One alone stays what it is.
            let behind = |context: &Context| {
                runtime.logits_behind(Some(context.clone()), &Prompt::Tokens(vec![3, 4]), 2).unwrap()
            };
            assert_close(name, &behind(&one), &behind(&runtime.joined(std::slice::from_ref(&one)).unwrap()));
        }
    }

    #[test]
    fn joined_states_are_all_states_and_mixtures_are_refused() {
        let runtime = open("llama-tied");
        let options = ThinkOptions { steps: 2, states: 2, ..ThinkOptions::default() };
        let full = runtime.think(&Prompt::Tokens(vec![5, 6]), options).unwrap().context;
        let states = full.clone().without_cache();
        let joined = runtime.joined(&[states.clone(), states.clone()]).unwrap();
        let (one, both) = (states.hidden_states().unwrap(), joined.hidden_states().unwrap());
        assert_eq!((both.seq_len, joined.num_steps()), (2 * one.seq_len, 4));
        assert_eq!(both.values, [one.values.clone(), one.values.clone()].concat());
        assert!(runtime.joined(&[]).is_err());
        assert!(runtime.joined(&[full, states]).is_err());
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
