//! The start of a message, without its payload.

use super::{
    decoder::Decoder,
    dialect::Dialect,
    header::{HEADER_LEN, Header},
    limits::DEFAULT_MAX_METADATA,
    metadata::Metadata,
    proto::{FieldReader, Value},
};
use crate::error::{Error, ErrorClass, Result};

/// Number of `session_id` in the metadata of 0.2 and 0.4.
const SESSION_ID: u32 = 1;
/// Its tag: the number and wire type 2, bytes with their length in front.
const SESSION_ID_TAG: u8 = (SESSION_ID as u8) << 3 | 2;

/// Header and metadata of a message whose payload lies elsewhere, for instance in a file that is sent as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The header.
    pub header: Header,
    /// The metadata.
    pub metadata: Metadata,
    /// The dialect, as far as the head tells.
    pub dialect: Dialect,
    section: Vec<u8>,
}

impl Head {
    /// Bytes that [`Head::read`] needs of a message that starts with these twelve or more.
    ///
    /// # Errors
    /// As [`Header::parse`]; `decode` when the metadata is said to be longer than the message, `limit_exceeded` when it
    /// is longer than [`DEFAULT_MAX_METADATA`].
    pub fn len_of(bytes: &[u8]) -> Result<usize> {
        let header = Header::parse(bytes)?;
        header.sections()?;
        if u64::from(header.metadata_length) > DEFAULT_MAX_METADATA {
            let expected = format!("at most {DEFAULT_MAX_METADATA}");
            let found = header.metadata_length.to_string();
            return Err(
                Error::new(ErrorClass::LimitExceeded, "header.metadata_length", expected, found).at(8)
            );
        }
        Ok(HEADER_LEN + header.metadata_length as usize)
    }

