//! Bytes → message.

use std::borrow::Cow;

use super::{
    checksum::crc32,
    compress,
    diagnostic::{Diagnostic, DiagnosticCode},
    dialect::{Detected, Dialect, DialectChoice, detect},
    enums::{Mode, PayloadType},
    header::{Flags, HEADER_LEN, Header},
    hybrid::{self, ChunkKind},
    limits::Limits,
    message::Message,
    metadata::{Metadata, fields::RawMetadata, schema::ZSTD},
};
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Settings of decoding. The default detects the dialect, is lenient, and has the default [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    limits: Limits,
    dialect: DialectChoice,
    assumed: Dialect,
    strict: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { limits: Limits::default(), dialect: DialectChoice::Auto, assumed: Dialect::V04, strict: false }
    }
}

impl Decoder {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Upper bounds of a message.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// One fixed dialect, or [`DialectChoice::Auto`].
    #[must_use]
    pub fn dialect(mut self, choice: impl Into<DialectChoice>) -> Self {
        self.dialect = choice.into();
        self
    }

    /// Under automatic detection: the dialect of a message that doesn't tell it, or contradicts itself. 0.4 unless set.
    #[must_use]
    pub fn assume(mut self, dialect: Dialect) -> Self {
        self.assumed = dialect;
        self
    }

