//! The tokens of peers' models, as far as they are known here.

use std::collections::HashMap;

use crate::error::Result;
use crate::session::{Vocabulary, tokenizer_hash};
use crate::weights::pocket::POCKET_MODELS;

/// Vocabularies by the hash of their tokenizer. A hello carries the hash alone: rule 5 holds for peers whose tokens
/// are found here.
#[derive(Clone, Debug, Default)]
pub struct KnownVocabularies {
    by_hash: HashMap<String, Vocabulary<'static>>,
}

impl KnownVocabularies {
    /// Those of the models inside this program.
    ///
    /// # Errors
    /// None in practice; those of [`Vocabulary::from_tokenizer_text`].
    pub fn of_pocket_models() -> Result<Self> {
        let mut known = Self::default();
        for model in &POCKET_MODELS {
            let text = model.file("tokenizer.json").and_then(|file| std::str::from_utf8(file).ok());
            if let Some(vocabulary) = Vocabulary::from_tokenizer_text(text.unwrap_or("{}"))? {
                known.add(vocabulary);
            }
        }
        Ok(known)
    }

    /// Keeps another one in mind.
    pub fn add(&mut self, vocabulary: Vocabulary<'static>) {
        self.by_hash.insert(tokenizer_hash(&vocabulary), vocabulary);
    }

    /// The vocabulary with that hash.
    #[must_use]
    pub fn get(&self, tokenizer_hash: &str) -> Option<&Vocabulary<'static>> {
        self.by_hash.get(tokenizer_hash)
    }
}
