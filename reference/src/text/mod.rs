//! TEXT ⇄ TOKENS: tokenizers and chat templates that stand beside a model's weights.
