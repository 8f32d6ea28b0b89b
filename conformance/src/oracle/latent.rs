//! Thinking and writing with a decoder: latent steps, hidden states taken for a context, greedy texts.

use super::decoder::{Decoder, DecoderCache};
use super::matrix::{Matrix, length};
use super::realign::{DEFAULT_LAMBDA, normalized, realign_matrix, soft_embedding, target_norm};

/// A decoder with what its latent steps need.
#[derive(Clone, Debug)]
pub struct Thinker {
    /// The model.
    pub decoder: Decoder,
    /// Mean length of an embedding (AVP-RLN-007).
    target: f64,
    /// The realignment matrix of an untied model.
    realign: Option<Matrix>,
    /// Whether soft embeddings are brought to `target`, too.
    rescale: bool,
}

/// What latent steps leave behind.
#[derive(Clone, Debug)]
pub struct Thought {
    /// The final hidden state after the prompt and after each step.
    pub states: Vec<Vec<f64>>,
    /// Keys and values of all positions.
    pub cache: DecoderCache,
}

impl Thought {
    /// The last final hidden state.
    pub fn last(&self) -> &[f64] {
        self.states.last().map(Vec::as_slice).unwrap_or_default()
    }

    /// Length of each state (AVP-MET-005).
    pub fn norms(&self) -> Vec<f64> {
        self.states.iter().map(|state| length(state)).collect()
    }
}

/// A text by the highest logit.
#[derive(Clone, Debug, PartialEq)]
pub struct Greedy {
    /// Tokens, the one that ended the text included.
    pub ids: Vec<u32>,
    /// Whether a token that ends texts came.
    pub stopped: bool,
    /// Least distance of a highest logit from the second.
    pub margin: f64,
    /// Positions read: context, prompt, and all tokens but the last.
    pub seq_len: usize,
}

impl Thinker {
    /// Prepares a decoder for latent steps.
    ///
    /// # Errors
    /// A sentence when the embeddings of an untied model determine no realignment.
    pub fn new(decoder: Decoder) -> Result<Self, String> {
        let target = target_norm(&decoder.embed).ok_or("there is no embedding")?;
        let realign = match &decoder.head {
            None => None,
            Some(head) => {
                let made = realign_matrix(&decoder.embed, head, DEFAULT_LAMBDA);
                Some(made.ok_or("the embeddings determine no matrix")?)
            }
        };
        Ok(Self { decoder, target, realign, rescale: false })
    }

    /// The same with soft embeddings as they come, or brought to the length of an embedding. Both are right.
    #[must_use]
    pub fn rescaling(&self, rescale: bool) -> Self {
        Self { rescale, ..self.clone() }
    }

    /// The input embedding that a final hidden state stands for (AVP-RLN-006, 009, 010).
    pub fn latent_input(&self, state: &[f64]) -> Vec<f64> {
        let state = Matrix { rows: 1, cols: state.len(), values: state.to_vec() };
        let made = match &self.realign {
            Some(w) => normalized(&state.times(w), self.target),
            None => {
                let soft = soft_embedding(&state, &self.decoder.embed, 1.0);
                if self.rescale { normalized(&soft, self.target) } else { soft }
            }
        };
        made.values
    }

    /// Reads tokens behind a cache, then so many latent steps (AVP-RLN-017).
    pub fn think(&self, mut cache: DecoderCache, tokens: &[u32], steps: usize) -> Thought {
        let mut states = vec![self.decoder.read(tokens, &mut cache)];
        for step in 0..steps {
            let input = self.latent_input(&states[step]);
            states.push(self.decoder.inject(&input, &mut cache));
        }
        Thought { states, cache }
    }

    /// The cache that hidden states stand for: each an input embedding, one position a state (AVP-XFR-003).
    pub fn cache_of(&self, states: &[Vec<f64>]) -> DecoderCache {
        let mut cache = self.decoder.empty_cache();
        for state in states {
            self.decoder.inject(&self.latent_input(state), &mut cache);
        }
        cache
    }

    /// Reads tokens behind a cache, then writes at most `most` tokens.
    pub fn greedy(&self, mut cache: DecoderCache, tokens: &[u32], most: usize) -> Greedy {
        let mut state = self.decoder.read(tokens, &mut cache);
        let mut made = Greedy { ids: Vec::new(), stopped: false, margin: f64::INFINITY, seq_len: 0 };
        while made.ids.len() < most {
            let logits = self.decoder.logits(&state);
            let (mut best, mut second) = (0, f64::NEG_INFINITY);
            for (id, &logit) in logits.iter().enumerate().skip(1) {
                if logit > logits[best] {
                    (best, second) = (id, logits[best]);
                } else {
                    second = second.max(logit);
                }
            }
            made.margin = made.margin.min(logits[best] - second);
            let token = best as u32;
            made.ids.push(token);
            made.stopped = self.decoder.eos == Some(token);
            if made.stopped || made.ids.len() == most {
                break;
            }
            state = self.decoder.read(&[token], &mut cache);
        }
        made.seq_len = cache.seq_len();
        made
    }
}
