//! How text is written.

use avp::model::Sampling;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// Tokens of an answer or a note at most: beyond that no last agent could read them.
const MAX_TOKENS: usize = 1 << 16;

/// What is said of how text is written; the rest is left to what lies below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodingPatch {
    /// See [`Decoding::temperature`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// See [`Decoding::top_k`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// See [`Decoding::top_p`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// See [`Decoding::repetition_penalty`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// See [`Decoding::max_tokens`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// See [`Decoding::note_tokens`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note_tokens: Option<usize>,
}

impl DecodingPatch {
    /// This, and where it says nothing what is below.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            temperature: self.temperature.or(below.temperature),
            top_k: self.top_k.or(below.top_k),
            top_p: self.top_p.or(below.top_p),
            repetition_penalty: self.repetition_penalty.or(below.repetition_penalty),
            max_tokens: self.max_tokens.or(below.max_tokens),
            note_tokens: self.note_tokens.or(below.note_tokens),
        }
    }

    /// This, and defaults where it says nothing.
    #[must_use]
    pub fn settled(self) -> Decoding {
        let default = Decoding::default();
        Decoding {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_k: self.top_k.unwrap_or(default.top_k),
            top_p: self.top_p.unwrap_or(default.top_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(default.repetition_penalty),
            max_tokens: self.max_tokens.unwrap_or(default.max_tokens),
            note_tokens: self.note_tokens.unwrap_or(default.note_tokens),
        }
    }
}

impl From<Decoding> for DecodingPatch {
    fn from(said: Decoding) -> Self {
        Self {
            temperature: Some(said.temperature),
            top_k: Some(said.top_k),
            top_p: Some(said.top_p),
            repetition_penalty: Some(said.repetition_penalty),
            max_tokens: Some(said.max_tokens),
            note_tokens: Some(said.note_tokens),
        }
    }
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoding {
    /// 0 takes the likeliest token each time.
    pub temperature: f64,
    /// Only so many of the likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability.
    pub top_p: f64,
    /// Divides positive and multiplies negative logits of tokens that occurred already.
    pub repetition_penalty: f64,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// Tokens of a note to another agent at most.
    pub note_tokens: usize,
}

impl Default for Decoding {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            max_tokens: 64,
            note_tokens: 128,
        }
    }
}

impl Decoding {
    /// As the runtime takes it.
    #[must_use]
    pub fn sampling(&self, seed: u64) -> Sampling {
        Sampling {
            temperature: self.temperature as f32,
            top_k: self.top_k,
            top_p: self.top_p as f32,
            repetition_penalty: self.repetition_penalty as f32,
            seed,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        self.sampling(0).check().map_err(|error| Error::new("decoding", error.to_string()))?;
        for (key, tokens) in [("max_tokens", self.max_tokens), ("note_tokens", self.note_tokens)] {
            if tokens == 0 || tokens > MAX_TOKENS {
                let what = format!("1 to {MAX_TOKENS}, found {tokens}");
                return Err(Error::new(&format!("decoding.{key}"), what));
            }
        }
        Ok(())
    }
}
