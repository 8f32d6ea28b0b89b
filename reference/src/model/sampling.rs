//! LOGITS → TOKEN: greedy, or drawn after temperature, top-k and top-p, in this order.

use serde::Deserialize;

use crate::error::{Error, ErrorClass, Result};
use crate::weights::Beside;

/// How the next token is chosen. The default is that of the Python SDK.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the most likely token, the first of equals.
    pub temperature: f32,
    /// Only so many of the most likely tokens; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens that together reach this probability; 1 for all.
    pub top_p: f32,
    /// Divides positive and multiplies negative logits of tokens that occurred already; 1 for none.
    pub repetition_penalty: f32,
    /// Seed of the request. The same seed draws the same text, whatever else the process does.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.7, top_k: 50, top_p: 0.95, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// The defaults with what a model's generation_config.json says of `top_k` and `repetition_penalty`; temperature and
    /// top-p are the caller's, as in the Python SDK. Without such a file, the defaults.
    ///
    /// # Errors
    /// `configuration` for a file that is no such JSON.
    pub(super) fn beside(files: &Beside) -> Result<Self> {
        const FIELD: &str = "generation_config";
        let Some(text) = files.text("generation_config.json", FIELD, MAX_CONFIG)? else {
            return Ok(Self::default());
        };
        let said: Said = serde_json::from_str(&text).map_err(|error| {
            let found = format!("{files}: {error}");
            Error::new(ErrorClass::Configuration, FIELD, "the JSON object of a model", found)
        })?;
        let default = Self::default();
        let sampling = Self {
            top_k: said.top_k.unwrap_or(default.top_k),
            repetition_penalty: said.repetition_penalty.unwrap_or(default.repetition_penalty),
            ..default
        };
        sampling.check().map(|()| sampling)
    }

    /// The most likely token each time.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, ..Self::default() }
    }

    /// # Errors
    /// `invalid_argument` for a temperature below 0, a top-p outside (0, 1], a penalty not above 0, and numbers that are
    /// none.
    pub fn check(&self) -> Result<()> {
        let refused = |field, expected: &str, found: f32| {
            Err(Error::new(ErrorClass::InvalidArgument, field, expected, found.to_string()))
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return refused("sampling.temperature", "0, or a number above", self.temperature);
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refused("sampling.top_p", "a number above 0, at most 1", self.top_p);
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return refused("sampling.repetition_penalty", "a number above 0", self.repetition_penalty);
        }
        Ok(())
    }
}

/// Largest generation_config.json. Published ones have some hundred bytes.
const MAX_CONFIG: u64 = 1 << 20;

#[derive(Deserialize)]
struct Said {
    top_k: Option<usize>,
    repetition_penalty: Option<f32>,
}

/// Draws the tokens of one request.
pub(super) struct Sampler {
    sampling: Sampling,
    /// Tokens drawn so far: the counter of the random numbers.
    drawn: u64,
}

impl Sampler {
    pub(super) fn new(sampling: Sampling) -> Result<Self> {
        sampling.check()?;
        Ok(Self { sampling, drawn: 0 })
    }

    /// The next token after `seen` ones. NaN counts as impossible.
    ///
    /// # Errors
    /// `engine_unavailable` when no logit is a number.
    pub(super) fn next(&mut self, mut logits: Vec<f32>, seen: &[u32]) -> Result<u32> {
        self.penalise(&mut logits, seen);
        let best = best(&logits).ok_or_else(|| {
            let expected = "at least one finite logit";
            Error::new(ErrorClass::EngineUnavailable, "model.logits", expected, "none: NaN or infinities")
        })?;
        self.drawn += 1;
        // Beside an infinite logit nothing else counts, and differences to it are no numbers.
        if self.sampling.temperature == 0.0 || logits[best].is_infinite() {
            return Ok(best as u32);
        }
        let mut likely = self.most_likely(&logits);
        let largest = logits[best];
        let scale = 1.0 / f64::from(self.sampling.temperature);
        // In f64: sums of a large vocabulary's tail get lost in f32.
        let weigh = |index: usize| (f64::from(logits[index] - largest) * scale).exp();
        let total: f64 = likely.iter().map(|&index| weigh(index)).sum();
        let mut kept = 0.0;
        let top_p = f64::from(self.sampling.top_p) * total;
        let count = likely.iter().position(|&index| {
            kept += weigh(index);
            kept >= top_p
        });
        likely.truncate(count.map_or(likely.len(), |last| last + 1));
        let total: f64 = likely.iter().map(|&index| weigh(index)).sum();
        let mut rest = uniform(self.sampling.seed, self.drawn) * total;
        let chosen = likely.iter().copied().find(|&index| {
            rest -= weigh(index);
            rest < 0.0
        });
        Ok(chosen.or_else(|| likely.last().copied()).unwrap_or(best) as u32)
    }

    fn penalise(&self, logits: &mut [f32], seen: &[u32]) {
        let penalty = self.sampling.repetition_penalty;
        if penalty == 1.0 {
            return;
        }
        let mut seen = seen.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            }
        }
    }

    /// Ids of the `top_k` largest logits, largest first; of equal ones the smaller id.
    fn most_likely(&self, logits: &[f32]) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..logits.len()).filter(|&id| logits[id] > f32::NEG_INFINITY).collect();
        let order =
            |left: &usize, right: &usize| logits[*right].total_cmp(&logits[*left]).then(left.cmp(right));
        let count = if self.sampling.top_k == 0 { ids.len() } else { self.sampling.top_k };
        if count < ids.len() {
            ids.select_nth_unstable_by(count, order);
            ids.truncate(count);
        }
        ids.sort_unstable_by(order);
        ids
    }
}

