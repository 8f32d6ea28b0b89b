//! TOKENS → LOGITS: decoder-only language models on burn.
