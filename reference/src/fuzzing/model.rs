//! Bodies for what a model is made from and handed: configurations and contexts.

use super::LIMITS;
use crate::model::{Context, ModelConfig, Route};
use crate::wire::Encoder;

/// Reads bytes as a context. What is accepted is written and read again with nothing lost.
pub fn context(bytes: &[u8]) {
    let Ok(received) = Context::from_bytes(bytes, LIMITS) else { return };
    let written =
        received.context.to_bytes(&Encoder::new(), &received.route).expect("a context that was read");
    let again = Context::from_bytes(&written, LIMITS).expect("a context that we wrote");
    assert_eq!(again.route, received.route);
    assert_eq!(again.context.num_steps(), received.context.num_steps());
    assert_eq!(again.context.seq_len(), received.context.seq_len());
    assert_eq!(again.context.payload_type(), received.context.payload_type());
    let once_more = again.context.to_bytes(&Encoder::new(), &Route::default()).expect("a context");
    let first = received.context.to_bytes(&Encoder::new(), &Route::default()).expect("a context");
    assert_eq!(once_more, first);
}

/// Reads bytes as a config.json. What is accepted has sizes whose products stay far from overflow.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = ModelConfig::from_text(text) else { return };
    assert!(config.head_dim.is_multiple_of(2) && config.num_heads.is_multiple_of(config.num_kv_heads));
    let products = [
        config.vocab_size.checked_mul(config.hidden_size),
        config.intermediate_size.checked_mul(config.hidden_size),
        config.num_heads.checked_mul(config.head_dim),
    ];
    assert!(products.iter().all(Option::is_some));
    for layer in [0, config.num_layers - 1] {
        assert!(config.window(layer).is_none_or(|window| window > 0));
    }
}
