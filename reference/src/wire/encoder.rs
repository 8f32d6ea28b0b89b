//! Message → bytes.

use std::borrow::Cow;

use super::{
    checksum::{crc32, crc32_append, crc32_more},
    compress::{self, Compression},
    dialect::Dialect,
    enums::Mode,
    header::{Flags, HEADER_LEN, Header, MAX_BODY_LEN, VERSION},
    hybrid::{self, HybridChunk},
    metadata::{Metadata, schema},
};
use crate::error::{Error, ErrorClass, Result};

/// Bytes of a 32-bit varint at its longest.
const MAX_CHECKSUM_VARINT: usize = 5;

/// Settings of encoding. The default writes 0.4, uncompressed, with a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    dialect: Dialect,
    compression: Compression,
    checksum: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { dialect: Dialect::V04, compression: Compression::None, checksum: true }
    }
}

/// A message in two pieces, for vectored writes: an uncompressed payload is borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vectored<'a> {
    /// Header and metadata.
    pub head: Vec<u8>,
    /// The payload section.
    pub payload: Cow<'a, [u8]>,
}

impl Vectored<'_> {
    /// The pieces in order.
    pub fn pieces(&self) -> [&[u8]; 2] {
        [&self.head, &self.payload]
    }

    /// Bytes of the whole message.
    pub fn message_len(&self) -> usize {
        self.head.len() + self.payload.len()
    }
}

impl Encoder {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Dialect to write: 0.4 or 0.2. 0.1 is read-only; encoding in it fails.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Compression of the payload.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Whether a checksum of the payload is written (0.4 only, AVP-CMP-016).
    #[must_use]
    pub fn checksum(mut self, checksum: bool) -> Self {
        self.checksum = checksum;
        self
    }

    /// The message as new bytes.
    ///
    /// # Errors
    /// See [`Encoder::encode_into`].
    pub fn encode(&self, metadata: &Metadata, payload: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.encode_into(metadata, payload, &mut out)?;
        Ok(out)
    }

    /// Appends the message to `out` and returns its length in bytes. An uncompressed payload is read once and written
    /// once, checksum included. On an error `out` is as it was.
    ///
    /// # Errors
    /// `invalid_argument` for a value that the dialect does not have; `limit_exceeded` when metadata and payload exceed
    /// 2^32 − 1 bytes (AVP-HDR-024).
    pub fn encode_into(&self, metadata: &Metadata, payload: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        self.encode_pieces_into(metadata, &[payload], out)
    }

