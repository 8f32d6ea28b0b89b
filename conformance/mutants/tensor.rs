//! Tensors that are wrong on purpose: their layout, their bits, their rounding.

use half::{bf16, f16};
use serde_json::Value;

use crate::{Mutant, caches::quiet, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "tensor-by-columns",
        "writes the first dimension fastest",
        tell | asked,
        told | {
            if let Some(payload) = written(asked, told) {
                by_columns(payload, &shape(asked.parts.first().and_then(|part| part.spec.get("shape"))));
            }
        }
    ),
    mutant!(
        "tensor-read-by-columns",
        "reads the first dimension fastest",
        tell | asked,
        told | {
            if let Some(values) = read(asked, told) {
                by_columns(values, &shape(asked.args().get("shape")));
            }
        }
    ),
    mutant!(
        "tensor-read-big-endian",
        "reads every element in network order",
        tell | asked,
        told | {
            let width = match dtype(asked) {
                "FLOAT32" => 4,
                "INT8" => 1,
                _ => 2,
            };
            if let Some(values) = read(asked, told) {
                values.chunks_exact_mut(width).for_each(<[u8]>::reverse);
            }
        }
    ),
    mutant!(
        "tensor-empty-refused",
        "takes a tensor without elements for a mistake",
        tell | asked,
        told | {
            let nothing = |bytes: Option<&mut Vec<u8>>| bytes.is_some_and(|bytes| bytes.is_empty());
            if nothing(written(asked, told)) || nothing(read(asked, told)) {
                told.become_err("invalid_argument");
            }
        }
    ),
    mutant!(
        "tensor-float32-nan-canonical",
        "puts one NaN in place of all",
        tell | asked,
        told | {
            each_float32(asked, told, |bits| if f32::from_bits(bits).is_nan() { 0x7fc0_0000 } else { bits });
        }
    ),
    mutant!(
        "tensor-signalling-nan-quieted",
        "passes float32 through a register that makes every NaN quiet",
        tell | asked,
        told | {
            if dtype(asked) == "FLOAT32"
                && let Some(values) = read(asked, told)
            {
                values.as_chunks_mut().0.iter_mut().for_each(quiet);
            }
        }
    ),
    mutant!(
        "tensor-float32-subnormals-flushed",
        "takes the smallest numbers of float32 for zero",
        tell | asked,
        told | {
            each_float32(asked, told, |bits| {
                if f32::from_bits(bits).is_subnormal() { bits & 0x8000_0000 } else { bits }
            });
        }
    ),
    mutant!(
        "tensor-float16-nan-canonical",
        "puts one float16 NaN in place of all",
        tell | asked,
        told | {
            each_float16(asked, told, |value| if value.is_nan() { f16::NAN } else { value });
        }
    ),
    mutant!(
        "tensor-float16-subnormals-flushed",
        "takes the smallest numbers of float16 for zero",
        tell | asked,
        told | {
            each_float16(asked, told, |value| {
                let tiny = value.to_bits() & 0x7c00 == 0;
                if tiny { f16::from_bits(value.to_bits() & 0x8000) } else { value }
            });
        }
    ),
    mutant!(
        "tensor-bfloat16-through-float16",
        "has no bfloat16 of its own and makes a detour over float16",
        tell | asked,
        told | {
            let detour = |two: &mut [u8; 2]| {
                let value = f16::from_f32(bf16::from_le_bytes(*two).to_f32());
                *two = bf16::from_f32(value.to_f32()).to_le_bytes();
            };
            if dtype(asked) == "BFLOAT16"
                && let Some(bytes) = both(asked, told)
            {
                bytes.as_chunks_mut().0.iter_mut().for_each(detour);
            }
        }
    ),
    mutant!(
        "tensor-bfloat16-lower-half",
        "takes the lower half of a float32 for its bfloat16",
        tell | asked,
        told | {
            if dtype(asked) == "BFLOAT16" {
                converted(asked, told, |bits| bits as u16);
            }
        }
    ),
    mutant!(
        "tensor-float16-truncated",
        "cuts the digits off that float16 has no room for",
        tell | asked,
        told | {
            rounded(asked, told, |exact, nearest| match nearest.to_f32().abs() > exact.abs() {
                true => nearest.to_bits() - 1,
                false => nearest.to_bits(),
            });
        }
    ),
    mutant!(
        "tensor-float16-ties-away",
        "rounds ties away from zero",
        tell | asked,
        told | {
            rounded(asked, told, |exact, nearest| {
                let next = f16::from_bits(nearest.to_bits().wrapping_add(1));
                let (down, up) = (exact.abs() - nearest.to_f32().abs(), next.to_f32().abs() - exact.abs());
                if down > 0.0 && down == up { next.to_bits() } else { nearest.to_bits() }
            });
        }
    ),
    mutant!(
        "tensor-float16-clamped",
        "puts the largest number in place of infinity",
        tell | asked,
        told | {
            rounded(asked, told, |_, nearest| match nearest.is_infinite() {
                true => nearest.to_bits() - 1,
                false => nearest.to_bits(),
            });
        }
    ),
    mutant!(
        "tensor-float16-zero-unsigned",
        "loses the sign of zero",
        tell | asked,
        told | {
            rounded(
                asked,
                told,
                |_, nearest| if nearest.to_bits() == 0x8000 { 0 } else { nearest.to_bits() },
            );
        }
    ),
    mutant!(
        "tensor-float16-nan-content-cut",
        "cuts the digits of a NaN off like those of a number",
        tell | asked,
        told | {
            rounded(asked, told, |exact, nearest| match exact.is_nan() {
                true => (exact.to_bits() >> 16 & 0x8000 | 0x7c00 | exact.to_bits() >> 13 & 0x3ff) as u16,
                false => nearest.to_bits(),
            });
        }
    ),
    mutant!(
        "tensor-int8-offset",
        "stores int8 as an unsigned byte with zero at 128",
        tell | asked,
        told | {
            if dtype(asked) == "INT8"
                && let Some(bytes) = both(asked, told)
            {
                bytes.iter_mut().for_each(|byte| *byte ^= 0x80);
            }
        }
    ),
];

