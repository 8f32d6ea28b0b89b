//! A tiny model for one case: drawn at random, with the oracle beside it.

use serde_json::{Value, json};

use super::draft::part;
use super::random::Random;
use crate::build::{Fields, KvPayload, Message, TinyFamily, TinyModel, TinyShape};
use crate::case::{Part, Spec};
use crate::dissect::flag_bits;
use crate::oracle::{Decoder, DecoderCache, Thinker, length, model_hash};

/// Most that the last digit of every weight may count for in a hidden state: a twentieth of the tolerance of AVP-RLN-017.
/// Single precision is about as far off, and a model that blows it up would judge the rounding.
const CALM: f64 = 5e-5;

/// Models that are drawn until one is calm and clear. Most are at once.
const TRIES: usize = 40;

/// A model, ready to be sent, and the oracle for it.
pub(super) struct Tiny {
    pub(super) model: TinyModel,
    /// With soft embeddings as they come.
    pub(super) thinker: Thinker,
    /// The same model with the last digit of each weight changed.
    shaken: Thinker,
    /// Hash of its configuration.
    pub(super) hash: String,
    pub(super) shape: TinyShape,
}

impl Tiny {
    /// Draws models of a kind (0 to 3: Llama and Qwen2, tied and untied) until `judge` likes one, which is then answered
    /// with what `judge` made of it. The last one is taken as it is.
    pub(super) fn draw<T>(
        random: &mut Random,
        kind: usize,
        mut judge: impl FnMut(&mut Random, &Self) -> (T, bool),
    ) -> (Self, T) {
        let mut tries = 0;
        loop {
            let Some(tiny) = Self::new(&shape(random, kind), random.u64(), None) else { continue };
            let (made, liked) = judge(random, &tiny);
            tries += 1;
            if liked || tries == TRIES {
                return (tiny, made);
            }
        }
    }

    /// A model of a kind with so many tokens, which reads so many positions.
    pub(super) fn sized(random: &mut Random, kind: usize, vocab_size: usize, positions: usize) -> Self {
        loop {
            let shape = TinyShape { vocab_size, ..shape(random, kind) };
            if let Some(tiny) = Self::new(&shape, random.u64(), Some(positions)) {
                return tiny;
            }
        }
    }

    fn new(shape: &TinyShape, seed: u64, positions: Option<usize>) -> Option<Self> {
        let mut model = TinyModel::new(shape, seed);
        if let Some(positions) = positions {
            model.config["max_position_embeddings"] = positions.into();
        }
        let mut shaken = model.clone();
        let values = shaken.tensors.iter_mut().flat_map(|tensor| &mut tensor.values);
        values.for_each(|value| *value = f32::from_bits(value.to_bits() ^ 1));
        let thinker =
            |model: &TinyModel| Thinker::new(Decoder::new(&model.config, &model.tensors).ok()?).ok();
        let hash = model_hash(&model.config.to_string(), &[]).ok()?;
        let (thinker, shaken) = (thinker(&model)?, thinker(&shaken)?);
        Some(Self { model, thinker, shaken, hash, shape: *shape })
    }

    /// Whether the states that `think` answers are the model's and not its rounding's, whichever way soft embeddings go.
    pub(super) fn is_calm(&self, think: impl Fn(&Thinker) -> Vec<Vec<f64>>) -> bool {
        [false, true].into_iter().all(|rescale| {
            let [states, shaken] =
                [&self.thinker, &self.shaken].map(|thinker| think(&thinker.rescaling(rescale)));
            states.iter().zip(&shaken).all(|(state, shaken)| {
                let error: Vec<f64> = state.iter().zip(shaken).map(|(a, b)| a - b).collect();
                length(&error) <= CALM * length(state)
            })
        })
    }

    /// The oracle with soft embeddings at the length of an embedding; the same where there are none.
    pub(super) fn rescaled(&self) -> Thinker {
        self.thinker.rescaling(true)
    }

    pub(super) fn empty(&self) -> DecoderCache {
        self.thinker.decoder.empty_cache()
    }

    /// Arguments of a request to this model.
    pub(super) fn args(&self, mut more: Value) -> Value {
        more["config"] = self.model.config.clone();
        more
    }

    /// Parts of a request to this model.
    pub(super) fn parts(&self, context: Option<Part>) -> Vec<Part> {
        [part("weights", self.model.weights())].into_iter().chain(context).collect()
    }

    /// Any tokens of the model but those that begin and end texts.
    pub(super) fn prompt(&self, random: &mut Random) -> Vec<u32> {
        let count = random.between(1, 7);
        (0..count).map(|_| random.between(2, self.shape.vocab_size - 1) as u32).collect()
    }