    /// Reads the head of a message. What stands behind it is not looked at.
    ///
    /// # Errors
    /// As [`Head::len_of`], and `decode` when fewer bytes are there or the metadata is malformed.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let len = Self::len_of(bytes)?;
        let header = Header::parse(bytes)?;
        let Some(section) = bytes.get(HEADER_LEN..len) else {
            let (expected, found) = (format!("{len} bytes"), format!("{} bytes", bytes.len()));
            return Err(Error::new(ErrorClass::Decode, "metadata", expected, found).at(bytes.len()));
        };
        let (metadata, dialect) = Decoder::new().head(&header, section)?;
        Ok(Self { header, metadata, dialect, section: section.to_vec() })
    }

    /// Bytes of header and metadata: the payload starts behind them.
    pub fn len(&self) -> usize {
        HEADER_LEN + self.section.len()
    }

    /// Never: there is always a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Header and metadata of the same message in another session. The payload stays as it is, and so does every other
    /// field, unknown ones included.
    ///
    /// # Errors
    /// `invalid_argument` in dialect 0.1, which has no sessions; `limit_exceeded` when the message gets longer than the
    /// header can say.
    pub fn in_session(&self, session_id: &str) -> Result<Vec<u8>> {
        if self.dialect == Dialect::V01 {
            let (expected, found) = ("dialect 0.2 or 0.4", "0.1");
            return Err(Error::new(ErrorClass::InvalidArgument, "message.session_id", expected, found));
        }
        let mut section = Vec::with_capacity(self.section.len() + session_id.len() + 4);
        if !session_id.is_empty() {
            section.push(SESSION_ID_TAG);
            prost::encoding::encode_varint(session_id.len() as u64, &mut section);
            section.extend_from_slice(session_id.as_bytes());
        }
        let mut reader = FieldReader::new(&self.section, 0, "metadata");
        while let Some(field) = reader.next()? {
            if !matches!((field.number, field.value), (SESSION_ID, Value::Bytes(..))) {
                section.extend_from_slice(&self.section[field.offset..reader.offset()]);
            }
        }
        let payload = u64::from(self.header.payload_length) - self.section.len() as u64;
        let too_long = || {
            let found = format!("{} bytes", payload + section.len() as u64);
            Error::new(ErrorClass::LimitExceeded, "message", "at most 2^32 - 1 bytes", found)
        };
        let payload_length = u32::try_from(payload + section.len() as u64).map_err(|_| too_long())?;
        let metadata_length = u32::try_from(section.len()).map_err(|_| too_long())?;
        let header = Header { payload_length, metadata_length, ..self.header };
        Ok([&header.write()[..], &section].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Compression, Encoder};

    fn message(compression: Compression) -> (Metadata, Vec<u8>) {
        let metadata = Metadata {
            session_id: "old".into(),
            model_id: "m".into(),
            hidden_dim: 4,
            extra: [("k".to_owned(), "v".to_owned())].into(),
            ..Metadata::default()
        };
        let bytes = Encoder::new().compression(compression).encode(&metadata, &[7; 5000]).unwrap();
        (metadata, bytes)
    }

    #[test]
    fn a_message_moves_to_another_session_and_nothing_else_changes() {
        for compression in [Compression::None, Compression::Balanced] {
            let (metadata, bytes) = message(compression);
            let before = Decoder::new().decode(&bytes).unwrap().metadata;
            for session_id in ["new", "", &"x".repeat(1000)] {
                let head = Head::read(&bytes).unwrap();
                assert_eq!(head.metadata.model_id, metadata.model_id);
                let moved = [&head.in_session(session_id).unwrap()[..], &bytes[head.len()..]].concat();
                let message = Decoder::new().decode(&moved).unwrap();
                assert_eq!(message.metadata, Metadata { session_id: session_id.into(), ..before.clone() });
                assert_eq!(&*message.payload, &[7; 5000]);
            }
        }
    }

    #[test]
    fn unknown_fields_and_repeated_ids_are_kept_and_dropped() {
        let (_, bytes) = message(Compression::None);
        let head = Head::read(&bytes).unwrap();
        // A second session id and field 200, a varint.
        let section = [&head.section[..], b"\x0a\x01z", &[0xc0, 0x0c, 5]].concat();
        let header = Header {
            payload_length: head.header.payload_length + 6,
            metadata_length: head.header.metadata_length + 6,
            ..head.header
        };
        let odd = [&header.write()[..], &section, &bytes[head.len()..]].concat();
        let head = Head::read(&odd).unwrap();
        assert_eq!(head.metadata.session_id, "z");
        let moved = head.in_session("new").unwrap();
        assert!(moved.ends_with(&[0xc0, 0x0c, 5]));
        assert_eq!(moved.windows(3).filter(|bytes| bytes == b"\x0a\x01z").count(), 0);
        assert_eq!(Head::read(&moved).unwrap().metadata.session_id, "new");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let (_, bytes) = message(Compression::None);
        let len = Head::len_of(&bytes).unwrap();
        for cut in 0..len {
            assert_eq!(Head::read(&bytes[..cut]).unwrap_err().class, ErrorClass::Decode, "{cut}");
        }
        Head::read(&bytes[..len]).unwrap();
        let long = Header { version: 1, flags: 0, payload_length: 1 << 30, metadata_length: 1 << 29 };
        assert_eq!(Head::read(&long.write()).unwrap_err().class, ErrorClass::LimitExceeded);
        let full = Header { version: 1, flags: 0, payload_length: u32::MAX, metadata_length: 0 };
        let head = Head::read(&full.write()).unwrap();
        assert_eq!(head.in_session("s").unwrap_err().class, ErrorClass::LimitExceeded);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, section: Vec<u8>) {
            let _ = Head::read(&bytes);
            let header = Header { version: 1, flags: 0, payload_length: 9000, metadata_length: section.len() as u32 };
            if let Ok(head) = Head::read(&[&header.write()[..], &section].concat()) {
                let _ = head.in_session("s").map(|bytes| Head::read(&bytes).unwrap());
            }
        }
    }
}
