//! Hashes and vocabularies.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Request, invalid};
use super::rows::id_bytes;
use crate::session::{Vocabulary, hash};

#[derive(Deserialize)]
struct ModelHash<'a> {
    #[serde(borrow)]
    json: Cow<'a, str>,
    #[serde(borrow, default)]
    int_keys: Vec<Cow<'a, str>>,
}

pub(super) fn model_hash<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: ModelHash<'a> = request.args()?;
    let hex = hash::model_hash_of_text(&args.json, &args.int_keys)?;
    Ok(Answer::new(json!({"hex": hex})))
}

#[derive(Deserialize)]
struct TokenizerHash<'a> {
    #[serde(borrow, default)]
    vocab: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tokenizer_json: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    vocab_json: Option<Cow<'a, str>>,
}

pub(super) fn tokenizer_hash<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: TokenizerHash<'a> = request.args()?;
    let vocabulary = match (&args.vocab, &args.tokenizer_json, &args.vocab_json) {
        (_, Some(text), _) => Vocabulary::from_tokenizer_text(text)?,
        (_, _, Some(text)) => Some(Vocabulary::from_text(text)?),
        // Read from the text of the frame: tokens keep lone surrogates.
        (Some(vocab), _, _) => Some(Vocabulary::from_text(vocab.get())?),
        // An object without a vocabulary (AVP-HASH-018); null reads as absent.
        (None, None, None) => None,
    };
    let hex = vocabulary.map(|vocabulary| hash::tokenizer_hash(&vocabulary)).unwrap_or_default();
    Ok(Answer::new(json!({"hex": hex})))
}

#[derive(Deserialize)]
struct VocabOverlap<'a> {
    #[serde(borrow)]
    a: &'a RawValue,
    #[serde(borrow)]
    b: &'a RawValue,
}

pub(super) fn vocab_overlap<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: VocabOverlap<'a> = request.args()?;
    let (a, b) = (Vocabulary::from_text(args.a.get())?, Vocabulary::from_text(args.b.get())?);
    let overlap = a.overlap(&b);
    let count = overlap.source_ids.len();
    let shape = [count as u64];
    Ok(Answer::new(json!({"count": count, "ratio": overlap.ratio}))
        .tensor("src_indices", "u32", &shape, indices(&overlap.source_ids)?)
        .tensor("tgt_indices", "u32", &shape, indices(&overlap.target_ids)?))
}

fn indices(ids: &[u64]) -> Result<Vec<u8>, Refusal> {
    let narrow =
        |&id: &u64| u32::try_from(id).map_err(|_| invalid("vocab", "ids of at most 32 bits", id.to_string()));
    Ok(id_bytes(&ids.iter().map(narrow).collect::<Result<Vec<_>, _>>()?))
}
