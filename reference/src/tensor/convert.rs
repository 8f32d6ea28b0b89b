//! Between element types.

use std::borrow::Cow;

use half::{bf16, f16};

use super::view::TensorView;
use crate::{
    error::{Error, ErrorClass, Result},
    wire::DataType,
};

/// Little-endian bytes of the values in an element type. To float16 and bfloat16 by rounding to nearest, ties to even
/// (AVP-PAY-005).
///
/// # Errors
/// `invalid_argument` for INT8 and a value that is not a whole number from −128 to 127: turning floats into bytes needs
/// a scale, which a plain tensor does not have.
pub fn encode_f32(values: &[f32], dtype: DataType) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(values.len() * dtype.size());
    match dtype {
        DataType::Float32 => values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes())),
        DataType::Float16 => {
            values.iter().for_each(|v| out.extend_from_slice(&f16::from_f32(*v).to_le_bytes()));
        }
        DataType::BFloat16 => {
            values.iter().for_each(|v| out.extend_from_slice(&bf16::from_f32(*v).to_le_bytes()));
        }
        DataType::Int8 => {
            for (i, &value) in values.iter().enumerate() {
                let byte = value as i8;
                if f32::from(byte) != value {
                    return Err(Error::new(
                        ErrorClass::InvalidArgument,
                        "tensor",
                        "whole numbers from -128 to 127 for INT8",
                        format!("{value} in element {i}"),
                    ));
                }
                out.push(byte as u8);
            }
        }
    }
    Ok(out)
}

/// The values as 32-bit floats. Exact for every element type.
pub fn decode_f32(tensor: &TensorView<'_>) -> Vec<f32> {
    let bytes = tensor.bytes();
    let pairs = || bytes.as_chunks::<2>().0.iter();
    match tensor.dtype() {
        DataType::Float32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        DataType::Float16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        DataType::BFloat16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        DataType::Int8 => bytes.iter().map(|&b| f32::from(b as i8)).collect(),
    }
}

/// The tensor's bytes in an element type. The same type is handed through to the bit, NaN payloads included
/// (AVP-PAY-002 to AVP-PAY-004); others go through 32-bit floats, which hold all of them.
///
/// # Errors
/// See [`encode_f32`].
pub fn convert<'a>(tensor: &TensorView<'a>, to: DataType) -> Result<Cow<'a, [u8]>> {
    if tensor.dtype() == to {
        return Ok(Cow::Borrowed(tensor.bytes()));
    }
    encode_f32(&decode_f32(tensor), to).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f32], dtype: DataType) -> Vec<u16> {
        let bytes = encode_f32(values, dtype).unwrap();
        bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect()
    }

    #[test]
    fn ties_go_to_even() {
        // Half a unit above 1.0, one unit and a half above, and a hair beside each.
        let f16_ties =
            [1.0 + 2f32.powi(-11), 1.0 + 3.0 * 2f32.powi(-11), 1.0 + 2f32.powi(-11) + 2f32.powi(-20)];
        assert_eq!(bits(&f16_ties, DataType::Float16), [0x3c00, 0x3c02, 0x3c01]);
        let bf16_ties =
            [1.0 + 2f32.powi(-8), 1.0 + 3.0 * 2f32.powi(-8), 1.0 + 2f32.powi(-8) + 2f32.powi(-20)];
        assert_eq!(bits(&bf16_ties, DataType::BFloat16), [0x3f80, 0x3f82, 0x3f81]);
        // The largest float16, the first value that rounds beyond it, the smallest subnormal and its half.
        let edges = [65504.0, 65519.99, 65520.0, 2f32.powi(-24), 2f32.powi(-25), -0.0];
        assert_eq!(bits(&edges, DataType::Float16), [0x7bff, 0x7bff, 0x7c00, 0x0001, 0x0000, 0x8000]);
    }

    #[test]
    fn every_16_bit_pattern_survives_its_own_type() {
        let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for dtype in [DataType::Float16, DataType::BFloat16] {
            let tensor = TensorView::flat(dtype, &all).unwrap();
            assert_eq!(convert(&tensor, dtype).unwrap(), all);
        }
    }

    #[test]
    fn widening_and_narrowing_is_exact() {
        for dtype in [DataType::Float16, DataType::BFloat16] {
            let finite: Vec<u8> = (0..=u16::MAX)
                .map(u16::to_le_bytes)
                .filter(|b| match dtype {
                    DataType::Float16 => !f16::from_le_bytes(*b).is_nan(),
                    _ => !bf16::from_le_bytes(*b).is_nan(),
                })
                .flatten()
                .collect();
            let tensor = TensorView::flat(dtype, &finite).unwrap();
            let wide = convert(&tensor, DataType::Float32).unwrap();
            let back = convert(&TensorView::flat(DataType::Float32, &wide).unwrap(), dtype).unwrap();
            assert_eq!(back, finite);
        }
    }

    #[test]
    fn int8_takes_whole_numbers_only() {
        assert_eq!(
            encode_f32(&[-128.0, -1.0, 0.0, 127.0], DataType::Int8).unwrap(),
            [0x80, 0xff, 0x00, 0x7f]
        );
        for bad in [0.5, 128.0, -129.0, f32::NAN, f32::INFINITY] {
            assert_eq!(encode_f32(&[bad], DataType::Int8).unwrap_err().class, ErrorClass::InvalidArgument);
        }
    }
}