    /// Whether everything that is otherwise a [`Diagnostic`] is refused.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Decodes the message at the start of `input`. No copy is made of an uncompressed payload.
    ///
    /// # Errors
    /// In this order (AVP-HDR-007): `decode` for fewer than 12 bytes, `invalid_magic`, `unsupported_version`, `decode`
    /// for a cut message, `limit_exceeded`, `decode` for bad section lengths or metadata, `decode` or `limit_exceeded`
    /// in decompression, `decode` for a wrong checksum, `decode` for unknown enum values; in strict mode also what
    /// would be a diagnostic.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Message<'a>> {
        self.decode_with(input, |sum, payload| sum.check(crc32(payload))).map(|(message, _)| message)
    }

    /// Like [`Self::decode`], but leaves the checksum to the caller, who reads the payload anyway and so reads it once.
    #[cfg(feature = "model")]
    pub(crate) fn decode_unsummed<'a>(&self, input: &'a [u8]) -> Result<(Message<'a>, Option<PayloadSum>)> {
        self.decode_with(input, |_, _| Ok(()))
    }

    /// Like [`Self::decode`], of a message whose payload section was summed as it came.
    pub(crate) fn decode_summed<'a>(&self, input: &'a [u8], section: u32) -> Result<Message<'a>> {
        let compressed = Header::parse(input).is_ok_and(|header| Flags(header.flags).compressed());
        // Of a compressed payload the sum is that of what it inflates to.
        let sum_of = |payload: &[u8]| if compressed { crc32(payload) } else { section };
        self.decode_with(input, |sum, payload| sum.check(sum_of(payload))).map(|(message, _)| message)
    }

    fn decode_with<'a>(
        &self,
        input: &'a [u8],
        check: impl FnOnce(PayloadSum, &[u8]) -> Result<()>,
    ) -> Result<(Message<'a>, Option<PayloadSum>)> {
        let header = Header::parse(input)?;
        let len = header.message_len();
        let message = usize::try_from(len).ok().and_then(|len| input.get(..len));
        let Some(message) = message else {
            let (expected, found) = (format!("{len} bytes"), format!("{} bytes", input.len()));
            return Err(Error::new(ErrorClass::Decode, "message", expected, found).at(input.len()));
        };
        self.check_header(&header)?;
        self.decode_whole(header, message, input.len(), check)
    }

    /// Metadata and dialect, of a message whose payload isn't there.
    pub(super) fn head(&self, header: &Header, section: &[u8]) -> Result<(Metadata, Dialect)> {
        let flags = Flags(header.flags);
        let mut raw = RawMetadata::parse(section, HEADER_LEN)?;
        let (dialect, _) = self.settle(flags, &raw);
        if dialect == Dialect::V01 {
            raw = RawMetadata::parse_v01(section, HEADER_LEN)?;
        }
        Ok((raw.resolve(dialect, flags.compressed())?, dialect))
    }

    /// What can be refused by the header alone.
    pub(super) fn check_header(&self, header: &Header) -> Result<()> {
        let Limits { max_message, max_metadata, .. } = self.limits;
        let over = |field, max: u64, found: u64, at| {
            let (expected, found) = (format!("at most {max} bytes"), format!("{found} bytes"));
            Err(Error::new(ErrorClass::LimitExceeded, field, expected, found).at(at))
        };
        if header.message_len() > max_message {
            return over("message", max_message, header.message_len(), 4);
        }
        header.sections()?;
        if u64::from(header.metadata_length) > max_metadata {
            return over("metadata", max_metadata, header.metadata_length.into(), 8);
        }
        Ok(())
    }

    /// What can be refused by the metadata section alone, whatever the dialect.
    pub(super) fn check_metadata(section: &[u8]) -> Result<()> {
        RawMetadata::parse(section, HEADER_LEN).map(drop)
    }

    fn decode_whole<'a>(
        &self,
        header: Header,
        message: &'a [u8],
        input_len: usize,
        check: impl FnOnce(PayloadSum, &[u8]) -> Result<()>,
    ) -> Result<(Message<'a>, Option<PayloadSum>)> {
        let (metadata_range, payload_range) = header.sections()?;
        let metadata_at = metadata_range.start;
        let metadata_bytes = &message[metadata_range];
        let (payload_at, section) = (payload_range.start, &message[payload_range]);
        let flags = Flags(header.flags);

        let mut raw = RawMetadata::parse(metadata_bytes, metadata_at)?;
        let (dialect, neutral) = self.settle(flags, &raw);
        if dialect == Dialect::V01 {
            raw = RawMetadata::parse_v01(metadata_bytes, metadata_at)?;
        }

        let payload = self.payload(flags, &raw, section, payload_at)?;
        let sum = raw.payload_checksum.filter(|_| dialect == Dialect::V04);
        let sum = sum.map(|expected| PayloadSum { expected, payload_at });
        if let Some(sum) = sum {
            check(sum, &payload)?;
        }
        let metadata = raw.resolve(dialect, flags.compressed())?;

        let mut message = Message {
            header,
            metadata,
            payload,
            dialect,
            neutral,
            diagnostics: Vec::new(),
            consumed: message.len(),
            text_fallback: None,
            chunks: Vec::new(),
        };
        if dialect == Dialect::V02 && message.metadata.mode == Mode::Hybrid {
            open_hybrid(&mut message, payload_at);
        }
        check_flags(&mut message);
        check_shape(&mut message, payload_at);
        if input_len > message.consumed {
            let found = format!("{} more bytes", input_len - message.consumed);
            let error =
                Error::new(ErrorClass::Decode, "message", "nothing behind it", found).at(message.consumed);
            message.diagnostics.push(Diagnostic::new(DiagnosticCode::TrailingBytes, "AVP-HDR-022", error));
        }
        if self.strict && !message.diagnostics.is_empty() {
            return Err(message.diagnostics.swap_remove(0).error);
        }
        Ok((message, sum))
    }

    /// The dialect to read in, and whether the message leaves it open.
    fn settle(&self, flags: Flags, raw: &RawMetadata<'_>) -> (Dialect, bool) {
        match self.dialect {
            DialectChoice::Fixed(dialect) => (dialect, false),
            DialectChoice::Auto => match detect(flags, raw) {
                Detected::Certain(dialect) => (dialect, false),
                Detected::Inconsistent => (self.assumed, false),
                // EMBEDDING is in both tables but only 0.2 still reads it.
                Detected::Neutral
                    if PayloadType::from_wire(self.assumed, raw.payload_type.value).is_none() =>
                {
                    (Dialect::V02, true)
                }
                Detected::Neutral => (self.assumed, true),
            },
        }
    }

    fn payload<'a>(
        &self,
        flags: Flags,
        raw: &RawMetadata<'_>,
        section: &'a [u8],
        base: usize,
    ) -> Result<Cow<'a, [u8]>> {
        if flags.compressed() {
            // Without the flag, field 11 says nothing (AVP-CMP-009, A-022).
            if let Some((name, at)) = raw.compression.filter(|(name, _)| !matches!(*name, "" | ZSTD)) {
                let error = Error::new(
                    ErrorClass::Decode,
                    "metadata.compression",
                    "zstd, as the flag says",
                    excerpt(name),
                );
                return Err(error.at(at));
            }
            return compress::decompress(section, base, &self.limits).map(Cow::Owned);
        }
        if section.len() as u64 > self.limits.max_payload {
            let expected = format!("at most {} bytes", self.limits.max_payload);
            let found = format!("{} bytes", section.len());
            return Err(Error::new(ErrorClass::LimitExceeded, "payload", expected, found).at(base));
        }
        Ok(Cow::Borrowed(section))
    }
}

/// The checksum that a payload should have (AVP-CMP-016).
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayloadSum {
    expected: u32,
    payload_at: usize,
}

impl PayloadSum {
    /// Holds a computed sum against it.
    pub(crate) fn check(self, found: u32) -> Result<()> {
        let Self { expected, payload_at } = self;
        if found == expected {
            return Ok(());
        }
        let (expected, found) = (format!("0x{expected:08x}"), format!("0x{found:08x}"));
        Err(Error::new(ErrorClass::Decode, "metadata.payload_checksum", expected, found).at(payload_at))
    }

    /// Where the payload begins in the message.
    #[cfg(feature = "model")]
    pub(crate) fn payload_at(self) -> usize {
        self.payload_at
    }
}

