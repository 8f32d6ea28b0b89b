//! Text to token ids and back.

use std::{path::Path, sync::Arc};

use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, TokenizerBuilder, TokenizerImpl,
    decoders::{byte_fallback::ByteFallback, byte_level::ByteLevel, fuse::Fuse, sequence, strip::Strip},
    models::bpe::BPE,
    normalizers::{self, Replace},
    pre_tokenizers::metaspace::{Metaspace, PrependScheme},
};

use super::{
    bpe::{MAX_TOKEN_BYTES, MAX_TOKENS, Model, limit, merges_of_scores},
    description::{Description, Step},
    families::Family,
    stream::DecodeStream,
};
use crate::{
    error::{Error, ErrorClass, Result, excerpt},
    session,
    weights::{TokenKind, Vocabulary, VocabularyKind},
};

/// Largest `tokenizer.json`: those of 260,000 tokens have some 35 MB.
pub const MAX_FILE: u64 = 64 << 20;
/// Most tokens that are matched before everything else; some vocabularies reserve thousands.
pub const MAX_ADDED: usize = 64 << 10;
/// Longest text to encode, in bytes: a million tokens, more than models take. Encoding holds up to 250 bytes for each byte
/// of text.
pub const MAX_TEXT: usize = 4 << 20;
/// Longest text after normalization, in bytes.
const MAX_NORMALIZED: usize = 8 * MAX_TEXT;
/// Most ids to decode at once.
pub const MAX_IDS: usize = 4 << 20;

type Pipeline = TokenizerImpl<BPE, NormalizerWrapper, Steps, PostProcessorWrapper, DecoderWrapper>;

/// A tokenizer of a language model: byte-level BPE, or SentencePiece's BPE. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    pipeline: Arc<Pipeline>,
    /// Ids in front of and behind a text.
    around: (Vec<u32>, Vec<u32>),
    growth: usize,
    bos: Option<u32>,
    eos: Option<u32>,
    size: u32,
}

/// Steps of pre-tokenization, in order.
#[derive(Debug)]
struct Steps(Vec<Step>);

impl tokenizers::PreTokenizer for Steps {
    fn pre_tokenize(&self, text: &mut tokenizers::PreTokenizedString) -> tokenizers::Result<()> {
        self.0.iter().try_for_each(|step| step.pre_tokenize(text))
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// `configuration` when the file can't be read, and those of [`Self::from_json`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_json(&crate::weights::read(path.as_ref(), "tokenizer", MAX_FILE)?)
    }

