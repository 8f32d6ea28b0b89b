//! A small, bounded reader of protobuf fields.
//!
//! prost writes our metadata but does not read it, because it is stricter and laxer than the protocol in turn: it fails
//! on a known field with another wire type, which must count as unknown (AVP-META-027; messages of 0.1 look like that),
//! it skips groups, which must be refused (AVP-META-028), it can't say at which byte an error lies, and detecting the
//! dialect needs the raw fields. This reader does not recurse and allocates nothing.

use crate::error::{Error, ErrorClass, Result};

/// A varint has 7 bits a byte, so ten bytes hold 64 bits (AVP-META-028).
const MAX_VARINT_LEN: usize = 10;

/// A field's content, by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64,
    /// The bytes, and their offset in the message.
    Bytes(&'a [u8], usize),
    Fixed32(u32),
}

/// One field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    /// Offset of the tag in the message.
    pub(crate) offset: usize,
    pub(crate) value: Value<'a>,
}

/// Reads fields one after the other. `base` is where the bytes start in the message, for error offsets.
#[derive(Clone, Debug)]
pub(crate) struct FieldReader<'a> {
    bytes: &'a [u8],
    pos: usize,
    base: usize,
    name: &'static str,
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], base: usize, name: &'static str) -> Self {
        Self { bytes, pos: 0, base, name }
    }

    /// The next field, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>> {
        if self.pos == self.bytes.len() {
            return Ok(None);
        }
        let offset = self.base + self.pos;
        let tag = self.varint()?;
        let Ok(number @ 1..=0x1fff_ffff) = u32::try_from(tag >> 3) else {
            let found = (tag >> 3).to_string();
            return Err(self.malformed("a field number from 1 to 536870911", found).at(offset));
        };
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take::<8>()?;
                Value::Fixed64
            }
            2 => self.delimited()?,
            5 => Value::Fixed32(u32::from_le_bytes(self.take()?)),
            wire_type => {
                let found = format!("wire type {wire_type} in field {number}");
                return Err(self.malformed("wire type 0, 1, 2 or 5", found).at(offset));
            }
        };
        Ok(Some(Field { number, offset, value }))
    }

    /// The next varint. Superfluous continuation bytes are legal, an eleventh byte or a 65th bit is not.
    pub(crate) fn varint(&mut self) -> Result<u64> {
        let start = self.pos;
        let mut value = 0u64;
        for (i, &byte) in self.bytes[start..].iter().take(MAX_VARINT_LEN).enumerate() {
            if i == MAX_VARINT_LEN - 1 && byte > 1 {
                return Err(self.malformed("a varint of 64 bits", "a longer one").at(self.base + start));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.pos = start + i + 1;
                return Ok(value);
            }
        }
        // Neither ended nor too long: the section ends inside it.
        Err(self.malformed("the rest of a varint", "the end").at(self.base + self.bytes.len()))
    }

    /// Offset of the next field.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.pos
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pos == self.bytes.len()
    }

    fn delimited(&mut self) -> Result<Value<'a>> {
        let len = self.varint()?;
        let rest = &self.bytes[self.pos..];
        match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
            Some(bytes) => {
                let offset = self.base + self.pos;
                self.pos += bytes.len();
                Ok(Value::Bytes(bytes, offset))
            }
            None => Err(self
                .malformed(format!("{len} bytes"), format!("{} bytes", rest.len()))
                .at(self.base + self.pos)),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = &self.bytes[self.pos..];
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(self
                .malformed(format!("{N} bytes"), format!("{} bytes", rest.len()))
                .at(self.base + self.pos));
        };
        self.pos += N;
        Ok(*bytes)
    }

    fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::new(ErrorClass::Decode, self.name, expected, found)
    }
}

/// Text of a string field (AVP-META-029).
pub(crate) fn text<'a>(bytes: &'a [u8], offset: usize, name: &'static str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let bad = error.valid_up_to();
        Error::new(ErrorClass::Decode, name, "UTF-8", format!("byte 0x{:02x}", bytes[bad])).at(offset + bad)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>> {
        let mut reader = FieldReader::new(bytes, 12, "metadata");
        let mut out = Vec::new();
        while let Some(field) = reader.next()? {
            out.push((field.number, field.value));
        }
        Ok(out)
    }

    #[test]
    fn every_wire_type_is_read() {
        let bytes = [0x28, 0x02, 0x22, 0x01, b'm', 0x65, 0, 0, 0, 0x3f, 0xc1, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(
            fields(&bytes).unwrap(),
            [
                (5, Value::Varint(2)),
                (4, Value::Bytes(b"m", 16)),
                (12, Value::Fixed32(0x3f00_0000)),
                (200, Value::Fixed64)
            ]
        );
    }

    #[test]
    fn padded_and_ten_byte_varints_are_legal() {
        assert_eq!(fields(&[0x28, 0x82, 0x80, 0x80, 0x00]).unwrap(), [(5, Value::Varint(2))]);
        let minus_one = [0x38, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(fields(&minus_one).unwrap(), [(7, Value::Varint(u64::MAX))]);
    }

    #[test]
    fn malformed_bytes_are_refused_with_their_offset() {
        let cases: [(&[u8], u64); 9] = [
            (&[0xff, 0xff, 0xff], 15), // cut varint
            (&[0x28], 13),             // no value
            (&[0x22, 0x05, b'a'], 14), // cut string
            (&[0x65, 0, 0], 13),       // cut float
            (&[0x2b], 12),             // group start
            (&[0x2c], 12),             // group end
            (&[0x2e, 0], 12),          // wire type 6
            (&[0x00, 0x01], 12),       // field number 0
            (&[0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 13), // eleven bytes
        ];
        for (bytes, offset) in cases {
            let error = fields(bytes).unwrap_err();
            assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(offset)), "{bytes:02x?}");
        }
        // A length that wraps when it is added to a position.
        let huge = [0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(fields(&huge).is_err());
    }
}
