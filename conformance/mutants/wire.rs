//! Well-formed messages, taken apart just far enough to break one thing in them.

use serde_json::Value;

/// A message by its sections. Lengths are derived on the way out.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) version: u8,
    pub(crate) flags: u8,
    pub(crate) metadata: Vec<u8>,
    pub(crate) section: Vec<u8>,
}

impl Wire {
    /// Takes a message apart whose lengths are consistent.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let head = message.get(..12)?;
        let number = |at: usize| {
            head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(|b| u32::from_le_bytes(b) as usize)
        };
        let (payload, metadata) = (number(4)?, number(8)?);
        if head.get(..2)? != b"AV" || metadata > payload {
            return None;
        }
        Some(Self {
            version: *head.get(2)?,
            flags: *head.get(3)?,
            metadata: message.get(12..12 + metadata)?.to_vec(),
            section: message.get(12 + metadata..12 + payload)?.to_vec(),
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"AV".to_vec();
        out.extend([self.version, self.flags]);
        out.extend(((self.metadata.len() + self.section.len()) as u32).to_le_bytes());
        out.extend((self.metadata.len() as u32).to_le_bytes());
        out.extend(&self.metadata);
        out.extend(&self.section);
        out
    }

    /// The metadata's fields as (number, wire type, whole bytes with tag); `None` when it is no protobuf.
    pub(crate) fn fields(&self) -> Option<Vec<(u64, u8, Vec<u8>)>> {
        let mut rest = self.metadata.as_slice();
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let start = rest;
            let tag = varint(&mut rest)?;
            match tag & 7 {
                0 => drop(varint(&mut rest)?),
                1 => rest = rest.get(8..)?,
                2 => {
                    let len = usize::try_from(varint(&mut rest)?).ok()?;
                    rest = rest.get(len..)?;
                }
                5 => rest = rest.get(4..)?,
                _ => return None,
            }
            fields.push((tag >> 3, (tag & 7) as u8, start.get(..start.len() - rest.len())?.to_vec()));
        }
        Some(fields)
    }

    /// Rewrites the fields one by one: nothing, one or several for each.
    pub(crate) fn edit(&mut self, mut change: impl FnMut(u64, u8, &[u8]) -> Vec<u8>) {
        if let Some(fields) = self.fields() {
            self.metadata = fields.iter().flat_map(|(n, kind, bytes)| change(*n, *kind, bytes)).collect();
        }
    }

    pub(crate) fn drop_field(&mut self, number: u64) {
        self.edit(|n, _, bytes| if n == number { Vec::new() } else { bytes.to_vec() });
    }
}

/// Reads one varint and moves on.
pub(crate) fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A varint's bytes.
pub(crate) fn varint_bytes(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Field 15 with this checksum.
pub(crate) fn checksum_field(value: u32) -> Vec<u8> {
    let mut out = vec![0x78];
    out.extend(varint_bytes(value.into()));
    out
}

/// Whether a JSON value is a number below zero or not a whole number.
pub(crate) fn negative(value: &Value) -> bool {
    value.as_i64().is_some_and(|n| n < 0)
}