    /// From the text of a `tokenizer.json`.
    ///
    /// # Errors
    /// `decode` for malformed text, `configuration` for models and steps that decoder-only language models don't use,
    /// `limit_exceeded` for too many or too long tokens.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        limit("tokenizer", "bytes", text.len(), MAX_FILE as usize)?;
        Self::build(Description::from_json(text)?)
    }

    /// From what a GGUF file carries.
    ///
    /// # Errors
    /// `configuration` for a pre-tokenizer that is not known, `decode` and `limit_exceeded` for tokens and merges that
    /// make no tokenizer.
    pub fn from_vocabulary(vocabulary: &Vocabulary) -> Result<Self> {
        let mut description = match vocabulary.kind {
            VocabularyKind::Bpe => byte_level(vocabulary)?,
            VocabularyKind::SentencePiece => sentence_piece(vocabulary)?,
        };
        let marked = [vocabulary.bos, vocabulary.eos, vocabulary.unknown, vocabulary.padding];
        for (token, id) in vocabulary.tokens.iter().zip(0..) {
            let kind = vocabulary.kinds.get(id as usize).copied().unwrap_or(TokenKind::Normal);
            let special =
                matches!(kind, TokenKind::Control | TokenKind::Unknown) || marked.contains(&Some(id));
            if (special || kind == TokenKind::UserDefined) && !token.is_empty() {
                let token = AddedToken::from(token.clone(), special).normalized(false);
                description.added.push((token, id));
            }
        }
        if let Some(bos) = vocabulary.bos.filter(|_| vocabulary.add_bos) {
            description.around.0.push(bos);
        }
        if let Some(eos) = vocabulary.eos.filter(|_| vocabulary.add_eos) {
            description.around.1.push(eos);
        }
        Self::build(description)?.with_ends(vocabulary.bos, vocabulary.eos)
    }

    /// The same tokenizer with the tokens that stand for begin and end of text. Without, they are what stands around a
    /// text.
    pub(crate) fn with_ends(mut self, bos: Option<u32>, eos: Option<u32>) -> Result<Self> {
        self.bos = self.known(bos)?;
        self.eos = self.known(eos)?;
        Ok(self)
    }

    /// The same tokenizer with begin and end of text around every text, or without; `None` leaves it as the file says.
    pub(crate) fn with_around(
        mut self,
        before: Option<bool>,
        bos: Option<u32>,
        behind: Option<bool>,
        eos: Option<u32>,
    ) -> Self {
        if before.is_some() || behind.is_some() {
            let token = |wanted: Option<bool>, id: Option<u32>| {
                id.filter(|_| wanted == Some(true)).into_iter().collect()
            };
            self.around = (token(before, bos), token(behind, eos));
        }
        self
    }

    /// From parts that have been checked.
    ///
    /// # Errors
    /// As for [`Self::from_json`].
    pub(crate) fn build(description: Description) -> Result<Self> {
        let Description { model, normalizers, growth, steps, decoders, added, around } = description;
        limit("tokenizer.added_tokens", "tokens", added.len(), MAX_ADDED)?;
        for (token, id) in &added {
            limit("tokenizer.added_tokens", "bytes in a token", token.content.len(), MAX_TOKEN_BYTES)?;
            limit("tokenizer.added_tokens", "ids", *id as usize, MAX_TOKENS - 1)?;
            // The crate takes white space in front of a match from the match before, and panics when nothing is left.
            if token.lstrip && (token.normalized || token.content.trim().is_empty()) {
                return Err(Error::new(
                    ErrorClass::Configuration,
                    "tokenizer.added_tokens.lstrip",
                    "only on tokens that are matched as they stand and are more than white space",
                    excerpt(&token.content),
                ));
            }
        }
        let normalizer = match normalizers.len() {
            0 => None,
            _ => Some(normalizers::Sequence::new(normalizers).into()),
        };
        let decoder = match decoders.len() {
            0 => None,
            _ => Some(sequence::Sequence::new(decoders).into()),
        };
        let mut pipeline: Pipeline = TokenizerBuilder::new()
            .with_model(model.build()?)
            .with_normalizer(normalizer)
            .with_pre_tokenizer(Some(Steps(steps)))
            .with_post_processor(None)
            .with_decoder(decoder)
            .build()
            .map_err(|error| broken("tokenizer", &*error))?;
        let (tokens, ids): (Vec<_>, Vec<_>) = added.into_iter().unzip();
        pipeline.add_tokens(tokens.clone()).map_err(|error| broken("tokenizer.added_tokens", &*error))?;
        // The crate counts on from the model's vocabulary and does not look at the file's ids.
        for (token, id) in tokens.iter().zip(ids).filter(|(token, _)| !token.content.is_empty()) {
            if pipeline.token_to_id(&token.content) != Some(id) {
                let expected = "added tokens whose ids are the model's, or follow on its";
                let found = format!("{} with id {id}", excerpt(&token.content));
                return Err(Error::new(ErrorClass::Decode, "tokenizer.added_tokens", expected, found));
            }
        }
        let of_model = pipeline.get_model().get_vocab().into_values().max();
        let of_added = pipeline.get_added_vocabulary().get_vocab().values().copied().max();
        let size = of_model.max(of_added).map_or(0, |id| id + 1);
        let (bos, eos) = (around.0.last().copied(), around.1.first().copied());
        let tokenizer = Self { pipeline: Arc::new(pipeline), around, growth, bos, eos, size };
        for id in tokenizer.around.0.iter().chain(&tokenizer.around.1) {
            tokenizer.known(Some(*id))?;
        }
        Ok(tokenizer)
    }

    fn known(&self, id: Option<u32>) -> Result<Option<u32>> {
        match id.filter(|id| self.token(*id).is_none()) {
            Some(id) => {
                let expected = "special tokens of the vocabulary";
                Err(Error::new(ErrorClass::Decode, "tokenizer.special_tokens", expected, format!("id {id}")))
            }
            None => Ok(id),
        }
    }

    /// The ids of a text. Special tokens that stand in the text are recognised in any case; `add_special` puts those
    /// around it that the file asks for, e.g. begin of text. A prompt from a chat template has them already.
    ///
    /// # Errors
    /// `limit_exceeded` for a text beyond [`MAX_TEXT`], `decode` when the vocabulary can't express it.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        limit("text", "bytes", text.len(), MAX_TEXT)?;
        limit("text", "bytes once normalized", text.len().saturating_mul(self.growth), MAX_NORMALIZED)?;
        let encoded = self.pipeline.encode_fast(text, false).map_err(|error| broken("text", &*error))?;
        if !add_special {
            return Ok(encoded.get_ids().to_vec());
        }
        Ok([&self.around.0, encoded.get_ids(), &self.around.1].concat())
    }

    /// The text of ids; `skip_special` leaves special tokens out. Ids beyond the vocabulary, which a model with a padded
    /// head can give, have no text. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// `limit_exceeded` for more than [`MAX_IDS`].
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        limit("ids", "ids", ids.len(), MAX_IDS)?;
        self.pipeline.decode(ids, skip_special).map_err(|error| broken("ids", &*error))
    }

    /// Text of ids that come one by one.
    pub fn stream(&self, skip_special: bool) -> DecodeStream {
        DecodeStream::new(self.clone(), skip_special)
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.size as usize
    }

    /// Every token with its id, added and special ones included: what [`session::hash::tokenizer_hash`] takes
    /// (AVP-HASH-016).
    pub fn vocabulary(&self) -> session::Vocabulary<'static> {
        let pairs = self.pipeline.get_vocab(true).into_iter();
        session::Vocabulary::new(
            pairs.map(|(token, id)| (session::json::Text::from(&*token).into_owned(), u64::from(id))),
        )
    }

    /// The id of a token as it stands in the vocabulary.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.pipeline.token_to_id(token)
    }

    /// The token with this id, as it stands in the vocabulary.
    pub fn token(&self, id: u32) -> Option<String> {
        self.pipeline.id_to_token(id)
    }

    /// Whether decoding can leave this id out.
    pub fn is_special(&self, id: u32) -> bool {
        let added = self.pipeline.get_added_vocabulary();
        added.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special)
    }

    /// Begin of text.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// End of text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }
}

