//! The model of a tokenizer: tokens, and which of them merge in which order.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};

use crate::error::{Error, ErrorClass, Result, excerpt};

/// Most tokens: the largest vocabularies in use have some 260,000.
pub(crate) const MAX_TOKENS: usize = 1 << 20;
/// Longest token in bytes. The longest in use, runs of spaces and dashes, have some 500; a longer one would let a single
/// id grow into pages of text.
pub(crate) const MAX_TOKEN_BYTES: usize = 4 << 10;
/// Most merges. A vocabulary has about one for each token; one that is derived from scores has up to five.
const MAX_MERGES: usize = 8 << 20;
/// Longest token whose merges are derived. Finding them takes the square of the length; what is longer is matched whole,
/// as an added token, or not at all.
const MAX_DERIVED_BYTES: usize = 128;

/// Tokens and merges, as a file has them.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Text and id.
    pub(crate) tokens: Vec<(String, u32)>,
    /// In order of rank.
    pub(crate) merges: Vec<(String, String)>,
    pub(crate) unknown: Option<String>,
    /// Neighbouring unknown characters are one unknown token.
    pub(crate) fuse_unknown: bool,
    /// What no token covers is written as the tokens `<0x00>` to `<0xFF>` of its bytes.
    pub(crate) byte_fallback: bool,
    /// A part that is a token as it stands is that token, whatever the merges say.
    pub(crate) ignore_merges: bool,
}

impl Model {
    /// # Errors
    /// `limit_exceeded` for too many or too long tokens or too many merges, `decode` for ids or tokens that occur twice
    /// and for merges of what is no token.
    pub(crate) fn build(self) -> Result<BPE> {
        limit("tokenizer.vocab", "tokens", self.tokens.len(), MAX_TOKENS)?;
        limit("tokenizer.merges", "merges", self.merges.len(), MAX_MERGES)?;
        let mut vocabulary = Vocab::with_capacity(self.tokens.len());
        let mut ids = vec![false; MAX_TOKENS];
        for (token, id) in self.tokens {
            limit("tokenizer.vocab", "bytes in a token", token.len(), MAX_TOKEN_BYTES)?;
            let Some(seen) = ids.get_mut(id as usize) else {
                return Err(too_much("tokenizer.vocab", "ids", id as usize, MAX_TOKENS));
            };
            if std::mem::replace(seen, true) {
                return Err(twice("ids", &id.to_string()));
            }
            if vocabulary.contains_key(&token) {
                return Err(twice("tokens", &token));
            }
            vocabulary.insert(token, id);
        }
        // The crate copies a merged token into a buffer as long as the longest token before it looks it up.
        let mut merged = String::new();
        for (left, right) in &self.merges {
            merged.clear();
            merged.push_str(left);
            merged.push_str(right);
            if let Some(stranger) =
                [left, right, &merged].into_iter().find(|part| !vocabulary.contains_key(*part))
            {
                let expected = "merges of tokens into a token";
                return Err(Error::new(ErrorClass::Decode, "tokenizer.merges", expected, excerpt(stranger)));
            }
        }
        let mut builder = BPE::builder()
            .vocab_and_merges(vocabulary, self.merges)
            .fuse_unk(self.fuse_unknown)
            .byte_fallback(self.byte_fallback)
            .ignore_merges(self.ignore_merges);
        if let Some(unknown) = self.unknown {
            builder = builder.unk_token(unknown);
        }
        builder.build().map_err(|error| {
            Error::new(ErrorClass::Decode, "tokenizer.model", "tokens and merges", error.to_string())
        })
    }
}

/// The merges of a SentencePiece vocabulary, which has scores in their place: every way to put a token together from two
/// others, the best scored first, then those with the longer left and the longer right part, in characters.
pub(crate) fn merges_of_scores(tokens: &[String], scores: &[f32]) -> Result<Vec<(String, String)>> {
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (&**token, id)).collect();
    let mut merges = Vec::new();
    for (token, score) in tokens.iter().zip(scores).filter(|(token, _)| token.len() <= MAX_DERIVED_BYTES) {
        if !score.is_finite() {
            let found = format!("{score} for {}", excerpt(token));
            return Err(Error::new(ErrorClass::Decode, "tokenizer.scores", "finite scores", found));
        }
        let from = merges.len();
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(left_id), Some(right_id)) = (ids.get(left), ids.get(right)) {
                merges.push((*score, left, right, (left_id, right_id)));
            }
        }
        merges[from..].sort_by_key(|(_, _, _, ids)| *ids);
        limit("tokenizer.merges", "merges", merges.len(), MAX_MERGES)?;
    }
    merges.sort_by(|a, b| {
        let lengths = |merge: &(f32, &str, &str, _)| (merge.1.chars().count(), merge.2.chars().count());
        b.0.total_cmp(&a.0).then_with(|| lengths(b).cmp(&lengths(a)))
    });
    Ok(merges.into_iter().map(|(_, left, right, _)| (left.to_owned(), right.to_owned())).collect())
}

/// An error when there are more of something than a limit allows.
pub(crate) fn limit(field: &'static str, what: &str, found: usize, max: usize) -> Result<()> {
    if found <= max { Ok(()) } else { Err(too_much(field, what, found, max)) }
}

fn too_much(field: &'static str, what: &str, found: usize, max: usize) -> Error {
    Error::new(ErrorClass::LimitExceeded, field, format!("at most {max} {what}"), found.to_string())
}

fn twice(what: &str, found: &str) -> Error {
    let expected = format!("{what} that occur once");
    Error::new(ErrorClass::Decode, "tokenizer.vocab", expected, excerpt(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(tokens: &[&str], merges: &[(&str, &str)]) -> Model {
        Model {
            tokens: tokens.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), id)).collect(),
            merges: merges.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            ..Model::default()
        }
    }

    #[test]
    fn what_the_crate_would_panic_on_is_refused() {
        assert!(model(&["a", "b", "ab"], &[("a", "b")]).build().is_ok());
        for (tokens, merges) in [
            (&["a", "b"][..], &[("a", "b")][..]),
            (&["a", "b", "ab"], &[("a", "c")]),
            (&["a", "a"], &[]),
            (&["ab", "cd", "a"], &[("ab", "cd")]),
        ] {
            let error = model(tokens, merges).build().unwrap_err();
            assert_eq!(error.class, ErrorClass::Decode, "{tokens:?}");
        }
        let twice = Model { tokens: vec![("a".into(), 1), ("b".into(), 1)], ..Model::default() };
        assert_eq!(twice.build().unwrap_err().class, ErrorClass::Decode);
        let far = Model { tokens: vec![("a".into(), u32::MAX)], ..Model::default() };
        assert_eq!(far.build().unwrap_err().class, ErrorClass::LimitExceeded);
        let long = Model { tokens: vec![("a".repeat(MAX_TOKEN_BYTES + 1), 1)], ..Model::default() };
        assert_eq!(long.build().unwrap_err().class, ErrorClass::LimitExceeded);
    }

    #[test]
    fn merges_come_by_score_then_by_length() {
        let tokens = ["a", "b", "c", "ab", "bc", "abc"].map(String::from);
        let scores = [0.0, 0.0, 0.0, -2.0, -1.0, -3.0];
        let merges = merges_of_scores(&tokens, &scores).unwrap();
        let merges: Vec<_> = merges.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(merges, [("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc")]);
        assert!(merges_of_scores(&tokens, &[f32::NAN; 6]).is_err());
    }
}
