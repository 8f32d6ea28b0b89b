//! What a correct decoder refuses, and what is merely odd.

use std::ops::Range;

/// Error class of ACP/1 that a fault belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The first two bytes are wrong.
    InvalidMagic,
    /// The version byte is unknown.
    UnsupportedVersion,
    /// Anything else that is malformed.
    Decode,
    /// More than a limit allows; a kind of `decode`.
    LimitExceeded,
}

impl Class {
    /// The code as ACP/1 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMagic => "invalid_magic",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Decode => "decode",
            Self::LimitExceeded => "limit_exceeded",
        }
    }
}

/// When a decoder meets a fault: the order of AVP-HDR-007.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the requirement")]
pub enum Stage {
    TooShort,
    Magic,
    Version,
    Truncation,
    Metadata,
    Decompression,
    Checksum,
    Enums,
    /// The inner KV header, and what only contexts must have; only when the message is read as such.
    Kv,
}

/// Something that a correct decoder refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it is met.
    pub stage: Stage,
    /// Offset of the first byte that shows it.
    pub offset: usize,
    /// Name of the field.
    pub field: String,
    /// The class of the error.
    pub class: Class,
    /// Requirements that say so.
    pub requirements: &'static [&'static str],
    /// One sentence for a person.
    pub text: String,
}

/// Something odd that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The requirement that it touches.
    pub requirement: &'static str,
    /// One sentence for a person.
    pub text: String,
    /// Where.
    pub range: Range<usize>,
    /// Correct decoders differ here: one may refuse it, another may not.
    pub contested: bool,
}

impl Warning {
    pub(super) fn new(requirement: &'static str, range: Range<usize>, text: impl Into<String>) -> Self {
        Self { requirement, text: text.into(), range, contested: false }
    }

    pub(super) fn contested(requirement: &'static str, range: Range<usize>, text: impl Into<String>) -> Self {
        Self { contested: true, ..Self::new(requirement, range, text) }
    }
}