fn broken(field: &'static str, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorClass::Decode, field, "what the tokenizer can express", error.to_string())
}

/// Byte-level BPE of a GGUF file.
fn byte_level(vocabulary: &Vocabulary) -> Result<Description> {
    let family = Family::of(vocabulary.pre.as_deref())?;
    let merges = vocabulary.merges.iter().map(|merge| match merge.split_once(' ') {
        Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
        None => {
            let expected = "two tokens divided by a space";
            Err(Error::new(ErrorClass::Decode, "tokenizer.merges", expected, excerpt(merge)))
        }
    });
    let model = Model {
        tokens: vocabulary.tokens.iter().cloned().zip(0..).collect(),
        merges: merges.collect::<Result<_>>()?,
        ignore_merges: family.ignore_merges,
        ..Model::default()
    };
    let mut steps = Vec::new();
    if family.digits {
        steps.push(Step::Digits(tokenizers::pre_tokenizers::digits::Digits::new(true)));
    }
    for split in family.splits {
        steps.push(Step::split(split)?);
    }
    steps.push(Step::bytes());
    let normalizers = if family.nfc { vec![normalizers::NFC.into()] } else { Vec::new() };
    let decoders = vec![ByteLevel::default().into()];
    Ok(Description { model, normalizers, steps, decoders, growth: 3, ..Description::default() })
}

/// SentencePiece's BPE of a GGUF file, as transformers builds it.
fn sentence_piece(vocabulary: &Vocabulary) -> Result<Description> {
    if vocabulary.scores.len() != vocabulary.tokens.len() {
        let expected = format!("{} scores", vocabulary.tokens.len());
        let found = vocabulary.scores.len().to_string();
        return Err(Error::new(ErrorClass::Decode, "tokenizer.scores", expected, found));
    }
    let unknown = vocabulary.unknown.and_then(|id| vocabulary.tokens.get(id as usize)).cloned();
    let model = Model {
        tokens: vocabulary.tokens.iter().cloned().zip(0..).collect(),
        merges: merges_of_scores(&vocabulary.tokens, &vocabulary.scores)?,
        unknown,
        fuse_unknown: true,
        byte_fallback: true,
        ..Model::default()
    };
    let scheme = if vocabulary.add_space_prefix { PrependScheme::First } else { PrependScheme::Never };
    let steps = vec![Step::Metaspace(Metaspace::new('▁', scheme, false))];
    let space = Replace::new("▁", " ").map_err(|error| broken("tokenizer.decoder", &*error))?;
    let mut decoders = vec![space.into(), ByteFallback::new().into(), Fuse::new().into()];
    if vocabulary.add_space_prefix {
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    Ok(Description { model, steps, decoders, growth: 1, ..Description::default() })
}
