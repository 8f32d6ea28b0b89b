//! What a tokenizer is made of: the parts of a `tokenizer.json` that decoder-only language models use.
//!
//! The crate's own reader takes more, and panics, or reads past its memory, on some of it. So the file is read here and
//! only what has been checked is handed over.

use serde_json::Value;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, SplitDelimiterBehavior,
    decoders::{byte_fallback::ByteFallback, fuse::Fuse, strip::Strip},
    normalizers::{self, Prepend},
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        metaspace::Metaspace,
        punctuation::Punctuation,
        whitespace::{Whitespace, WhitespaceSplit},
    },
};

use super::{
    bpe::{Model, limit},
    families,
    parts::{DecoderPart, File, NormalizerPart, Piece, PostProcessorPart, PreTokenizerPart, part},
    splitter::Splitter,
};
use crate::error::{Error, ErrorClass, Result};

/// Most steps of normalization, of pre-tokenization and of decoding, nested ones counted: files in use have up to ten.
const MAX_STEPS: usize = 64;
/// Longest text that a step puts in place of something else. SentencePiece has `▁` in place of a space.
const MAX_REPLACEMENT: usize = 64;
/// How many times longer all steps of normalization together may make a text. NFKC alone makes a ligature of three bytes
/// 33 bytes long.
const MAX_GROWTH: usize = 256;

/// A tokenizer before it is built: everything checked, but for the model.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) model: Model,
    pub(crate) normalizers: Vec<NormalizerWrapper>,
    /// How many times longer normalization makes a text at most.
    pub(crate) growth: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) decoders: Vec<DecoderWrapper>,
    /// Tokens that are matched in the text before everything else, with the id that the file gives them.
    pub(crate) added: Vec<(AddedToken, u32)>,
    /// Ids in front of and behind every text, where special tokens are asked for.
    pub(crate) around: (Vec<u32>, Vec<u32>),
}

/// A step of pre-tokenization: divides text, or rewrites it.
#[derive(Debug)]
pub(crate) enum Step {
    /// At every match, or with `true` at everything else.
    Split(Splitter, SplitDelimiterBehavior, bool),
    /// A space in front of a part that has none.
    Space,
    ByteLevel(ByteLevel),
    Digits(Digits),
    Metaspace(Metaspace),
    Punctuation(Punctuation),
    Whitespace,
    WhitespaceSplit,
}

impl Step {
    /// GPT-2's step from text to characters that stand for bytes; divides nothing.
    pub(crate) fn bytes() -> Self {
        Self::ByteLevel(ByteLevel::new(false, false, false))
    }

    /// Divides at every match, which stays a part.
    pub(crate) fn split(pattern: &str) -> Result<Self> {
        Ok(Self::Split(Splitter::new(pattern)?, SplitDelimiterBehavior::Isolated, false))
    }
}

impl tokenizers::PreTokenizer for Step {
    fn pre_tokenize(&self, text: &mut tokenizers::PreTokenizedString) -> tokenizers::Result<()> {
        match self {
            Self::Split(splitter, behavior, false) => text.split(|_, part| part.split(splitter, *behavior)),
            Self::Split(splitter, behavior, true) => {
                text.split(|_, part| part.split(tokenizers::tokenizer::pattern::Invert(splitter), *behavior))
            }
            Self::Space => text.split(|_, mut part| {
                if !part.get().starts_with(' ') {
                    part.prepend(" ");
                }
                Ok(vec![part])
            }),
            Self::ByteLevel(step) => step.pre_tokenize(text),
            Self::Digits(step) => step.pre_tokenize(text),
            Self::Metaspace(step) => step.pre_tokenize(text),
            Self::Punctuation(step) => step.pre_tokenize(text),
            Self::Whitespace => Whitespace.pre_tokenize(text),
            Self::WhitespaceSplit => WhitespaceSplit.pre_tokenize(text),
        }
    }
}

