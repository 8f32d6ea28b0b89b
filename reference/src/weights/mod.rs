//! FILES → TENSORS: safetensors and GGUF, mapped into memory, bounded, under the names of the Hugging Face layout.

pub mod vocabulary;

pub use vocabulary::{TokenKind, Vocabulary, VocabularyKind};
