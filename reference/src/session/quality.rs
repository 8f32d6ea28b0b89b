//! The quality gate of a cross-model transfer (AVP-QG).

/// Default threshold (AVP-QG-001): above it, a projected state carries too little of the prompt.
pub const MAX_PROMPT_TOKENS: u64 = 300;

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
