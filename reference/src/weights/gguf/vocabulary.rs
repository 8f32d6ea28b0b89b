//! METADATA → VOCABULARY: the tokenizer that the file carries.

use super::{Array, Gguf, Value};
use crate::{
    error::{Error, ErrorClass, Result, excerpt},
    weights::vocabulary::{TokenKind, Vocabulary, VocabularyKind},
};

/// Pre-tokenizers of BPE vocabularies that begin every text with `bos` where the file doesn't say.
const BOS_BY_DEFAULT: [&str; 6] = ["llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "tekken"];

impl Gguf {
    /// The tokenizer in the metadata. Special tokens beyond the vocabulary count as absent, as other readers have it.
    ///
    /// # Errors
    /// `decode` for a file without a tokenizer, of a family other than `gpt2` and `llama`, with lists of unequal length, or
    /// with values of other types than the format says.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let metadata = &self.metadata;
        let kind = match metadata.text("tokenizer.ggml.model")? {
            Some("gpt2") => VocabularyKind::Bpe,
            Some("llama") => VocabularyKind::SentencePiece,
            other => {
                let found = other.map_or_else(|| "none".to_owned(), excerpt);
                return Err(wrong("a tokenizer of the family gpt2 or llama", found));
            }
        };
        let bpe = kind == VocabularyKind::Bpe;
        let tokens =
            texts(self.list("tokenizer.ggml.tokens")?.ok_or_else(|| wrong("tokens", "none".into()))?)?;
        let of_tokens = |key: &str| -> Result<Option<Array<'_>>> {
            let list = self.list(key)?;
            match list {
                Some(list) if list.len() != tokens.len() => {
                    let expected = format!("{} entries in {key}", tokens.len());
                    Err(wrong(&expected, list.len().to_string()))
                }
                list => Ok(list),
            }
        };
        let kinds = match of_tokens("tokenizer.ggml.token_type")? {
            Some(list) => list.iter().map(token_kind).collect::<Result<_>>()?,
            None => vec![TokenKind::Normal; tokens.len()],
        };
        let scores = match of_tokens("tokenizer.ggml.scores")? {
            Some(list) if !bpe => list.iter().map(score).collect::<Result<_>>()?,
            None if !bpe => return Err(wrong("scores of a SentencePiece vocabulary", "none".into())),
            _ => Vec::new(),
        };
        let merges = match self.list("tokenizer.ggml.merges")? {
            Some(list) if bpe => texts(list)?,
            None if bpe => return Err(wrong("merges of a BPE vocabulary", "none".into())),
            _ => Vec::new(),
        };
        let special = |key: &str| -> Result<Option<u32>> {
            let id = metadata.typed(key, "a token", |value| match value {
                Value::Unsigned(id) => Some(u32::try_from(id).ok()),
                Value::Signed(id) => Some(u32::try_from(id).ok()),
                _ => None,
            })?;
            Ok(id.flatten().filter(|&id| (id as usize) < tokens.len()))
        };
        let bos = special("tokenizer.ggml.bos_token_id")?;
        let eos = special("tokenizer.ggml.eos_token_id")?;
        let pre = metadata.text("tokenizer.ggml.pre")?.filter(|_| bpe).map(str::to_owned);
        let add_bos = metadata.flag("tokenizer.ggml.add_bos_token")?;
        let add_bos_default = pre.as_deref().map_or(!bpe, |pre| BOS_BY_DEFAULT.contains(&pre));
        Ok(Vocabulary {
            kind,
            pre,
            scores,
            kinds,
            merges,
            unknown: special("tokenizer.ggml.unknown_token_id")?,
            padding: special("tokenizer.ggml.padding_token_id")?,
            add_bos: bos.is_some() && add_bos.unwrap_or(add_bos_default),
            add_eos: eos.is_some() && metadata.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false),
            bos,
            eos,
            add_space_prefix: metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(!bpe),
            chat_template: metadata.text("tokenizer.chat_template")?.map(str::to_owned),
            tokens,
        })
    }

    fn list(&self, key: &str) -> Result<Option<Array<'_>>> {
        self.metadata.typed(key, "a list", Value::as_array)
    }
}

fn wrong(expected: &str, found: String) -> Error {
    Error::new(ErrorClass::Decode, "gguf.vocabulary", expected, found)
}

/// Tokens and merges. What is not UTF-8 stands with replacement characters: it would match no text anyway.
fn texts(list: Array<'_>) -> Result<Vec<String>> {
    let text = |value| match value {
        Value::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        other => Err(wrong("text", format!("{other:?}"))),
    };
    list.iter().map(text).collect()
}

fn score(value: Value<'_>) -> Result<f32> {
    match value {
        Value::Float32(score) => Ok(score),
        other => Err(wrong("32-bit floats as scores", format!("{other:?}"))),
    }
}

fn token_kind(value: Value<'_>) -> Result<TokenKind> {
    Ok(match value.as_u64() {
        // 0 is "undefined", which some writers leave behind.
        Some(0 | 1) => TokenKind::Normal,
        Some(2) => TokenKind::Unknown,
        Some(3) => TokenKind::Control,
        Some(4) => TokenKind::UserDefined,
        Some(5) => TokenKind::Unused,
        Some(6) => TokenKind::Byte,
        _ => return Err(wrong("kinds of tokens from 0 to 6", format!("{value:?}"))),
    })
}
