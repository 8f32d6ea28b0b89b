//! A message that a server took in whole.

use std::borrow::Cow;
use std::ops::Range;

use super::budget::Permit;
use crate::error::Result;
use crate::wire::{
    Decoder, Diagnostic, Dialect, Gathered, Header, Limits, Message, Metadata, Mode, PayloadType,
};

/// What decoded metadata takes in memory for a byte on the wire, at most: an entry of `extra` with a name of two letters takes
/// 7 bytes there and some 130 here.
const DECODED_METADATA: u64 = 24;

/// A decoded message that owns the bytes that came, or what they inflated to; never both.
#[derive(Debug)]
pub struct Received {
    /// The header as sent.
    pub header: Header,
    /// The metadata.
    pub metadata: Metadata,
    /// The dialect that it was read in.
    pub dialect: Dialect,
    /// What is odd about it.
    pub diagnostics: Vec<Diagnostic>,
    /// Length as sent, in bytes.
    pub len: usize,
    bytes: Vec<u8>,
    payload: Range<usize>,
    /// What it takes of somebody's memory, for as long as it lives.
    permit: Option<Permit>,
}

impl Received {
    /// Decodes a whole message.
    ///
    /// # Errors
    /// See [`Decoder::decode`].
    pub fn decode(bytes: Vec<u8>, limits: Limits) -> Result<Self> {
        Self::read(bytes, |bytes| Decoder::new().limits(limits).decode(bytes))
    }

    /// Decodes a message that came in pieces and was summed meanwhile: an uncompressed payload is not read again.
    ///
    /// # Errors
    /// See [`Decoder::decode`].
    pub fn gathered(message: Gathered, limits: Limits) -> Result<Self> {
        let Gathered { bytes, sum } = message;
        Self::read(bytes, |bytes| Decoder::new().limits(limits).decode_summed(bytes, sum))
    }

    fn read(bytes: Vec<u8>, decode: impl for<'a> FnOnce(&'a [u8]) -> Result<Message<'a>>) -> Result<Self> {
        let message = decode(&bytes)?;
        let (header, dialect) = (message.header, message.dialect);
        let (metadata, diagnostics) = (message.metadata, message.diagnostics);
        let len = bytes.len();
        let (kept, payload) = match message.payload {
            // A slice of `bytes`, wherever a hybrid message has it.
            Cow::Borrowed(payload) => {
                let start = payload.as_ptr().addr() - bytes.as_ptr().addr();
                (None, start..start + payload.len())
            }
            Cow::Owned(payload) => {
                let all = 0..payload.len();
                (Some(payload), all)
            }
        };
        let bytes = kept.unwrap_or(bytes);
        Ok(Self { header, metadata, dialect, diagnostics, len, bytes, payload, permit: None })
    }

    /// The payload, decompressed.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }

    /// Bytes that it holds in memory: the metadata by a bound, since many small entries take far more than they had on the
    /// wire.
    pub fn held(&self) -> u64 {
        self.bytes.capacity() as u64 + Self::metadata_bound(&self.header)
    }

    /// Bytes that the metadata of such a message takes in memory at most.
    pub(crate) fn metadata_bound(header: &Header) -> u64 {
        Self::decoded_metadata(u64::from(header.metadata_length))
    }

    /// Bytes that so many bytes of metadata take in memory at most.
    pub(crate) const fn decoded_metadata(len: u64) -> u64 {
        len.saturating_mul(DECODED_METADATA)
    }

    /// The buffer, for another message.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Ties a permit to it: what it holds is given back when it goes.
    pub fn hold(&mut self, permit: Permit) {
        self.permit = Some(permit);
    }

    /// Whether it holds a context, going by what it says: a KV-cache, or hidden states in latent mode.
    pub fn is_context(&self) -> bool {
        self.metadata.mode == Mode::Latent
            && matches!(self.metadata.payload_type, PayloadType::KvCache | PayloadType::HiddenState)
    }
}