fn dtype(asked: &Frame) -> &str {
    asked.args().get("dtype").and_then(Value::as_str).unwrap_or_default()
}

/// The bytes that `encode_tensor` made.
fn written<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut Vec<u8>> {
    if asked.op() == "encode_tensor" && told.is_ok() { told.part_mut("payload") } else { None }
}

/// The elements that `decode_tensor` found.
fn read<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut Vec<u8>> {
    if asked.op() == "decode_tensor" && told.is_ok() { told.part_mut("values") } else { None }
}

/// Whichever of the two there is.
fn both<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut Vec<u8>> {
    if asked.op() == "encode_tensor" { written(asked, told) } else { read(asked, told) }
}

fn shape(shape: Option<&Value>) -> Vec<usize> {
    let shape = shape.and_then(Value::as_array).into_iter().flatten();
    shape.filter_map(Value::as_u64).map(|n| n as usize).collect()
}

/// Puts elements that lie row by row in the order of columns.
fn by_columns(bytes: &mut Vec<u8>, shape: &[usize]) {
    let count: usize = shape.iter().product();
    let Some(width) = bytes.len().checked_div(count).filter(|width| *width > 0) else { return };
    let elements: Vec<&[u8]> = bytes.chunks_exact(width).collect();
    let place = |mut index: usize| {
        shape.iter().fold(0, |place, dim| {
            let at = index % dim;
            index /= dim;
            place * dim + at
        })
    };
    *bytes = (0..count).filter_map(|index| elements.get(place(index)).copied()).collect::<Vec<_>>().concat();
}

/// Changes the bits of every float32, written or read.
fn each_float32(asked: &Frame, told: &mut Frame, change: impl Fn(u32) -> u32) {
    if dtype(asked) == "FLOAT32"
        && let Some(bytes) = both(asked, told)
    {
        for four in bytes.as_chunks_mut().0 {
            *four = change(u32::from_le_bytes(*four)).to_le_bytes();
        }
    }
}

/// Changes every float16, written or read.
fn each_float16(asked: &Frame, told: &mut Frame, change: impl Fn(f16) -> f16) {
    if dtype(asked) == "FLOAT16"
        && let Some(bytes) = both(asked, told)
    {
        for two in bytes.as_chunks_mut().0 {
            *two = change(f16::from_le_bytes(*two)).to_le_bytes();
        }
    }
}

/// Makes the two bytes of an element from the bits of the float32 that was given.
fn converted(asked: &Frame, told: &mut Frame, make: impl Fn(u32) -> u16) {
    let given = asked.parts.first().filter(|part| part.spec.get("dtype") == Some(&"f32".into()));
    if let Some(given) = given
        && let Some(payload) = written(asked, told)
    {
        let bits = given.bytes.as_chunks().0.iter().map(|four| u32::from_le_bytes(*four));
        *payload = bits.flat_map(|bits| make(bits).to_le_bytes()).collect();
    }
}

/// Makes each float16 from the float32 that was given and the float16 next to it.
fn rounded(asked: &Frame, told: &mut Frame, make: impl Fn(f32, f16) -> u16) {
    if dtype(asked) == "FLOAT16" {
        converted(asked, told, |bits| {
            let exact = f32::from_bits(bits);
            make(exact, f16::from_f32(exact))
        });
    }
}
