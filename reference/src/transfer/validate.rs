//! Whether a projection is good enough to be used, found out before it is (AVP-VAL): first by where projected states
//! point, then, where the tokenizers are one, by what the target says after one of them.

use std::collections::HashMap;

use super::map::SharedTokens;
use super::norm::length;
use super::project::Table;
use super::rows::rows;
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::matrix::mat_vec;
use crate::wire::{Dialect, Mode};

/// The texts that a validation runs, in order (AVP-VAL-010). They are part of the protocol: two implementations find the
/// same numbers only with the same texts.
pub const VALIDATION_TEXTS: [&str; 5] = [
    "The quick brown fox jumps over the lazy dog.",
    "Explain the difference between a stack and a queue in computer science.",
    "If x plus three equals seven, then x equals four.",
    "def hello_world(): print('Hello, world!')",
    "Bonjour, comment allez-vous aujourd'hui?",
];

/// Tokens of a text that are looked at (AVP-VAL-010).
pub const MAX_TEXT_TOKENS: usize = 128;

/// Least length that a vector is divided by (AVP-VAL-004).
const LEAST_NORM: f64 = 1e-8;
/// Below it 0.2 recommends latent state alone (AVP-VAL-006).
const LATENT_PERPLEXITY: f64 = 50.0;
/// Above it 0.2 recommends latent state alone when there is no perplexity (AVP-VAL-006).
const LATENT_COSINE: f64 = 0.8;

/// How a projection is judged (AVP-VAL-011).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Below this mean cosine a projection is not used, and nothing else is looked at (AVP-VAL-001).
    pub cosine_threshold: f64,
    /// Above this perplexity it is not used (AVP-VAL-005).
    pub perplexity_threshold: f64,
    /// How many of the texts are run.
    pub texts: usize,
}

impl Default for Validation {
    fn default() -> Self {
        Self { cosine_threshold: 0.5, perplexity_threshold: 100.0, texts: VALIDATION_TEXTS.len() }
    }
}

/// What a validation recommends.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Latent state or text; both in 0.2 only.
    pub mode: Mode,
    /// Mean cosine.
    pub cosine: f64,
    /// Mean perplexity, when it was looked at.
    pub perplexity: Option<f64>,
}

impl Validation {
    /// The texts to run.
    #[must_use]
    pub fn texts(&self) -> &'static [&'static str] {
        &VALIDATION_TEXTS[..self.texts.min(VALIDATION_TEXTS.len())]
    }

    /// Decides by the rules of a dialect. `perplexity` is asked for only when the cosine is good enough, and gives none when
    /// the tokenizers are not one. What is no number is never good enough (AVP-VAL-012, A-044).
    ///
    /// # Errors
    /// What `perplexity` refuses.
    pub fn decide(
        &self,
        dialect: Dialect,
        cosine: f64,
        perplexity: impl FnOnce() -> Result<Option<f64>>,
    ) -> Result<Verdict> {
        // NaN is not above either.
        if cosine.is_nan() || cosine < self.cosine_threshold {
            return Ok(Verdict { mode: Mode::Json, cosine, perplexity: None });
        }
        let perplexity = perplexity()?;
        let old = dialect == Dialect::V02;
        let mode = match perplexity {
            Some(value) if value.is_nan() || value > self.perplexity_threshold => Mode::Json,
            Some(value) if old && value >= LATENT_PERPLEXITY => Mode::Hybrid,
            None if old && cosine <= LATENT_COSINE => Mode::Hybrid,
            _ => Mode::Latent,
        };
        Ok(Verdict { mode, cosine, perplexity })
    }
}

/// The mean of what several texts gave (AVP-VAL-004, 009); 0 without any.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Which of the target's rows a projected state should point at.
#[derive(Clone, Debug)]
pub struct ExpectedRows<'a> {
    embedding: Table<'a>,
    /// Target id by source id; `None` where the ids are the same.
    ids: Option<HashMap<u32, u32>>,
}

impl<'a> ExpectedRows<'a> {
    /// Rows of the target's input embedding [V, Dt]: those of the source's own ids, or, for a map through shared tokens,
    /// those of the shared tokens' target ids (AVP-VAL-013, A-043).
    #[must_use]
    pub fn new(embedding: Table<'a>, shared: Option<&SharedTokens>) -> Self {
        let pairs = |shared: &SharedTokens| {
            shared.source_ids.iter().copied().zip(shared.target_ids.iter().copied()).collect()
        };
        Self { embedding, ids: shared.map(pairs) }
    }

