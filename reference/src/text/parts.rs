//! The parts of a `tokenizer.json` as they are written.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use tokenizers::{
    SplitDelimiterBehavior,
    normalizers::{Replace, replace::ReplacePattern},
    pre_tokenizers::metaspace::PrependScheme,
};

use super::{bpe::Model, splitter::Splitter};
use crate::error::{Error, ErrorClass, Result};

/// A part of the file, where it has one.
pub(super) fn part<T: DeserializeOwned>(field: &'static str, value: Option<Value>) -> Result<Option<T>> {
    value
        .map(|value| {
            serde_json::from_value(value).map_err(|error| {
                Error::new(
                    ErrorClass::Configuration,
                    field,
                    "a kind of step that is known here",
                    error.to_string(),
                )
            })
        })
        .transpose()
}

/// The whole file. What it says on truncation, padding and dropout is for training and is not read.
#[derive(Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedPart>,
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) post_processor: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: ModelPart,
}

/// A token that is matched before everything else.
#[derive(Deserialize)]
pub(super) struct AddedPart {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) normalized: bool,
    #[serde(default)]
    pub(super) special: bool,
}

/// Tokens and merges.
#[derive(Deserialize)]
pub(super) struct ModelPart {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    vocab: Tokens,
    #[serde(default)]
    merges: Vec<Merge>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: Option<bool>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
}

impl ModelPart {
    /// # Errors
    /// `configuration` for anything but plain BPE.
    pub(super) fn checked(self) -> Result<Model> {
        let refused = |field, expected: &str, found: String| {
            Err(Error::new(ErrorClass::Configuration, field, expected, found))
        };
        // Old files don't say what they are.
        if let Some(kind) = self.kind.filter(|kind| kind != "BPE") {
            return refused("tokenizer.model.type", "BPE", kind);
        }
        let Tokens::Ids(tokens) = self.vocab else {
            return refused("tokenizer.model.vocab", "a map of tokens and ids", "a list".into());
        };
        for affix in [self.continuing_subword_prefix, self.end_of_word_suffix].into_iter().flatten() {
            if !affix.is_empty() {
                return refused("tokenizer.model", "tokens without a prefix or suffix inside words", affix);
            }
        }
        Ok(Model {
            tokens,
            merges: self.merges.into_iter().map(|merge| merge.0).collect(),
            unknown: self.unk_token,
            fuse_unknown: self.fuse_unk.unwrap_or(false),
            byte_fallback: self.byte_fallback.unwrap_or(false),
            ignore_merges: self.ignore_merges.unwrap_or(false),
        })
    }
}

/// Tokens with their ids; models other than BPE have a list in their place.
enum Tokens {
    Ids(Vec<(String, u32)>),
    List,
}

impl Default for Tokens {
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Tokens;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of tokens and ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tokens, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    tokens.push(entry);
                }
                Ok(Tokens::Ids(tokens))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tokens, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Tokens::List)
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// Two tokens: as a list, or divided by a space.
struct Merge((String, String));

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Two;
        impl<'de> Visitor<'de> for Two {
            type Value = Merge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two tokens")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Merge, E> {
                match text.split_once(' ') {
                    Some((left, right)) if !right.contains(' ') => {
                        Ok(Merge((left.to_owned(), right.to_owned())))
                    }
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
                let left = list.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let right = list.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                match list.next_element::<IgnoredAny>()? {
                    Some(_) => Err(de::Error::invalid_length(3, &self)),
                    None => Ok(Merge((left, right))),
                }
            }
        }
        deserializer.deserialize_any(Two)
    }
}

/// A step of normalization.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum NormalizerPart {
    Sequence {
        normalizers: Vec<Self>,
    },
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Lowercase,
    Prepend {
        prepend: String,
    },
    Replace {
        pattern: PatternPart,
        content: String,
    },
}

/// A step of pre-tokenization.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum PreTokenizerPart {
    Sequence {
        pretokenizers: Vec<Self>,
    },
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Digits {
        individual_digits: bool,
    },
    Metaspace(MetaspacePart),
    Punctuation {
        #[serde(default = "isolated")]
        behavior: SplitDelimiterBehavior,
    },
    Whitespace,
    WhitespaceSplit,
    Split {
        pattern: PatternPart,
        behavior: SplitDelimiterBehavior,
        #[serde(default)]
        invert: bool,
    },
}

fn yes() -> bool {
    true
}

fn isolated() -> SplitDelimiterBehavior {
    SplitDelimiterBehavior::Isolated
}

/// A step of decoding.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum DecoderPart {
    Sequence { decoders: Vec<Self> },
    ByteLevel,
    ByteFallback,
    Fuse,
    Metaspace(MetaspacePart),
    Strip { content: char, start: usize, stop: usize },
    Replace { pattern: PatternPart, content: String },
}

/// What stands around a text.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum PostProcessorPart {
    Sequence {
        processors: Vec<Self>,
    },
    ByteLevel,
    TemplateProcessing {
        /// Of one text; the template of two is not read.
        single: Vec<Piece>,
        #[serde(default)]
        special_tokens: BTreeMap<String, Value>,
    },
}

/// A piece of a template.
#[derive(Deserialize)]
pub(super) enum Piece {
    /// The text.
    Sequence {},
    /// A token, by its name in the template.
    SpecialToken { id: String },
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) enum PatternPart {
    String(String),
    Regex(String),
}

impl PatternPart {
    /// As a regular expression.
    pub(super) fn expression(self) -> String {
        match self {
            Self::String(text) => escaped(&text),
            Self::Regex(pattern) => pattern,
        }
    }

    /// A step that puts `content` in place of each match.
    pub(super) fn replace(self, field: &'static str, content: String) -> Result<Replace> {
        let pattern = match self {
            Self::String(text) => {
                Splitter::new(&escaped(&text))?;
                ReplacePattern::String(text)
            }
            Self::Regex(pattern) => {
                Splitter::plain(&pattern)?;
                ReplacePattern::Regex(pattern)
            }
        };
        Replace::new(pattern, content).map_err(|error| {
            Error::new(ErrorClass::Configuration, field, "a pattern that can be replaced", error.to_string())
        })
    }
}

/// Text as a regular expression that matches it.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

/// SentencePiece's way with spaces.
#[derive(Deserialize)]
pub(super) struct MetaspacePart {
    replacement: char,
    prepend_scheme: Option<PrependScheme>,
    /// What older files have in place of `prepend_scheme`.
    add_prefix_space: Option<bool>,
    pub(super) split: Option<bool>,
}

impl MetaspacePart {
    /// What stands for a space, and where one is put in front.
    pub(super) fn scheme(&self) -> Result<(char, PrependScheme)> {
        let scheme = match (self.prepend_scheme, self.add_prefix_space) {
            (None, Some(false)) => PrependScheme::Never,
            (None, _) => PrependScheme::Always,
            (Some(PrependScheme::Always | PrependScheme::First), Some(false)) => {
                return Err(Error::new(
                    ErrorClass::Configuration,
                    "tokenizer.metaspace.prepend_scheme",
                    "never, as add_prefix_space says",
                    "another scheme",
                ));
            }
            (Some(scheme), _) => scheme,
        };
        Ok((self.replacement, scheme))
    }
}