/// Index of the largest number, the first of equals; `None` where there is none.
pub(super) fn best(logits: &[f32]) -> Option<usize> {
    let mut best = None;
    let mut largest = f32::NEG_INFINITY;
    for (index, &logit) in logits.iter().enumerate() {
        if logit > largest {
            (best, largest) = (Some(index), logit);
        }
    }
    best
}

/// The random number of a counter, from 0 to below 1: SplitMix64's output for that step of a seed, so that any draw can be
/// repeated alone.
fn uniform(seed: u64, counter: u64) -> f64 {
    let mut bits = seed.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draw(sampling: Sampling, logits: &[f32]) -> u32 {
        Sampler::new(sampling).unwrap().next(logits.to_vec(), &[]).unwrap()
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        assert_eq!(draw(Sampling::greedy(), &[1.0, f32::NAN, 3.0, 3.0, 2.0]), 2);
        let mut sampler = Sampler::new(Sampling::greedy()).unwrap();
        let error = sampler.next(vec![f32::NAN, f32::NEG_INFINITY], &[]).unwrap_err();
        assert_eq!(error.class, ErrorClass::EngineUnavailable);
    }

    #[test]
    fn an_infinite_logit_is_taken() {
        let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
        assert_eq!(draw(sampling, &[1.0, f32::INFINITY, 3.0]), 1);
    }

    #[test]
    fn draws_follow_the_distribution() {
        // Probabilities 0.6, 0.3, 0.1.
        let logits = [0.6_f32.ln(), 0.3_f32.ln(), 0.1_f32.ln()];
        let mut counts = [0_u32; 3];
        let sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 7, ..Sampling::default() };
        let mut sampler = Sampler::new(sampling).unwrap();
        const DRAWS: u32 = 20_000;
        for _ in 0..DRAWS {
            counts[sampler.next(logits.to_vec(), &[]).unwrap() as usize] += 1;
        }
        for (count, expected) in counts.into_iter().zip([0.6, 0.3, 0.1]) {
            let found = f64::from(count) / f64::from(DRAWS);
            assert!((found - expected).abs() < 0.015, "{found} instead of {expected}");
        }
    }

    #[test]
    fn penalties_turn_away_from_what_was_said() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::greedy() };
        let mut sampler = Sampler::new(sampling).unwrap();
        assert_eq!(sampler.next(vec![3.0, 2.0, -1.0], &[0, 0]).unwrap(), 1);
        assert_eq!(sampler.next(vec![-1.0, -1.5, -3.0], &[0]).unwrap(), 1);
    }

    #[test]
    fn a_model_says_how_it_wants_to_be_sampled() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Sampling::beside(&folder.path().into()).unwrap(), Sampling::default());
        let path = folder.path().join("generation_config.json");
        std::fs::write(&path, r#"{"top_k": 20, "repetition_penalty": 1.1, "temperature": 9}"#).unwrap();
        let expected = Sampling { top_k: 20, repetition_penalty: 1.1, ..Sampling::default() };
        assert_eq!(Sampling::beside(&folder.path().into()).unwrap(), expected);
        for (text, class) in [
            ("[", ErrorClass::Configuration),
            (r#"{"top_k": "many"}"#, ErrorClass::Configuration),
            (r#"{"repetition_penalty": -1}"#, ErrorClass::InvalidArgument),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Sampling::beside(&folder.path().into()).unwrap_err().class, class, "{text}");
        }
    }

    #[test]
    fn senseless_settings_are_refused() {
        for sampling in [
            Sampling { temperature: -0.1, ..Sampling::default() },
            Sampling { temperature: f32::NAN, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { top_p: 1.5, ..Sampling::default() },
            Sampling { repetition_penalty: 0.0, ..Sampling::default() },
        ] {
            assert_eq!(sampling.check().unwrap_err().class, ErrorClass::InvalidArgument, "{sampling:?}");
        }
    }

    proptest! {
        #[test]
        fn what_top_k_and_top_p_leave_out_is_never_drawn(
            logits in prop::collection::vec(-20.0_f32..20.0, 1..40),
            top_k in 0_usize..10,
            top_p in 0.05_f32..1.0,
            seed: u64,
        ) {
            let sampling = Sampling { temperature: 0.8, top_k, top_p, seed, ..Sampling::default() };
            let token = draw(sampling.clone(), &logits) as usize;
            prop_assert_eq!(draw(sampling, &logits) as usize, token);
            let above = logits.iter().filter(|&&logit| logit > logits[token]).count();
            prop_assert!(top_k == 0 || above < top_k);
            let weight = |logit: f32| (f64::from(logit) / 0.8_f32 as f64).exp();
            let before: f64 = logits.iter().filter(|&&logit| logit > logits[token]).map(|&logit| weight(logit)).sum();
            let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
            prop_assert!(before <= f64::from(top_p) * total * 1.000_001);
        }
    }
}
