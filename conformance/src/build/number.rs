//! Numbers → little-endian bytes, with the rounding done by hand.

/// Element type of a list of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum NumberType {
    F64,
    F32,
    F16,
    Bf16,
    U32,
    U16,
    U8,
    I8,
}

impl NumberType {
    /// All types with their names in recipes.
    pub const NAMED: [(&str, Self); 8] = [
        ("f64", Self::F64),
        ("f32", Self::F32),
        ("f16", Self::F16),
        ("bf16", Self::Bf16),
        ("u32", Self::U32),
        ("u16", Self::U16),
        ("u8", Self::U8),
        ("i8", Self::I8),
    ];

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::U16 => 2,
            Self::U8 | Self::I8 => 1,
        }
    }
}

/// A number as a recipe gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i128),
    /// Any other, NaN and the infinities among them.
    Float(f64),
}

/// A number that its element type can't hold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NumberError {
    /// A whole number out of the type's range.
    #[error("{value} is not within {least}..={most}")]
    OutOfRange {
        /// The number.
        value: i128,
        /// Least number of the type.
        least: i128,
        /// Greatest number of the type.
        most: i128,
    },
    /// A fraction, NaN or infinity for an integer type.
    #[error("{0} is not a whole number")]
    NotWhole(f64),
}

/// Appends one number to `out`. f32 is rounded from the decimal number, f16 and bf16 from that f32 (both to nearest,
/// ties to even).
///
/// # Errors
/// [`NumberError`] for a number that an integer type can't hold.
pub fn number_bytes(out: &mut Vec<u8>, kind: NumberType, number: Number) -> Result<(), NumberError> {
    match kind {
        NumberType::F64 => out.extend_from_slice(&as_f64(number).to_le_bytes()),
        NumberType::F32 => out.extend_from_slice(&(as_f64(number) as f32).to_le_bytes()),
        NumberType::F16 => out.extend_from_slice(&f16_bits(as_f64(number) as f32).to_le_bytes()),
        NumberType::Bf16 => out.extend_from_slice(&bf16_bits(as_f64(number) as f32).to_le_bytes()),
        NumberType::U32 => out.extend_from_slice(&(whole(number, 0, u32::MAX.into())? as u32).to_le_bytes()),
        NumberType::U16 => out.extend_from_slice(&(whole(number, 0, u16::MAX.into())? as u16).to_le_bytes()),
        NumberType::U8 => out.push(whole(number, 0, u8::MAX.into())? as u8),
        NumberType::I8 => out.push(whole(number, i8::MIN.into(), i8::MAX.into())? as i8 as u8),
    }
    Ok(())
}

fn as_f64(number: Number) -> f64 {
    match number {
        Number::Int(value) => value as f64,
        Number::Float(value) => value,
    }
}

fn whole(number: Number, least: i128, most: i128) -> Result<i128, NumberError> {
    match number {
        Number::Int(value) if (least..=most).contains(&value) => Ok(value),
        Number::Int(value) => Err(NumberError::OutOfRange { value, least, most }),
        Number::Float(value) => Err(NumberError::NotWhole(value)),
    }
}

/// Bits of the IEEE 754 half nearest to `value`, ties to even. NaN keeps its sign and the top of its payload, and is
/// quiet.
pub fn f16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let fraction = bits & 0x007f_ffff;
    match exponent {
        128 if fraction != 0 => sign | 0x7e00 | (fraction >> 13) as u16,
        16.. => sign | 0x7c00,
        -14..=15 => {
            let truncated = ((exponent + 15) as u32) << 10 | fraction >> 13;
            // A carry out of the fraction raises the exponent, up to infinity: just what rounding asks for.
            sign | round_up(truncated, fraction & 0x1fff, 0x1000) as u16
        }
        -25..=-15 => {
            // Below the normal numbers the unit is 2^-24; the value is significand * 2^(exponent - 23).
            let significand = fraction | 0x0080_0000;
            let shift = (-1 - exponent) as u32;
            let rest = significand & ((1 << shift) - 1);
            sign | round_up(significand >> shift, rest, 1 << (shift - 1)) as u16
        }
        _ => sign,
    }
}

/// Bits of the bfloat16 nearest to `value`, ties to even. NaN keeps its sign and the top of its payload, and is quiet.
pub fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x0040;
    }
    round_up(bits >> 16, bits & 0xffff, 0x8000) as u16
}

/// `truncated`, or one more when `rest` is above `half`, or equal to it and `truncated` is odd.
fn round_up(truncated: u32, rest: u32, half: u32) -> u32 {
    let up = rest > half || (rest == half && truncated & 1 == 1);
    truncated + u32::from(up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_against_bits_written_by_hand() {
        for (value, bits) in [
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65519.996, 0x7bff),
            (65520.0, 0x7c00),
            (f32::INFINITY, 0x7c00),
            (f32::NEG_INFINITY, 0xfc00),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (2.980_232_2e-8, 0x0000),
            (2.980_232_6e-8, 0x0001),
            (-0.0, 0x8000),
            (1.000_488_3, 0x3c00),
            (1.001_464_8, 0x3c02),
        ] {
            assert_eq!(f16_bits(value), bits, "{value}");
        }
        assert_eq!(f16_bits(f32::NAN) & 0x7e00, 0x7e00);
        assert_eq!(bf16_bits(1.0), 0x3f80);
        assert_eq!(bf16_bits(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(bf16_bits(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(bf16_bits(f32::MAX), 0x7f80);
        assert!(f32::from_bits(u32::from(bf16_bits(f32::from_bits(0x7f80_0001))) << 16).is_nan());
    }

    #[test]
    fn every_half_reads_back() {
        for bits in 0..=u16::MAX {
            let value = half::f16::from_bits(bits).to_f32();
            if !value.is_nan() {
                assert_eq!(f16_bits(value), bits);
            }
        }
    }

    #[test]
    fn integers_stay_in_range() {
        let mut out = Vec::new();
        number_bytes(&mut out, NumberType::I8, Number::Int(-128)).unwrap();
        number_bytes(&mut out, NumberType::U16, Number::Int(0x0102)).unwrap();
        assert_eq!(out, [0x80, 0x02, 0x01]);
        assert!(number_bytes(&mut out, NumberType::I8, Number::Int(128)).is_err());
        assert!(number_bytes(&mut out, NumberType::U8, Number::Int(-1)).is_err());
        assert!(number_bytes(&mut out, NumberType::U32, Number::Float(1.5)).is_err());
        assert!(number_bytes(&mut out, NumberType::U32, Number::Float(f64::NAN)).is_err());
    }

    proptest! {
        #[test]
        fn rounding_agrees_with_another_implementation(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assert_eq!(f16_bits(value), half::f16::from_f32(value).to_bits());
            prop_assert_eq!(bf16_bits(value), half::bf16::from_f32(value).to_bits());
        }
    }
}
