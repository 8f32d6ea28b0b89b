//! Short texts for long values.

use std::fmt::Write as _;

use half::{bf16, f16};

use crate::case::Dtype;

/// Longest text value shown in full.
const MAX_TEXT: usize = 48;
/// Numbers shown of a tensor.
const MAX_NUMBERS: usize = 6;

/// Text in quotes, controls escaped, long ones cut.
pub(super) fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for (i, c) in text.chars().enumerate() {
        if i == MAX_TEXT {
            let _ = write!(out, "\"… {} bytes", text.len());
            return out;
        }
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('"');
    out
}

/// The first numbers of `data` as elements of `dtype`, and how many there are.
pub(super) fn numbers(data: &[u8], dtype: Dtype) -> String {
    let size = dtype.size();
    let count = data.len() / size;
    if data.is_empty() {
        return "empty".to_owned();
    }
    let mut out = format!("{count} × {}", name(dtype));
    let rest = data.len() % size;
    if rest != 0 {
        let _ = write!(out, " + {rest} odd bytes");
    }
    for (i, element) in data.chunks_exact(size).take(MAX_NUMBERS).enumerate() {
        out.push_str(if i == 0 { ": " } else { ", " });
        push_number(&mut out, element, dtype);
    }
    if count > MAX_NUMBERS {
        out.push_str(", …");
    }
    out
}

fn push_number(out: &mut String, element: &[u8], dtype: Dtype) {
    let _ = match (dtype, element) {
        (Dtype::F64, &[a, b, c, d, e, f, g, h]) => {
            write!(out, "{}", f64::from_le_bytes([a, b, c, d, e, f, g, h]))
        }
        (Dtype::F32, &[a, b, c, d]) => write!(out, "{}", f32::from_le_bytes([a, b, c, d])),
        (Dtype::U32, &[a, b, c, d]) => write!(out, "{}", u32::from_le_bytes([a, b, c, d])),
        (Dtype::F16, &[a, b]) => write!(out, "{}", f16::from_le_bytes([a, b])),
        (Dtype::Bf16, &[a, b]) => write!(out, "{}", bf16::from_le_bytes([a, b])),
        (Dtype::I8, &[a]) => write!(out, "{}", a.cast_signed()),
        (_, bytes) => write!(out, "{bytes:02x?}"),
    };
}

/// The contract's name of a dtype.
pub(super) fn name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::F16 => "f16",
        Dtype::Bf16 => "bf16",
        Dtype::I8 => "i8",
        Dtype::U8 => "u8",
        Dtype::U32 => "u32",
        Dtype::F64 => "f64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers() {
        assert_eq!(text("a\nb\"é"), "\"a\\nb\"é\"");
        assert_eq!(text(&"x".repeat(60)), format!("\"{}\"… 60 bytes", "x".repeat(48)));
        assert_eq!(numbers(&[], Dtype::F32), "empty");
        assert_eq!(numbers(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40], Dtype::F32), "2 × f32: 1, 2");
        assert_eq!(numbers(&[0, 0x3c, 7], Dtype::F16), "1 × f16 + 1 odd bytes: 1");
        assert_eq!(numbers(&[0x80, 0xff], Dtype::I8), "2 × i8: -128, -1");
        assert_eq!(numbers(&[1; 9], Dtype::U8), "9 × u8: [01], [01], [01], [01], [01], [01], …");
    }
}
