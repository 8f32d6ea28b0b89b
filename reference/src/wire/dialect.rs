//! Which layout a message follows. Version byte 1 has carried three of them (ambiguity A-001).

use super::{header::Flags, metadata::fields::RawMetadata};

/// A wire layout of the protocol: flag bits, field numbers and enum numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Releases before 0.2: other field numbers. Read-only.
    V01,
    /// Releases 0.2.x: hybrid messages, map in flag bit 2, KV-cache in flag bit 3.
    V02,
    /// Releases 0.3.0 and later: map in flag bit 1, KV-cache in flag bit 2, checksum since 0.4.1.
    V04,
}

impl Dialect {
    /// `"0.1"`, `"0.2"` or `"0.4"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V01 => "0.1",
            Self::V02 => "0.2",
            Self::V04 => "0.4",
        }
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a decoder settles the dialect of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DialectChoice {
    /// From the message itself (AVP-HDR-030).
    #[default]
    Auto,
    /// Agreed beforehand.
    Fixed(Dialect),
}

impl From<Dialect> for DialectChoice {
    fn from(dialect: Dialect) -> Self {
        Self::Fixed(dialect)
    }
}

/// What the message says about its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detected {
    /// Only this dialect writes such a message.
    Certain(Dialect),
    /// Both current dialects write it, with the same meaning.
    Neutral,
    /// No dialect writes it.
    Inconsistent,
}

/// Numbers of `mode` that the decision needs: 1 is HYBRID under 0.2 and JSON under 0.4; 2 is JSON under 0.2.
const MODE_HYBRID_OR_JSON: i32 = 1;
const MODE_JSON_V02: i32 = 2;
const KV_CACHE: i32 = 1;

/// The decision table (ambiguity A.2). It is right for every message that a consistent encoder of 0.2 or 0.4 writes.
pub(super) fn detect(flags: Flags, raw: &RawMetadata<'_>) -> Detected {
    use Detected::{Certain, Inconsistent, Neutral};
    use Dialect::{V01, V02, V04};

    let hints = raw.hints;
    if hints.field_2_varint || hints.field_5_bytes {
        return Certain(V01);
    }
    if hints.fields_100_to_103 || hints.field_12_float {
        return Certain(V02);
    }
    if raw.payload_checksum.is_some() {
        return Certain(V04);
    }

    let (bit1, bit2, bit3) = (flags.0 & 2 != 0, flags.0 & 4 != 0, flags.0 & 8 != 0);
    let map = !raw.avp_map_id.is_empty();
    if bit3 {
        return Certain(V02);
    }
    if raw.payload_type.value == KV_CACHE {
        return Certain(V04);
    }
    match raw.mode.value {
        MODE_JSON_V02 => Certain(V02),
        MODE_HYBRID_OR_JSON if bit1 && bit2 == map => Certain(V02),
        MODE_HYBRID_OR_JSON if bit1 == map && !bit2 => Certain(V04),
        MODE_HYBRID_OR_JSON => Inconsistent,
        _ if map => match (bit1, bit2) {
            (false, true) => Certain(V02),
            (true, false) => Certain(V04),
            _ => Inconsistent,
        },
        _ if !bit1 && !bit2 => Neutral,
        _ => Inconsistent,
    }
}