    /// A cache as a context message; `hash` in place of the model's own.
    pub(super) fn message(&self, cache: &DecoderCache, steps: usize, hash: &str, spec: Spec) -> Vec<u8> {
        let mut fields = self.fields();
        fields.varint(7, 1);
        entries(&mut fields, hash, self.family(), steps);
        let both = (0..cache.num_layers()).flat_map(|layer| [(layer, false), (layer, true)]);
        let [heads, seq_len, head_dim] = cache.dims().map(|dim| dim as u32);
        let payload = KvPayload {
            num_layers: cache.num_layers() as u32,
            num_kv_heads: heads,
            head_dim,
            seq_len,
            dtype: 0,
            data: both.flat_map(|(layer, values)| cache.tensor(layer, values)).collect(),
        };
        let (_, _, _, flags) = flag_bits(spec);
        Message { flags, metadata: fields.into_bytes(), payload: payload.to_bytes(), ..Message::default() }
            .to_bytes()
    }

    /// Hidden states as a context message.
    pub(super) fn hidden_message(&self, states: &[Vec<f64>], steps: usize) -> Vec<u8> {
        let mut fields = self.fields();
        fields.packed(9, &[states.len() as u64, self.shape.hidden_size as u64]);
        entries(&mut fields, &self.hash, self.family(), steps);
        fields.entry(14, Some("avp.seq_len"), Some(&states.len().to_string()));
        let payload = states.iter().flatten().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        Message { metadata: fields.into_bytes(), payload, ..Message::default() }.to_bytes()
    }

    pub(super) fn family(&self) -> &'static str {
        match self.shape.family {
            TinyFamily::Llama => "llama",
            TinyFamily::Qwen2 => "qwen2",
        }
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.varint(5, self.shape.hidden_size as u64).varint(6, self.shape.num_layers as u64);
        fields
    }
}

fn entries(fields: &mut Fields, hash: &str, family: &str, steps: usize) {
    for (key, value) in [("model_hash", hash), ("model_family", family), ("num_steps", &steps.to_string())] {
        fields.entry(14, Some(key), Some(value));
    }
}

fn shape(random: &mut Random, kind: usize) -> TinyShape {
    let family = if kind.is_multiple_of(2) { TinyFamily::Llama } else { TinyFamily::Qwen2 };
    let (num_heads, num_kv_heads) = random.pick(&[(4, 2), (4, 1), (2, 1), (6, 3), (2, 2)]);
    // Heads of two elements would be rotated alike in halves and in pairs.
    let (hidden_size, head_dim) = match family {
        // transformers wants a multiple of the heads, and takes any width of a head.
        TinyFamily::Llama => {
            (num_heads * random.between(16 / num_heads, 24 / num_heads), random.pick(&[4, 6, 8, 10]))
        }
        TinyFamily::Qwen2 => {
            let head_dim = if num_heads == 2 { random.pick(&[8, 10, 12]) } else { 4 };
            (num_heads * head_dim, head_dim)
        }
    };
    TinyShape {
        family,
        tied: kind % 4 < 2,
        hidden_size,
        intermediate_size: random.between(8, 32),
        num_layers: random.pick(&[1, 2, 2, 3]),
        num_heads,
        num_kv_heads,
        head_dim,
        vocab_size: random.between(32, 48),
        rope_theta: random.pick(&[100.0, 10_000.0, 1e6]),
        norm_eps: random.pick(&[1e-5, 1e-6]),
    }
}

/// The arguments of a request that names ids, and more.
pub(super) fn asking(ids: &[u32], more: &Value) -> Value {
    let mut args = json!({ "ids": ids });
    if let (Value::Object(args), Value::Object(more)) = (&mut args, more) {
        args.extend(more.clone());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draw must not run out of tries: a case with the last model that came would judge its rounding.
    #[test]
    fn calm_and_clear_models_are_found_soon() {
        let mut most = 0;
        for index in 0..40 {
            let mut tries = 0;
            let mut random = Random::new(5, "tiny", index);
            Tiny::draw(&mut random, index as usize, |random, tiny| {
                tries += 1;
                let prompt = tiny.prompt(random);
                let behind = tiny.thinker.think(tiny.empty(), &prompt, 6).cache;
                let clear = tiny.thinker.greedy(behind, &prompt, 8).margin > 2e-3;
                ((), clear && tiny.is_calm(|thinker| thinker.think(tiny.empty(), &prompt, 6).states))
            });
            most = most.max(tries);
        }
        assert!(most < TRIES / 2, "{most} of {TRIES} tries");
    }
}