    /// Like [`Encoder::encode_into`], of a payload that lies in several places, such as the tensors of a cache
    /// ([`crate::kv::KvVectored`]). Compression needs it in one place and puts it there first.
    ///
    /// # Errors
    /// See [`Encoder::encode_into`].
    pub fn encode_pieces_into(
        &self,
        metadata: &Metadata,
        pieces: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<usize> {
        let start = out.len();
        let written = match (self.compression.level(), pieces) {
            (Some(level), [payload]) => self.append_compressed(metadata, payload, level, out),
            (Some(level), pieces) => self.append_compressed(metadata, &pieces.concat(), level, out),
            (None, pieces) if self.writes_checksum() => self.append_summed(metadata, pieces, out),
            (None, pieces) => self.append_plain(metadata, pieces, out),
        };
        match written {
            Ok(()) => Ok(out.len() - start),
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// The message in two pieces. An uncompressed payload is borrowed, not copied.
    ///
    /// # Errors
    /// See [`Encoder::encode_into`].
    pub fn encode_vectored<'a>(&self, metadata: &Metadata, payload: &'a [u8]) -> Result<Vectored<'a>> {
        let checksum = self.writes_checksum().then(|| crc32(payload));
        let payload = match self.compression.level() {
            None => Cow::Borrowed(payload),
            Some(level) => {
                let mut section = Vec::new();
                compress::compress_append(payload, level, &mut section)?;
                Cow::Owned(section)
            }
        };
        let head = self.head(metadata, payload.len() as u64, checksum)?;
        Ok(Vectored { head, payload })
    }

    /// Header and metadata in front of an uncompressed payload that lies in several places, for a vectored write of all
    /// of them. The pieces are only summed.
    ///
    /// # Errors
    /// See [`Encoder::encode_into`]. The encoder's compression does not apply.
    pub fn head_for_pieces(&self, metadata: &Metadata, pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let checksum =
            self.writes_checksum().then(|| pieces.iter().fold(0, |crc, piece| crc32_more(crc, piece)));
        Self { compression: Compression::None, ..*self }.head(metadata, total(pieces), checksum)
    }

    /// Header and metadata of the message that an uncompressed payload of that length would have, without a checksum.
    /// The payload's bytes are not needed.
    ///
    /// # Errors
    /// See [`Encoder::encode_into`].
    pub fn head_for_len(&self, metadata: &Metadata, payload_len: u64) -> Result<Vec<u8>> {
        Self { compression: Compression::None, ..*self }.head(metadata, payload_len, None)
    }

    /// A hybrid message of 0.2: the chunks in their order (AVP-PAY-013). `mode` becomes HYBRID.
    ///
    /// # Errors
    /// `invalid_argument` in any other dialect; otherwise as [`Encoder::encode_into`].
    pub fn encode_hybrid(&self, metadata: &Metadata, chunks: &[HybridChunk<'_>]) -> Result<Vec<u8>> {
        let metadata = Metadata { mode: Mode::Hybrid, ..metadata.clone() };
        Mode::Hybrid.to_wire(self.dialect)?;
        self.encode(&metadata, &hybrid::encode(chunks))
    }

    fn writes_checksum(&self) -> bool {
        self.checksum && self.dialect == Dialect::V04
    }

    /// Header and metadata in front of a payload section of `section_len` bytes.
    fn head(&self, metadata: &Metadata, section_len: u64, checksum: Option<u32>) -> Result<Vec<u8>> {
        let compressed = self.compression != Compression::None;
        let section = schema::encode(metadata, self.dialect, compressed, checksum)?;
        let flags = Flags::of(
            self.dialect,
            compressed,
            metadata.payload_type,
            metadata.mode,
            !metadata.avp_map_id.is_empty(),
        );
        let header = header(flags, section.len(), section_len)?;
        let mut head = Vec::with_capacity(HEADER_LEN + section.len());
        head.extend_from_slice(&header.write());
        head.extend_from_slice(&section);
        Ok(head)
    }

    fn append_plain(&self, metadata: &Metadata, pieces: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        let head = self.head(metadata, total(pieces), None)?;
        out.reserve(head.len() + total(pieces) as usize);
        out.extend_from_slice(&head);
        pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        Ok(())
    }

    /// Checksum and copy in one pass. The checksum is the metadata's last field and its length depends on its value, so
    /// the payload goes behind the longest form; one checksum in sixteen is shorter, and then everything moves up.
    fn append_summed(&self, metadata: &Metadata, pieces: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let payload_len = total(pieces);
        let head = self.head(metadata, payload_len, Some(u32::MAX))?;
        out.reserve(head.len() + payload_len as usize);
        out.extend_from_slice(&head);
        let payload_at = out.len();
        let checksum = pieces.iter().fold(0, |crc, piece| crc32_append(crc, piece, out));

        let mut varint = Vec::with_capacity(MAX_CHECKSUM_VARINT);
        prost::encoding::encode_varint(checksum.into(), &mut varint);
        let shorter = MAX_CHECKSUM_VARINT - varint.len();
        let varint_at = payload_at - MAX_CHECKSUM_VARINT;
        out[varint_at..varint_at + varint.len()].copy_from_slice(&varint);
        if shorter > 0 {
            out.copy_within(payload_at.., payload_at - shorter);
            out.truncate(out.len() - shorter);
            let metadata_len = head.len() - HEADER_LEN - shorter;
            let flags = Flags(head[3]);
            let header = header(flags, metadata_len, payload_len)?;
            out[start..start + HEADER_LEN].copy_from_slice(&header.write());
        }
        Ok(())
    }

    /// The frame is written in place; its length goes into the header afterwards.
    fn append_compressed(
        &self,
        metadata: &Metadata,
        payload: &[u8],
        level: i32,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        let checksum = self.writes_checksum().then(|| crc32(payload));
        let head = self.head(metadata, 0, checksum)?;
        out.extend_from_slice(&head);
        let section_at = out.len();
        compress::compress_append(payload, level, out)?;
        let section_len = (out.len() - section_at) as u64;
        let header = header(Flags(head[3]), head.len() - HEADER_LEN, section_len)?;
        out[start..start + HEADER_LEN].copy_from_slice(&header.write());
        Ok(())
    }
}

/// Bytes of all pieces. The same bytes may be named many times, so this may be more than memory holds.
fn total(pieces: &[&[u8]]) -> u64 {
    pieces.iter().fold(0u64, |total, piece| total.saturating_add(piece.len() as u64))
}

fn header(flags: Flags, metadata_len: usize, section_len: u64) -> Result<Header> {
    let body = (metadata_len as u64).checked_add(section_len).filter(|&body| body <= MAX_BODY_LEN);
    let Some(body) = body else {
        return Err(Error::new(
            ErrorClass::LimitExceeded,
            "header.payload_length",
            format!("at most {MAX_BODY_LEN} bytes of metadata and payload"),
            format!("{metadata_len} and {section_len} bytes"),
        ));
    };
    // Both fit: neither is larger than `body`.
    Ok(Header {
        version: VERSION,
        flags: flags.0,
        payload_length: body as u32,
        metadata_length: metadata_len as u32,
    })
}
