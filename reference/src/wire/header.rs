//! The fixed 12 bytes in front of every message.

use std::ops::Range;

use super::{
    dialect::Dialect,
    enums::{Mode, PayloadType},
};
use crate::error::{Error, ErrorClass, Result};

/// Bytes of the header.
pub const HEADER_LEN: usize = 12;
/// `AV`: the first two bytes of every message.
pub const MAGIC: [u8; 2] = *b"AV";
/// The version byte. It has been 1 in every dialect (AVP-HDR-004, A-001).
pub const VERSION: u8 = 1;
/// Most that metadata and payload can have together: the header counts them in 32 bits (AVP-HDR-024).
pub const MAX_BODY_LEN: u64 = u32::MAX as u64;

/// The header as it stands in the message: magic checked, lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Byte 2.
    pub version: u8,
    /// Byte 3, raw; [`Flags`] names the bits.
    pub flags: u8,
    /// Bytes 4–7, little-endian: everything behind the header, metadata included.
    pub payload_length: u32,
    /// Bytes 8–11, little-endian: the metadata section.
    pub metadata_length: u32,
}

impl Header {
    /// Reads and checks the header at the start of `bytes`. What follows is not looked at.
    ///
    /// # Errors
    /// `decode` for fewer than 12 bytes (AVP-HDR-020), `invalid_magic` (AVP-HDR-002), `unsupported_version`
    /// (AVP-HDR-005), in this order.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let Some(&[m0, m1, version, flags, p0, p1, p2, p3, l0, l1, l2, l3]) =
            bytes.first_chunk::<HEADER_LEN>()
        else {
            return Err(Error::new(
                ErrorClass::Decode,
                "header",
                "12 bytes",
                format!("{} bytes", bytes.len()),
            )
            .at(bytes.len()));
        };
        if [m0, m1] != MAGIC {
            let found = format!("{m0:02x}{m1:02x}");
            return Err(Error::new(ErrorClass::InvalidMagic, "header.magic", "4156", found).at(0));
        }
        if version != VERSION {
            let found = version.to_string();
            return Err(Error::new(ErrorClass::UnsupportedVersion, "header.version", "1", found).at(2));
        }
        Ok(Self {
            version,
            flags,
            payload_length: u32::from_le_bytes([p0, p1, p2, p3]),
            metadata_length: u32::from_le_bytes([l0, l1, l2, l3]),
        })
    }

    /// The 12 bytes.
    pub fn write(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..2].copy_from_slice(&MAGIC);
        out[2] = self.version;
        out[3] = self.flags;
        out[4..8].copy_from_slice(&self.payload_length.to_le_bytes());
        out[8..].copy_from_slice(&self.metadata_length.to_le_bytes());
        out
    }

    /// Bytes of the whole message, header included. At most 2^32 + 11, so it is kept in 64 bits on every machine.
    pub fn message_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.payload_length)
    }

    /// Where the metadata and the payload section stand in a message that is wholly in memory.
    ///
    /// # Errors
    /// `decode` when the metadata is said to be longer than everything behind the header (AVP-HDR-019, A-016).
    pub(crate) fn sections(&self) -> Result<(Range<usize>, Range<usize>)> {
        if self.metadata_length > self.payload_length {
            return Err(Error::new(
                ErrorClass::Decode,
                "header.metadata_length",
                format!("at most payload_length, {}", self.payload_length),
                self.metadata_length.to_string(),
            )
            .at(8));
        }
        let metadata_end = HEADER_LEN.saturating_add(self.metadata_length as usize);
        let end = HEADER_LEN.saturating_add(self.payload_length as usize);
        Ok((HEADER_LEN..metadata_end, metadata_end..end))
    }
}

/// The flags byte. Which bit means what depends on the dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// Bit 0 in every dialect: the payload section is a zstd frame (AVP-HDR-008).
    pub const COMPRESSED: u8 = 0x01;

    /// The flags of a message (AVP-HDR-008 to AVP-HDR-014). Reserved bits are zero.
    pub fn of(
        dialect: Dialect,
        compressed: bool,
        payload_type: PayloadType,
        mode: Mode,
        has_map: bool,
    ) -> Self {
        let mut bits = if compressed { Self::COMPRESSED } else { 0 };
        if mode == Mode::Hybrid {
            bits |= Self::hybrid_bit(dialect);
        }
        if has_map {
            bits |= Self::map_bit(dialect);
        }
        if payload_type == PayloadType::KvCache {
            bits |= Self::kv_bit(dialect);
        }
        Self(bits)
    }

    /// Whether the payload section is compressed.
    pub fn compressed(self) -> bool {
        self.0 & Self::COMPRESSED != 0
    }

    /// Whether the hybrid flag is set (0.2 only).
    pub fn hybrid(self, dialect: Dialect) -> bool {
        self.0 & Self::hybrid_bit(dialect) != 0
    }

    /// Whether the flag says that a projection map applies.
    pub fn has_map(self, dialect: Dialect) -> bool {
        self.0 & Self::map_bit(dialect) != 0
    }

    /// Whether the flag says that the payload is a KV-cache.
    pub fn kv_cache(self, dialect: Dialect) -> bool {
        self.0 & Self::kv_bit(dialect) != 0
    }

    /// The set bits that mean nothing in this dialect.
    pub fn reserved(self, dialect: Dialect) -> u8 {
        let known =
            Self::COMPRESSED | Self::hybrid_bit(dialect) | Self::map_bit(dialect) | Self::kv_bit(dialect);
        self.0 & !known
    }

    fn hybrid_bit(dialect: Dialect) -> u8 {
        match dialect {
            Dialect::V02 => 0x02,
            Dialect::V01 | Dialect::V04 => 0,
        }
    }

    fn map_bit(dialect: Dialect) -> u8 {
        match dialect {
            Dialect::V01 => 0,
            Dialect::V02 => 0x04,
            Dialect::V04 => 0x02,
        }
    }

    fn kv_bit(dialect: Dialect) -> u8 {
        match dialect {
            Dialect::V01 => 0,
            Dialect::V02 => 0x08,
            Dialect::V04 => 0x04,
        }
    }
}