    /// The row of a source's token; `None` for one that is not shared.
    fn of(&self, token: u32) -> Result<Option<&'a [f32]>> {
        let id = match &self.ids {
            None => token,
            Some(ids) => match ids.get(&token) {
                Some(id) => *id,
                None => return Ok(None),
            },
        };
        let (start, dim) = (id as usize * self.embedding.dim, self.embedding.dim);
        let row = self.embedding.values.get(start..start + dim);
        row.map(Some).ok_or_else(|| {
            let expected = format!("ids below {}", self.embedding.values.len() / dim.max(1));
            Error::new(ErrorClass::ShapeMismatch, "validation.ids", expected, id.to_string())
        })
    }

    /// Mean cosine of a text's projected states [n, Dt] with the rows of the tokens that follow: state `i` should point at
    /// token `i + 1` (AVP-VAL-002). Tokens that are not shared are left out; 0 when nothing is left (AVP-VAL-003).
    ///
    /// # Errors
    /// `shape_mismatch` for another number of states than tokens, and for a token that has no row.
    pub fn cosine(&self, projected: &[f32], tokens: &[u32]) -> Result<f64> {
        let dim = self.embedding.dim;
        let states = rows("projected", projected, dim)?;
        if states != tokens.len() {
            let (expected, found) = (format!("{} states, one a token", tokens.len()), states.to_string());
            return Err(Error::new(ErrorClass::ShapeMismatch, "projected", expected, found));
        }
        let mut cosines = Vec::new();
        for (state, token) in projected.chunks_exact(dim).zip(tokens.iter().skip(1)) {
            let Some(row) = self.of(*token)? else { continue };
            let mut product = [0.0];
            mat_vec(row, dim, state, &mut product);
            let floored = |vector: &[f32]| length(vector).max(LEAST_NORM);
            cosines.push(f64::from(product[0]) / (floored(state) * floored(row)));
        }
        Ok(mean(&cosines))
    }
}

/// How surprised the target is by a text, given what it says, `logits` [1 + n, V], when it has read a projected state and
/// the text's n tokens: row `i` is about token `i` (AVP-VAL-008). Infinite for fewer than two tokens (AVP-VAL-009).
///
/// # Errors
/// `shape_mismatch` for another number of rows, and for a token that they don't have.
pub fn pseudo_perplexity(logits: &[f32], vocabulary: usize, tokens: &[u32]) -> Result<f64> {
    let found = rows("logits", logits, vocabulary)?;
    if found != tokens.len() + 1 {
        let expected = format!("{} rows, one more than tokens", tokens.len() + 1);
        return Err(Error::new(ErrorClass::ShapeMismatch, "logits", expected, found.to_string()));
    }
    let mut total = 0.0;
    for (row, &token) in logits.chunks_exact(vocabulary).zip(tokens) {
        total += surprise(row, token)?;
    }
    if tokens.len() < 2 {
        return Ok(f64::INFINITY);
    }
    Ok((total / tokens.len() as f64).exp())
}