/// Decodes with the default settings: dialect detected, lenient, default limits.
///
/// # Errors
/// See [`Decoder::decode`].
pub fn decode(input: &[u8]) -> Result<Message<'_>> {
    Decoder::new().decode(input)
}

/// Splits the payload of a hybrid message. The last chunk of each kind wins; what does not parse stays as it is
/// (AVP-PAY-014).
fn open_hybrid(message: &mut Message<'_>, base: usize) {
    let chunks = match hybrid::decode(&message.payload, base) {
        Ok(chunks) => chunks,
        Err(error) => {
            let diagnostic = Diagnostic::new(DiagnosticCode::HybridUnparsable, "AVP-PAY-014", error);
            message.diagnostics.push(diagnostic);
            return;
        }
    };
    let last = |kind| chunks.iter().rev().find(|chunk| chunk.kind == kind).map(|chunk| chunk.range.clone());
    message.text_fallback =
        last(ChunkKind::Text).map(|range| String::from_utf8_lossy(&message.payload[range]).into_owned());
    let latent = last(ChunkKind::Latent).unwrap_or(0..0);
    match &mut message.payload {
        Cow::Borrowed(bytes) => *bytes = &bytes[latent],
        Cow::Owned(bytes) => {
            // In place: a second payload would not be covered by the limit.
            bytes.truncate(latent.end);
            bytes.drain(..latent.start);
        }
    }
    message.chunks = chunks;
}

/// Compares flags and metadata (AVP-PAY-015, AVP-PAY-016, AVP-HDR-015). 0.1 assigned nothing but bit 0.
fn check_flags(message: &mut Message<'_>) {
    let (dialect, flags, metadata) = (message.dialect, message.flags(), &message.metadata);
    let mut found = Vec::new();
    let mut note = |code, requirement, expected: String, bits: String| {
        let error = Error::new(ErrorClass::Decode, "header.flags", expected, bits).at(3);
        found.push(Diagnostic::new(code, requirement, error));
    };
    let state = |set: bool| if set { "set" } else { "clear" };
    let bits = || format!("0x{:02x}", flags.0);

    if dialect != Dialect::V01 {
        let kv = metadata.payload_type == PayloadType::KvCache;
        if flags.kv_cache(dialect) != kv {
            let expected = format!("the KV flag {}, as payload_type says", state(kv));
            note(DiagnosticCode::FlagConflict, "AVP-PAY-015", expected, bits());
        }
        let hybrid = metadata.mode == Mode::Hybrid;
        if flags.hybrid(dialect) != hybrid {
            let expected = format!("the hybrid flag {}, as mode says", state(hybrid));
            note(DiagnosticCode::FlagConflict, "AVP-HDR-011", expected, bits());
        }
        let map = !metadata.avp_map_id.is_empty();
        if flags.has_map(dialect) != map {
            let expected = format!("the map flag {}, as avp_map_id says", state(map));
            note(DiagnosticCode::MapFlagConflict, "AVP-PAY-016", expected, bits());
        }
    }
    if flags.reserved(dialect) != 0 {
        let expected = format!("bits 0x{:02x} clear", flags.reserved(dialect));
        note(DiagnosticCode::ReservedFlags, "AVP-HDR-015", expected, bits());
    }
    message.diagnostics.append(&mut found);
}

/// Compares a hidden state's shape with its bytes and width (AVP-PAY-007, AVP-PAY-011).
fn check_shape(message: &mut Message<'_>, payload_at: usize) {
    let Metadata { payload_type, mode, tensor_shape: shape, dtype, hidden_dim, .. } = &message.metadata;
    if *payload_type != PayloadType::HiddenState || *mode == Mode::Json {
        return;
    }
    let Some(&width) = shape.last() else { return };
    let mut found = Vec::new();

    let elements = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim.into()));
    let len = elements.and_then(|count| count.checked_mul(dtype.size() as u64));
    if len != Some(message.payload.len() as u64) {
        let expected =
            len.map_or_else(|| "fewer elements than 2^64".to_owned(), |len| format!("{len} bytes"));
        let error = Error::new(
            ErrorClass::ShapeMismatch,
            "payload",
            format!("{expected} of {}, as tensor_shape says", dtype.as_str()),
            format!("{} bytes", message.payload.len()),
        );
        found.push(Diagnostic::new(DiagnosticCode::ShapeMismatch, "AVP-PAY-007", error.at(payload_at)));
    }
    if *hidden_dim != 0 && width != *hidden_dim {
        let expected = format!("{hidden_dim} in the last place, as hidden_dim says");
        let error =
            Error::new(ErrorClass::ShapeMismatch, "metadata.tensor_shape", expected, width.to_string());
        found.push(Diagnostic::new(DiagnosticCode::ShapeMismatch, "AVP-PAY-011", error));
    }
    message.diagnostics.append(&mut found);
}
