//! TEXT ⇄ TOKENS: tokenizers and chat templates that stand beside a model's weights.
//!
//! ```text
//!  tokenizer.json ──┐
//!  GGUF vocabulary ─┴─▶ Tokenizer ◀──── prompt ◀──── ChatTemplate ◀─┬─ chat_template.jinja, tokenizer_config.json
//!                          │  ▲                          ▲          └─ GGUF metadata
//!                     ids  ▼  │ ids                      messages
//! ```
//!
//! Every file is taken as hostile: sizes are checked before anything is built from them, a tokenizer's steps are those
//! that run in time linear in the text, and a template runs on fuel.

mod bpe;
pub mod chat;
mod description;
mod families;
pub mod folder;
pub(crate) mod jinja;
mod parts;
mod splitter;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tokenizer;

pub use chat::{ChatMessage, ChatOptions, ChatTemplate, SpecialTokens};
pub use folder::TextFiles;
pub use stream::DecodeStream;
pub use tokenizer::Tokenizer;