impl Description {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// `decode` for malformed text, `configuration` for steps and models that are not known here, `limit_exceeded`.
    pub(crate) fn from_json(text: &[u8]) -> Result<Self> {
        let file: File = serde_json::from_slice(text).map_err(|error| {
            Error::new(ErrorClass::Decode, "tokenizer", "a tokenizer.json", error.to_string())
        })?;
        let mut description = Self { model: file.model.checked()?, growth: 1, ..Self::default() };
        let mut budget = MAX_STEPS;
        if let Some(step) = part("tokenizer.normalizer", file.normalizer)? {
            description.normalize(step, &mut budget)?;
        }
        budget = MAX_STEPS;
        if let Some(step) = part("tokenizer.pre_tokenizer", file.pre_tokenizer)? {
            description.pre_tokenize(step, &mut budget)?;
        }
        budget = MAX_STEPS;
        if let Some(step) = part("tokenizer.decoder", file.decoder)? {
            description.decode(step, &mut budget)?;
        }
        budget = MAX_STEPS;
        if let Some(step) = part("tokenizer.post_processor", file.post_processor)? {
            description.surround(step, &mut budget)?;
        }
        for token in file.added_tokens {
            let added = AddedToken {
                content: token.content,
                single_word: token.single_word,
                lstrip: token.lstrip,
                rstrip: token.rstrip,
                normalized: token.normalized,
                special: token.special,
            };
            description.added.push((added, token.id));
        }
        Ok(description)
    }

    /// Appends a step of normalization.
    fn normalize(&mut self, step: NormalizerPart, budget: &mut usize) -> Result<()> {
        const FIELD: &str = "tokenizer.normalizer";
        spend(FIELD, budget)?;
        let (step, growth): (NormalizerWrapper, usize) = match step {
            NormalizerPart::Sequence { normalizers } => {
                return normalizers.into_iter().try_for_each(|step| self.normalize(step, budget));
            }
            NormalizerPart::Nfc => (normalizers::NFC.into(), 3),
            NormalizerPart::Nfd => (normalizers::NFD.into(), 4),
            NormalizerPart::Nfkc => (normalizers::NFKC.into(), 11),
            NormalizerPart::Nfkd => (normalizers::NFKD.into(), 11),
            NormalizerPart::Lowercase => (normalizers::Lowercase.into(), 3),
            NormalizerPart::Prepend { prepend } => {
                replacement(FIELD, &prepend)?;
                if prepend.is_empty() {
                    return Err(Error::new(ErrorClass::Configuration, FIELD, "a text to prepend", "none"));
                }
                (Prepend::new(prepend).into(), 1)
            }
            NormalizerPart::Replace { pattern, content } => {
                replacement(FIELD, &content)?;
                let growth = content.len().max(1);
                (pattern.replace(FIELD, content)?.into(), growth)
            }
        };
        self.growth = self.growth.saturating_mul(growth);
        if self.growth > MAX_GROWTH {
            let expected = format!("steps that make a text at most {MAX_GROWTH} times longer");
            return Err(Error::new(
                ErrorClass::LimitExceeded,
                FIELD,
                expected,
                format!("{} times", self.growth),
            ));
        }
        self.normalizers.push(step);
        Ok(())
    }

    /// Appends a step of pre-tokenization.
    fn pre_tokenize(&mut self, step: PreTokenizerPart, budget: &mut usize) -> Result<()> {
        spend("tokenizer.pre_tokenizer", budget)?;
        let step = match step {
            PreTokenizerPart::Sequence { pretokenizers } => {
                return pretokenizers.into_iter().try_for_each(|step| self.pre_tokenize(step, budget));
            }
            PreTokenizerPart::ByteLevel { add_prefix_space, use_regex } => {
                // The crate's own expression runs on an engine that backtracks.
                if add_prefix_space {
                    self.steps.push(Step::Space);
                }
                if use_regex {
                    self.steps.push(Step::split(families::GPT_2)?);
                }
                Step::bytes()
            }
            PreTokenizerPart::Digits { individual_digits } => Step::Digits(Digits::new(individual_digits)),
            PreTokenizerPart::Metaspace(file) => {
                let (replacement, scheme) = file.scheme()?;
                Step::Metaspace(Metaspace::new(replacement, scheme, file.split.unwrap_or(true)))
            }
            PreTokenizerPart::Punctuation { behavior } => Step::Punctuation(Punctuation::new(behavior)),
            PreTokenizerPart::Whitespace => Step::Whitespace,
            PreTokenizerPart::WhitespaceSplit => Step::WhitespaceSplit,
            PreTokenizerPart::Split { pattern, behavior, invert } => {
                Step::Split(Splitter::new(&pattern.expression())?, behavior, invert)
            }
        };
        self.steps.push(step);
        Ok(())
    }

