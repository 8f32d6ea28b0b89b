//! A whole AVP message, with lengths that are right or that lie.

/// Bytes of the fixed header (AVP-HDR-001 to 018).
pub const HEADER_LEN: usize = 12;

/// First two bytes of every message: "AV".
pub const MAGIC: [u8; 2] = *b"AV";

/// A message as sections. Nothing is derived but the lengths, and these only when they are not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Bytes 0 and 1.
    pub magic: [u8; 2],
    /// Byte 2.
    pub version: u8,
    /// Byte 3.
    pub flags: u8,
    /// Bytes 4–7; the sections' real length when `None`.
    pub payload_length: Option<u32>,
    /// Bytes 8–11; the metadata section's real length when `None`.
    pub metadata_length: Option<u32>,
    /// The metadata section.
    pub metadata: Vec<u8>,
    /// The payload section, compressed or not.
    pub payload: Vec<u8>,
    /// Bytes behind the message.
    pub tail: Vec<u8>,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            magic: MAGIC,
            version: 1,
            flags: 0,
            payload_length: None,
            metadata_length: None,
            metadata: Vec::new(),
            payload: Vec::new(),
            tail: Vec::new(),
        }
    }
}

impl Message {
    /// The bytes.
    ///
    /// Sections of 4 GiB and more, which a header can't state, get a length modulo 2^32. Nothing here makes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let real_metadata = self.metadata.len();
        let real_payload = real_metadata + self.payload.len();
        let mut bytes = Vec::with_capacity(HEADER_LEN + real_payload + self.tail.len());
        bytes.extend_from_slice(&self.magic);
        bytes.push(self.version);
        bytes.push(self.flags);
        bytes.extend_from_slice(&self.payload_length.unwrap_or(real_payload as u32).to_le_bytes());
        bytes.extend_from_slice(&self.metadata_length.unwrap_or(real_metadata as u32).to_le_bytes());
        bytes.extend_from_slice(&self.metadata);
        bytes.extend_from_slice(&self.payload);
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Fields;

    #[test]
    fn the_second_published_vector() {
        let mut metadata = Fields::new();
        metadata.varint(5, 2).packed(9, &[2]);
        let message = Message {
            metadata: metadata.into_bytes(),
            payload: [1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..Message::default()
        };
        let expected =
            [0x41, 0x56, 1, 0, 13, 0, 0, 0, 5, 0, 0, 0, 0x28, 2, 0x4a, 1, 2, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
        assert_eq!(message.to_bytes(), expected);
    }

    #[test]
    fn lengths_may_lie() {
        let message = Message {
            payload_length: Some(u32::MAX),
            metadata_length: Some(7),
            tail: vec![9],
            ..Message::default()
        };
        assert_eq!(message.to_bytes(), [0x41, 0x56, 1, 0, 255, 255, 255, 255, 7, 0, 0, 0, 9]);
    }
}
