//! BYTES → what each byte is: a dissection of a message for people, of malformed ones too.
//!
//! The [`crate::wire::Decoder`] decides whether a message is right. This module only names the bytes, as far as they can
//! be named, and puts the decoder's findings beside them.

mod metadata;
mod payload;

use std::ops::Range;

use crate::error::Error;
use crate::wire::{Decoder, Dialect, DialectChoice, HEADER_LEN, Limits, Message};

/// Which part of a message a byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// The first 12 bytes.
    Header,
    /// The metadata section.
    Metadata,
    /// The header of a KV payload.
    KvHeader,
    /// Payload bytes.
    Payload,
    /// What follows the message, and what can't be read.
    Rest,
}

impl Section {
    /// The name in `avp inspect --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Metadata => "metadata",
            Self::KvHeader => "kv_header",
            Self::Payload => "payload",
            Self::Rest => "rest",
        }
    }
}

/// A run of bytes with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it stands in the input.
    pub range: Range<usize>,
    /// Which part of the message it belongs to.
    pub section: Section,
    /// The field, dotted, e.g. `header.flags`, `metadata.dtype`, `kv.layer 0.keys`.
    pub field: String,
    /// What it says, for people.
    pub value: String,
}

/// Something odd that is no reason to refuse the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The requirement that speaks of it.
    pub requirement: &'static str,
    /// Its kind, e.g. `flag_conflict`.
    pub code: &'static str,
    /// Field, offset, expected, found; offsets count from the start of the input.
    pub error: Error,
}

/// A message taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Dissection<'a> {
    /// The spans, in order, without gaps, over all of the input.
    pub spans: Vec<Span>,
    /// The dialect that names and numbers are read in.
    pub dialect: Dialect,
    /// The decoder's reading, unless it refuses.
    pub message: Option<Message<'a>>,
    /// Oddities.
    pub warnings: Vec<Warning>,
    /// Why the message, or the KV payload in it, is refused.
    pub fault: Option<Error>,
}

/// Takes `input` apart, in a dialect of its own choice or in a fixed one.
///
/// ```
/// let message = avp::wire::Encoder::new().encode(&avp::wire::Metadata::default(), &[1, 2, 3])?;
/// let dissection = avp::inspect::dissect(&message, avp::wire::DialectChoice::Auto, avp::wire::Limits::default());
/// assert_eq!(dissection.spans[0].field, "header.magic");
/// assert!(dissection.fault.is_none());
/// # Ok::<(), avp::Error>(())
/// ```
pub fn dissect(input: &[u8], choice: DialectChoice, limits: Limits) -> Dissection<'_> {
    let (message, mut fault) = match Decoder::new().dialect(choice).limits(limits).decode(input) {
        Ok(message) => (Some(message), None),
        Err(error) => (None, Some(error)),
    };
    let dialect = match (&message, choice) {
        (Some(message), _) => message.dialect,
        (None, DialectChoice::Fixed(dialect)) => dialect,
        (None, DialectChoice::Auto) => likely_dialect(input),
    };
    let mut warnings: Vec<Warning> =
        message.iter().flat_map(|message| &message.diagnostics).map(warning).collect();
    let mut spans = Spans { spans: Vec::new(), at: 0, len: input.len() };
    header(input, dialect, &mut spans);
    if let Some(lengths) = Lengths::read(input) {
        // Each field makes a span many times its size: beyond the limit there is one span for all.
        let most = HEADER_LEN.saturating_add(usize::try_from(limits.max_metadata).unwrap_or(usize::MAX));
        metadata::walk(input, lengths.metadata_end.min(most), dialect, &mut spans);
        let found = payload::walk(input, lengths.message_end, message.as_ref(), &mut spans);
        warnings.extend(found.warnings);
        // The decoder looks at metadata and payload as a whole; what the payload holds is judged here.
        fault = fault.or(found.fault);
    }
    spans.rest("rest", "behind the message");
    Dissection { spans: spans.spans, dialect, message, warnings, fault }
}

pub(crate) fn warning(diagnostic: &crate::wire::Diagnostic) -> Warning {
    Warning {
        requirement: diagnostic.requirement,
        code: diagnostic.code.as_str(),
        error: diagnostic.error.clone(),
    }
}

/// Bit 3 is only ever set by 0.2; nothing else in a message that does not decode tells more than the default.
fn likely_dialect(input: &[u8]) -> Dialect {
    match input.get(3) {
        Some(flags) if flags & 0x08 != 0 => Dialect::V02,
        _ => Dialect::V04,
    }
}

/// Where the sections end, cut to the input.
struct Lengths {
    metadata_end: usize,
    message_end: usize,
}

impl Lengths {
    /// By the two lengths, whatever magic and version say; `None` when the header is not whole.
    fn read(input: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = input.get(at..at + 4)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*bytes)).ok()
        };
        let message_end = HEADER_LEN.saturating_add(word(4)?).min(input.len());
        let metadata_end = HEADER_LEN.saturating_add(word(8)?).min(message_end);
        Some(Self { metadata_end, message_end })
    }
}

/// Collects spans from left to right; what is skipped is filled in, so that they never leave a gap.
pub(crate) struct Spans {
    spans: Vec<Span>,
    at: usize,
    len: usize,
}

impl Spans {
    /// Names the bytes up to `end`. An empty run is not recorded.
    pub(crate) fn push(
        &mut self,
        end: usize,
        section: Section,
        field: impl Into<String>,
        value: impl Into<String>,
    ) {
        let end = end.min(self.len);
        if end > self.at {
            let range = self.at..end;
            self.spans.push(Span { range, section, field: field.into(), value: value.into() });
            self.at = end;
        }
    }

    /// Names all that is left.
    fn rest(&mut self, field: &str, value: &str) {
        self.push(self.len, Section::Rest, field, value);
    }

    /// Where the next span starts.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
}

fn header(input: &[u8], dialect: Dialect, spans: &mut Spans) {
    let byte = |at: usize| input.get(at).copied().unwrap_or_default();
    let word = |at: usize| u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)]);
    let magic = String::from_utf8_lossy(&input[..input.len().min(2)]).escape_debug().to_string();
    let fields = [
        (2, "magic", format!("\"{magic}\"")),
        (3, "version", byte(2).to_string()),
        (4, "flags", flags(byte(3), dialect)),
        (8, "payload_length", format!("{} (metadata and payload)", word(4))),
        (HEADER_LEN, "metadata_length", word(8).to_string()),
    ];
    for (end, name, value) in fields {
        let value = if end <= input.len() { value } else { "cut short".to_owned() };
        spans.push(end, Section::Header, format!("header.{name}"), value);
    }
}

fn flags(bits: u8, dialect: Dialect) -> String {
    let flags = crate::wire::Flags(bits);
    let named = [
        (flags.compressed(), "compressed"),
        (flags.hybrid(dialect), "hybrid"),
        (flags.has_map(dialect), "map"),
        (flags.kv_cache(dialect), "KV cache"),
        (flags.reserved(dialect) != 0, "reserved bits"),
    ];
    let names: Vec<_> = named.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