    /// Appends a step of decoding.
    fn decode(&mut self, step: DecoderPart, budget: &mut usize) -> Result<()> {
        const FIELD: &str = "tokenizer.decoder";
        spend(FIELD, budget)?;
        self.decoders.push(match step {
            DecoderPart::Sequence { decoders } => {
                return decoders.into_iter().try_for_each(|step| self.decode(step, budget));
            }
            DecoderPart::ByteLevel => ByteLevel::default().into(),
            DecoderPart::ByteFallback => ByteFallback::new().into(),
            DecoderPart::Fuse => Fuse::new().into(),
            DecoderPart::Metaspace(file) => {
                let (replacement, scheme) = file.scheme()?;
                Metaspace::new(replacement, scheme, file.split.unwrap_or(true)).into()
            }
            DecoderPart::Strip { content, start, stop } => {
                // The crate subtracts `stop` from lengths without looking.
                if stop > 0 || start > MAX_REPLACEMENT {
                    let expected = format!("a start of at most {MAX_REPLACEMENT} and a stop of 0");
                    let found = format!("{start} and {stop}");
                    return Err(Error::new(
                        ErrorClass::Configuration,
                        "tokenizer.decoder.strip",
                        expected,
                        found,
                    ));
                }
                Strip::new(content, start, stop).into()
            }
            DecoderPart::Replace { pattern, content } => {
                replacement(FIELD, &content)?;
                pattern.replace(FIELD, content)?.into()
            }
        });
        Ok(())
    }

    /// Takes up what stands around a text.
    fn surround(&mut self, step: PostProcessorPart, budget: &mut usize) -> Result<()> {
        const FIELD: &str = "tokenizer.post_processor";
        spend(FIELD, budget)?;
        match step {
            PostProcessorPart::Sequence { processors } => {
                processors.into_iter().try_for_each(|step| self.surround(step, budget))
            }
            // It moves offsets, which nobody asks for here.
            PostProcessorPart::ByteLevel => Ok(()),
            PostProcessorPart::TemplateProcessing { single, special_tokens } => {
                let mut behind = false;
                for piece in single {
                    spend(FIELD, budget)?;
                    match piece {
                        Piece::Sequence { .. } => behind = true,
                        Piece::SpecialToken { id } => {
                            let Some(Value::Array(ids)) =
                                special_tokens.get(&id).and_then(|token| token.get("ids"))
                            else {
                                let expected = "a template of tokens in `special_tokens`";
                                return Err(Error::new(ErrorClass::Decode, FIELD, expected, id));
                            };
                            for id in ids {
                                spend(FIELD, budget)?;
                                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                                let id = id.ok_or_else(|| {
                                    Error::new(ErrorClass::Decode, FIELD, "token ids", "something else")
                                })?;
                                if behind { &mut self.around.1 } else { &mut self.around.0 }.push(id);
                            }
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

fn spend(field: &'static str, budget: &mut usize) -> Result<()> {
    match budget.checked_sub(1) {
        Some(left) => *budget = left,
        None => {
            let expected = format!("at most {MAX_STEPS} steps");
            return Err(Error::new(ErrorClass::LimitExceeded, field, expected, "more"));
        }
    }
    Ok(())
}

fn replacement(field: &'static str, text: &str) -> Result<()> {
    limit(field, "bytes in place of a match", text.len(), MAX_REPLACEMENT)
}
