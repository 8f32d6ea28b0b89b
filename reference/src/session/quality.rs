//! The quality gate of a cross-model transfer (AVP-QG).

use crate::error::Result;
use crate::transfer::effective_rank;

/// Default threshold (AVP-QG-001): above it, a projected state carries too little of the prompt.
pub const MAX_PROMPT_TOKENS: u64 = 300;

/// Default threshold of the effective rank (AVP-QG-006): above it, what the states say is spread over too many directions
/// for one vector.
pub const MAX_EFFECTIVE_RANK: f64 = 0.8;

/// What the gate says. Advice: a transfer may go on against it (AVP-QG-005).
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Latent state rather than text.
    pub recommend_latent: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Why, in words.
    pub reason: String,
    /// Effective rank of the hidden states over its maximum, when it was computed.
    pub effective_rank_ratio: Option<f64>,
}

/// Where the gate closes (AVP-QG-003).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityGate {
    /// Tokens of a prompt up to which latent state is recommended.
    pub max_prompt_tokens: u64,
    /// Effective rank up to which it is, where hidden states are given.
    pub max_effective_rank: f64,
}

impl Default for QualityGate {
    fn default() -> Self {
        Self { max_prompt_tokens: MAX_PROMPT_TOKENS, max_effective_rank: MAX_EFFECTIVE_RANK }
    }
}

impl QualityGate {
    /// Judges a transfer by the length of its prompt, then by the effective rank of its hidden states, rows of the given
    /// length, where they are given. When the length decides, nothing is computed (AVP-QG-007). A rank that is no number
    /// recommends text.
    ///
    /// # Errors
    /// `shape_mismatch` for hidden states with a row that is cut.
    pub fn assess(&self, prompt_tokens: u64, hidden: Option<(&[f32], usize)>) -> Result<Assessment> {
        let by_length = assess_transfer(prompt_tokens, self.max_prompt_tokens);
        let Some((hidden, dim)) = hidden.filter(|_| by_length.recommend_latent) else { return Ok(by_length) };
        let (rank, most) = (effective_rank(hidden, dim)?, self.max_effective_rank);
        let recommend_latent = rank <= most;
        let relation = if recommend_latent { "within" } else { "beyond" };
        Ok(Assessment {
            recommend_latent,
            reason: format!("{}; an effective rank of {rank:.3} is {relation} {most}", by_length.reason),
            effective_rank_ratio: Some(rank),
            ..by_length
        })
    }
}

/// Judges a transfer by the length of its prompt: up to `max_prompt_tokens` latent, beyond it text (AVP-QG-002).
///
/// ```
/// use avp::session::quality::{MAX_PROMPT_TOKENS, assess_transfer};
///
/// assert!(assess_transfer(300, MAX_PROMPT_TOKENS).recommend_latent);
/// assert!(!assess_transfer(301, MAX_PROMPT_TOKENS).recommend_latent);
/// ```
pub fn assess_transfer(prompt_tokens: u64, max_prompt_tokens: u64) -> Assessment {
    let recommend_latent = prompt_tokens <= max_prompt_tokens;
    let relation = if recommend_latent { "within" } else { "beyond" };
    Assessment {
        recommend_latent,
        prompt_tokens,
        reason: format!("{prompt_tokens} prompt tokens are {relation} the threshold of {max_prompt_tokens}"),
        effective_rank_ratio: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rank 2 of 2.
    const SPREAD: (&[f32], usize) = (&[1.0, 0.0, 0.0, 1.0], 2);
    /// Rank 1 of 2.
    const NARROW: (&[f32], usize) = (&[1.0, 1.0, 2.0, 2.0], 2);

    #[test]
    fn length_goes_before_rank() {
        let gate = QualityGate::default();
        let told = |tokens, hidden| {
            let seen = gate.assess(tokens, hidden).unwrap();
            assert!(!seen.reason.is_empty());
            (seen.recommend_latent, seen.effective_rank_ratio.map(|rank| rank.round() as u8))
        };
        assert_eq!(told(300, None), (true, None));
        assert_eq!(told(301, None), (false, None));
        assert_eq!(told(301, Some(NARROW)), (false, None));
        assert_eq!(told(300, Some(NARROW)), (true, Some(0)));
        assert_eq!(told(300, Some(SPREAD)), (false, Some(1)));
        assert_eq!(told(1, Some((&[f32::NAN; 4], 2))), (false, Some(0)));
    }

    #[test]
    fn thresholds_are_settings() {
        let gate = QualityGate { max_prompt_tokens: 0, max_effective_rank: 1.0 };
        assert!(gate.assess(0, Some(SPREAD)).unwrap().recommend_latent);
        assert!(!gate.assess(1, Some(SPREAD)).unwrap().recommend_latent);
    }
}
