//! The protobuf wire format, field by field, without a schema.

use std::ops::Range;

/// Deepest nesting of groups that is followed. Protobuf libraries stop at 100.
const MAX_GROUP_DEPTH: usize = 100;
/// Most oddities noted of one input; more of the same say nothing new.
const MAX_ODDITIES: usize = 64;
/// Longest varint: 64 bits in groups of seven.
const MAX_VARINT: usize = 10;
/// Longest field key that every reader takes: 32 bits in groups of seven.
const MAX_KEY: usize = 5;

/// One field as it stands on the wire. Ranges are offsets into the input of the walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawField {
    /// Field number.
    pub number: u32,
    /// Wire type, 0 to 5.
    pub wire: u8,
    /// Key and value.
    pub range: Range<usize>,
    /// Where the value starts (for length-delimited fields: the length, not the content).
    pub value_at: usize,
    /// The value.
    pub value: RawValue,
}

/// The value of a field as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawValue {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: where its content is.
    Len(Range<usize>),
    /// Wire type 3, with everything up to its end tag.
    Group,
    /// Wire type 5.
    Fixed32(u32),
}

/// Why bytes are no protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) offset: usize,
    pub(super) text: String,
}

/// Encodings that readers treat differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Oddity {
    pub(super) range: Range<usize>,
    pub(super) text: &'static str,
}

/// Walks the fields of `bytes`, calling `each` for every one, until the end or the first malformed one.
pub(super) fn walk(
    bytes: &[u8],
    oddities: &mut Vec<Oddity>,
    mut each: impl FnMut(RawField),
) -> Result<(), Malformed> {
    let mut reader = Reader { bytes, at: 0, oddities };
    while reader.at < bytes.len() {
        each(reader.field()?);
    }
    Ok(())
}

/// The varints of a packed field, in order, until the end or the first malformed one.
pub(super) fn packed(
    bytes: &[u8],
    oddities: &mut Vec<Oddity>,
    mut each: impl FnMut(u64),
) -> Result<(), Malformed> {
    let mut reader = Reader { bytes, at: 0, oddities };
    while reader.at < bytes.len() {
        each(reader.varint("number")?);
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    oddities: &'a mut Vec<Oddity>,
}

impl Reader<'_> {
    fn field(&mut self) -> Result<RawField, Malformed> {
        let start = self.at;
        let (number, wire) = self.key()?;
        let value_at = self.at;
        let value = match wire {
            0 => RawValue::Varint(self.varint("value")?),
            1 => RawValue::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => RawValue::Len(self.len()?),
            3 => {
                self.group(number, start)?;
                RawValue::Group
            }
            4 => return Err(malformed(start, format!("field {number} ends a group that never began"))),
            5 => RawValue::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => {
                return Err(malformed(
                    start,
                    format!("field {number} has wire type {wire}, which does not exist"),
                ));
            }
        };
        Ok(RawField { number, wire, range: start..self.at, value_at, value })
    }

    fn key(&mut self) -> Result<(u32, u8), Malformed> {
        let start = self.at;
        let key = self.varint("field key")?;
        let Ok(key) = u32::try_from(key) else {
            return Err(malformed(start, "the field number is beyond 2^29-1".to_owned()));
        };
        if self.at - start > MAX_KEY {
            self.odd(start, "a field key longer than five bytes");
        }
        if key >> 3 == 0 {
            return Err(malformed(start, "field number 0 does not exist".to_owned()));
        }
        Ok((key >> 3, (key & 7) as u8))
    }

    /// Everything up to the end tag of a group, nested ones included, without recursion.
    fn group(&mut self, number: u32, start: usize) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            if self.at >= self.bytes.len() {
                return Err(malformed(start, format!("group {number} never ends")));
            }
            let at = self.at;
            let (inner, wire) = self.key()?;
            match wire {
                3 if open.len() >= MAX_GROUP_DEPTH => {
                    return Err(malformed(at, format!("groups nested deeper than {MAX_GROUP_DEPTH}")));
                }
                3 => open.push(inner),
                4 if inner == innermost => {
                    open.pop();
                }
                _ => {
                    self.at = at;
                    self.field()?;
                }
            }
        }
        self.odd(start, "a group, which proto3 does not have");
        Ok(())
    }

    fn varint(&mut self, what: &str) -> Result<u64, Malformed> {
        let start = self.at;
        let mut value = 0u64;
        for i in 0..MAX_VARINT {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(malformed(start, format!("the {what} is cut off")));
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                if i == MAX_VARINT - 1 && byte > 1 {
                    self.odd(start, "a varint with bits beyond 64");
                }
                return Ok(value);
            }
        }
        Err(malformed(start, format!("the {what} is a varint of more than ten bytes")))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some(bytes) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>) else {
            return Err(malformed(self.at, "the value is cut off".to_owned()));
        };
        self.at += N;
        Ok(*bytes)
    }

    fn len(&mut self) -> Result<Range<usize>, Malformed> {
        let at = self.at;
        let len = self.varint("length")?;
        let left = self.bytes.len() - self.at;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                let content = self.at..self.at + len;
                self.at += len;
                Ok(content)
            }
            _ => Err(malformed(at, format!("a length of {len} with {left} bytes left"))),
        }
    }

    fn odd(&mut self, start: usize, text: &'static str) {
        if self.oddities.len() < MAX_ODDITIES {
            self.oddities.push(Oddity { range: start..self.at, text });
        }
    }
}