/// Cross-entropy of one token under logits, in nats.
///
/// # Errors
/// `shape_mismatch` for a token that they don't have.
pub(crate) fn surprise(logits: &[f32], token: u32) -> Result<f64> {
    let Some(own) = logits.get(token as usize) else {
        let expected = format!("ids below {}", logits.len());
        return Err(Error::new(ErrorClass::ShapeMismatch, "validation.ids", expected, token.to_string()));
    };
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    Ok(largest + sum.ln() - f64::from(*own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dialect: Dialect, cosine: f64, perplexity: Option<f64>) -> Mode {
        Validation::default().decide(dialect, cosine, || Ok(perplexity)).unwrap().mode
    }

    #[test]
    fn the_thresholds_are_exact() {
        use Mode::{Hybrid, Json, Latent};
        for (cosine, perplexity, current, old) in [
            (0.499_999, Some(10.0), Json, Json),
            (0.5, Some(10.0), Latent, Latent),
            (0.9, Some(49.9), Latent, Latent),
            (0.9, Some(50.0), Latent, Hybrid),
            (0.9, Some(100.0), Latent, Hybrid),
            (0.9, Some(100.000_1), Json, Json),
            (0.5, None, Latent, Hybrid),
            (0.8, None, Latent, Hybrid),
            (0.81, None, Latent, Latent),
            (f64::NAN, Some(10.0), Json, Json),
            (0.9, Some(f64::NAN), Json, Json),
            (0.9, Some(f64::INFINITY), Json, Json),
        ] {
            assert_eq!(mode(Dialect::V04, cosine, perplexity), current, "{cosine} {perplexity:?}");
            assert_eq!(mode(Dialect::V02, cosine, perplexity), old, "{cosine} {perplexity:?}");
        }
        let strict = Validation { cosine_threshold: 0.9, perplexity_threshold: 10.0, texts: 9 };
        let decide =
            |cosine, perplexity| strict.decide(Dialect::V04, cosine, || Ok(Some(perplexity))).unwrap();
        assert_eq!(
            (decide(0.89, 1.0).mode, decide(0.9, 10.0).mode, decide(0.9, 11.0).mode),
            (Json, Latent, Json)
        );
        assert_eq!(strict.texts().len(), 5);
        assert_eq!(Validation { texts: 2, ..strict }.texts(), &VALIDATION_TEXTS[..2]);
    }

    #[test]
    fn a_bad_cosine_asks_nothing_more() {
        let never = || panic!("asked");
        let verdict = Validation::default().decide(Dialect::V04, 0.1, never).unwrap();
        assert_eq!((verdict.mode, verdict.perplexity), (Mode::Json, None));
    }

    const ROWS: Table<'static> = Table { values: &[1.0, 0.0, 0.0, 2.0, -3.0, 0.0], dim: 2 };

    #[test]
    fn a_state_points_at_the_token_that_follows() {
        let rows = ExpectedRows::new(ROWS, None);
        // Towards row 1, 45° from row 2, and one that nothing follows.
        let projected = [0.0, 5.0, -1.0, 1.0, 9.0, 9.0];
        let expected = (1.0 + 0.5f64.sqrt()) / 2.0;
        assert!((rows.cosine(&projected, &[0, 1, 2]).unwrap() - expected).abs() < 1e-7);
        assert_eq!(rows.cosine(&[1.0, 0.0], &[0]).unwrap(), 0.0);
        assert_eq!(rows.cosine(&[], &[]).unwrap(), 0.0);
        assert_eq!(rows.cosine(&[0.0; 4], &[0, 1]).unwrap(), 0.0);
        assert!(rows.cosine(&[f32::NAN; 4], &[0, 1]).unwrap().is_nan());
        for (projected, tokens) in [(&projected[..4], &[0, 1, 2][..]), (&projected, &[0, 1, 3])] {
            assert_eq!(rows.cosine(projected, tokens).unwrap_err().class, ErrorClass::ShapeMismatch);
        }
    }

    #[test]
    fn shared_tokens_have_ids_of_the_target() {
        let shared = SharedTokens { source_ids: vec![70, 50], target_ids: vec![2, 1] };
        let rows = ExpectedRows::new(ROWS, Some(&shared));
        // Token 60 is not shared.
        let projected = [-1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 3.0, 3.0];
        assert!((rows.cosine(&projected, &[50, 70, 60, 50]).unwrap() - 1.0).abs() < 1e-7);
        assert_eq!(rows.cosine(&projected[..4], &[50, 60]).unwrap(), 0.0);
    }

    #[test]
    fn the_row_after_a_token_is_about_the_next() {
        let logits = [0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0f32];
        let first = 2.0 - (1.0 + 2f64.exp() + 1f64.exp()).ln();
        let second = -(3f64.ln());
        let expected = (-(first + second) / 2.0).exp();
        assert!((pseudo_perplexity(&logits, 3, &[1, 0]).unwrap() - expected).abs() < 1e-9);
        assert_eq!(pseudo_perplexity(&logits[..6], 3, &[1]).unwrap(), f64::INFINITY);
        assert_eq!(pseudo_perplexity(&logits[..3], 3, &[]).unwrap(), f64::INFINITY);
        assert!(pseudo_perplexity(&[f32::NAN; 9], 3, &[1, 0]).unwrap().is_nan());
        // Beyond the range of exponentials.
        assert_eq!(pseudo_perplexity(&[1e4, 0.0, 1e4, 0.0, 0.0, 0.0], 2, &[0, 0]).unwrap(), 1.0);
        for (logits, tokens) in [(&logits[..6], &[1, 0][..]), (&logits, &[1, 3])] {
            assert_eq!(pseudo_perplexity(logits, 3, tokens).unwrap_err().class, ErrorClass::ShapeMismatch);
        }
        assert!((mean(&[1.0, 4.0]) - 2.5).abs() < 1e-12);
    }
}
