//! A decoded message.

use std::borrow::Cow;

use super::{
    diagnostic::Diagnostic,
    dialect::Dialect,
    header::{Flags, Header},
    hybrid::ChunkSpan,
    metadata::Metadata,
};

/// A message as a decoder hands it over. An uncompressed payload is borrowed from the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// The header as it stood on the wire (AVP-HDR-026).
    pub header: Header,
    /// What the message says about itself.
    pub metadata: Metadata,
    /// The payload, decompressed. Of a hybrid message: its latent chunk, empty when it has none.
    pub payload: Cow<'a, [u8]>,
    /// The dialect it was read in.
    pub dialect: Dialect,
    /// Whether 0.2 and 0.4 would both have written exactly this, so that `dialect` is a choice and not a finding
    /// (AVP-HDR-030). Only under automatic detection.
    pub neutral: bool,
    /// What a strict decoder would have refused.
    pub diagnostics: Vec<Diagnostic>,
    /// Bytes of the message. The input may be longer (AVP-HDR-022).
    pub consumed: usize,
    /// Text of a hybrid message (0.2).
    pub text_fallback: Option<String>,
    /// All chunks of a hybrid message (0.2), in order.
    pub chunks: Vec<ChunkSpan>,
}

impl Message<'_> {
    /// The header's flags.
    pub fn flags(&self) -> Flags {
        Flags(self.header.flags)
    }

    /// The same message, independent of the input. Copies a borrowed payload.
    pub fn into_owned(self) -> Message<'static> {
        Message {
            header: self.header,
            metadata: self.metadata,
            payload: Cow::Owned(self.payload.into_owned()),
            dialect: self.dialect,
            neutral: self.neutral,
            diagnostics: self.diagnostics,
            consumed: self.consumed,
            text_fallback: self.text_fallback,
            chunks: self.chunks,
        }
    }
}