fn malformed(offset: usize, text: String) -> Malformed {
    Malformed { offset, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(hex: &[u8]) -> Result<Vec<(u32, RawValue)>, String> {
        let mut list = Vec::new();
        walk(hex, &mut Vec::new(), |f| list.push((f.number, f.value))).map_err(|m| m.text)?;
        Ok(list)
    }

    #[test]
    fn every_wire_type() {
        let bytes = [
            0x28, 0x80, 0x20, // 5: 4096
            0x65, 0, 0, 0, 0x3f, // 12: 0.5f
            0x0a, 2, b's', b'1', // 1: "s1"
            0xc1, 0x0c, 7, 0, 0, 0, 0, 0, 0, 0, // 200: fixed64
            0x2b, 0x08, 1, 0x2c, // 5: a group with a field 1
        ];
        let expected = vec![
            (5, RawValue::Varint(4096)),
            (12, RawValue::Fixed32(0x3f00_0000)),
            (1, RawValue::Len(10..12)),
            (200, RawValue::Fixed64(7)),
            (5, RawValue::Group),
        ];
        assert_eq!(fields(&bytes).unwrap(), expected);
    }

    #[test]
    fn malformed_bytes() {
        for (bytes, says) in [
            (&[0xff, 0xff, 0xff][..], "the field key is cut off"),
            (&[0x28], "the value is cut off"),
            (&[0x00, 0x01], "field number 0"),
            (&[0x06], "field number 0"),
            (&[0x2e], "wire type 6"),
            (&[0x2c], "never began"),
            (&[0x2b], "never ends"),
            (&[0x2b, 0x34], "never began"),
            (
                &[0x28, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
                "more than ten bytes",
            ),
            (&[0x0a, 5, b'x'], "a length of 5 with 1 bytes left"),
            (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "with 0 bytes left"),
            (&[0x65, 1, 2], "the value is cut off"),
            (&[0xf8, 0xff, 0xff, 0xff, 0x7f, 0], "beyond 2^29-1"),
        ] {
            let text = fields(bytes).unwrap_err();
            assert!(text.contains(says), "{bytes:02x?}: {text}");
        }
        assert!(fields(&[0x2b; 5000]).unwrap_err().contains("nested deeper"));
    }

    #[test]
    fn contested_encodings_are_reported() {
        let mut odd = Vec::new();
        walk(&[0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03], &mut odd, |_| ()).unwrap();
        walk(&[0x2b, 0x2c], &mut odd, |_| ()).unwrap();
        walk(&[0xa8, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01], &mut odd, |_| ()).unwrap();
        let texts: Vec<_> = odd.iter().map(|o| o.text).collect();
        assert_eq!(
            texts,
            [
                "a varint with bits beyond 64",
                "a group, which proto3 does not have",
                "a field key longer than five bytes"
            ]
        );
    }
}
