//! Protobuf fields, written by hand: right ones, and ones that no library would write.

/// Wire type of a varint.
const VARINT: u8 = 0;
/// Wire type of eight fixed bytes.
const FIXED64: u8 = 1;
/// Wire type of a length and that many bytes.
const LENGTH_DELIMITED: u8 = 2;
/// Wire type of four fixed bytes.
const FIXED32: u8 = 5;

/// Fields in the order in which they are written. Field numbers are not checked, 0 included: some messages must carry
/// one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of all fields.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A field of wire type 0. A negative `int32` is its 64-bit two's complement: ten bytes.
    pub fn varint(&mut self, number: u32, value: u64) -> &mut Self {
        self.varint_padded(number, value, 0)
    }

    /// As [`Self::varint`], with `pad` superfluous continuation bytes behind the value's own.
    pub fn varint_padded(&mut self, number: u32, value: u64, pad: usize) -> &mut Self {
        self.tag(number, VARINT);
        write_varint(&mut self.0, value, pad);
        self
    }

    /// A field of wire type 2 with these bytes.
    pub fn bytes(&mut self, number: u32, bytes: &[u8]) -> &mut Self {
        self.tag(number, LENGTH_DELIMITED);
        write_varint(&mut self.0, bytes.len() as u64, 0);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field of wire type 2 with UTF-8 text.
    pub fn string(&mut self, number: u32, text: &str) -> &mut Self {
        self.bytes(number, text.as_bytes())
    }

    /// A packed repeated varint field.
    pub fn packed(&mut self, number: u32, values: &[u64]) -> &mut Self {
        let mut packed = Vec::new();
        for value in values {
            write_varint(&mut packed, *value, 0);
        }
        self.bytes(number, &packed)
    }

    /// A field of wire type 5 with a number's bits.
    pub fn fixed32(&mut self, number: u32, bits: u32) -> &mut Self {
        self.tag(number, FIXED32);
        self.0.extend_from_slice(&bits.to_le_bytes());
        self
    }

    /// A field of wire type 1 with a number's bits.
    pub fn fixed64(&mut self, number: u32, bits: u64) -> &mut Self {
        self.tag(number, FIXED64);
        self.0.extend_from_slice(&bits.to_le_bytes());
        self
    }

    /// One entry of a `map<string, string>`; a part that is `None` is left out.
    pub fn entry(&mut self, number: u32, key: Option<&str>, value: Option<&str>) -> &mut Self {
        let mut entry = Self::new();
        if let Some(key) = key {
            entry.string(1, key);
        }
        if let Some(value) = value {
            entry.string(2, value);
        }
        self.bytes(number, entry.as_bytes())
    }

    /// These bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn tag(&mut self, number: u32, wire_type: u8) {
        write_varint(&mut self.0, u64::from(number) << 3 | u64::from(wire_type), 0);
    }
}

fn write_varint(out: &mut Vec<u8>, value: u64, pad: usize) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    if pad == 0 {
        out.push(rest as u8);
        return;
    }
    out.push(rest as u8 | 0x80);
    out.extend(std::iter::repeat_n(0x80, pad - 1));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Fields)) -> Vec<u8> {
        let mut fields = Fields::new();
        write(&mut fields);
        fields.into_bytes()
    }

    #[test]
    fn every_form_against_bytes_written_by_hand() {
        assert_eq!(written(|f| _ = f.varint(5, 4096)), [0x28, 0x80, 0x20]);
        assert_eq!(written(|f| _ = f.varint(5, 0)), [0x28, 0x00]);
        assert_eq!(written(|f| _ = f.varint(200, 3)), [0xc0, 0x0c, 0x03]);
        assert_eq!(
            written(|f| _ = f.varint(8, u64::MAX)),
            [0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
        assert_eq!(written(|f| _ = f.varint_padded(5, 2, 3)), [0x28, 0x82, 0x80, 0x80, 0x00]);
        assert_eq!(written(|f| _ = f.varint_padded(5, 2, 1)), [0x28, 0x82, 0x00]);
        assert_eq!(written(|f| _ = f.string(1, "s1")), [0x0a, 0x02, b's', b'1']);
        assert_eq!(written(|f| _ = f.bytes(4, &[0xff, 0xfe])), [0x22, 0x02, 0xff, 0xfe]);
        assert_eq!(written(|f| _ = f.packed(9, &[300, 4096])), [0x4a, 0x04, 0xac, 0x02, 0x80, 0x20]);
        assert_eq!(written(|f| _ = f.fixed32(12, 0.5f32.to_bits())), [0x65, 0, 0, 0, 0x3f]);
        assert_eq!(written(|f| _ = f.fixed64(200, 7)), [0xc1, 0x0c, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            written(|f| _ = f.entry(14, Some("a"), Some("1"))),
            [0x72, 6, 0x0a, 1, b'a', 0x12, 1, b'1']
        );
        assert_eq!(written(|f| _ = f.entry(14, None, Some("1"))), [0x72, 3, 0x12, 1, b'1']);
        assert_eq!(written(|f| _ = f.varint(0, 1)), [0x00, 0x01]);
        assert_eq!(written(|f| _ = f.raw(&[1, 2])), [1, 2]);
    }

    proptest! {
        #[test]
        fn varints_read_back(value: u64, pad in 0usize..5) {
            let bytes = written(|f| _ = f.varint_padded(1, value, pad));
            let digits = &bytes[1..];
            let read = digits.iter().enumerate().fold(0u128, |sum, (at, byte)| {
                sum | u128::from(byte & 0x7f) << (7 * at)
            });
            prop_assert_eq!(read, u128::from(value));
            let (last, front) = digits.split_last().unwrap();
            prop_assert!(last & 0x80 == 0);
            prop_assert!(front.iter().all(|byte| byte & 0x80 != 0));
        }
    }
}
