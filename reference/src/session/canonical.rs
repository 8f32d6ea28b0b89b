//! The canonical JSON text that hashes are made of: what CPython's
//! `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes (AVP-HASH-001…011).

use super::json::{Json, Member};
use crate::error::{Error, ErrorClass, Result};

/// Appends the canonical text of `value`.
///
/// # Errors
/// `configuration` when an object mixes keys that were integers with keys that were strings: they have no order
/// (AVP-HASH-011).
pub fn write(value: &Json<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Int(digits) => out.extend_from_slice(digits.as_bytes()),
        Json::Float(x) => write_float(*x, out),
        Json::Text(text) => write_string(text.as_bytes(), out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Json::Object(members) => write_object(members, out)?,
    }
    Ok(())
}

fn write_object(members: &[Member<'_>], out: &mut Vec<u8>) -> Result<()> {
    let integers = members.iter().filter(|member| member.integer_key).count();
    if integers != 0 && integers != members.len() {
        return Err(Error::new(
            ErrorClass::Configuration,
            "model_config",
            "an object whose keys are all strings or all integers",
            format!("{integers} integers among {} keys", members.len()),
        ));
    }
    out.push(b'{');
    if integers == 0 {
        write_members(members.iter(), out)?;
    } else {
        let mut by_number: Vec<_> = members.iter().collect();
        by_number.sort_by(|a, b| compare_integers(a.key.as_bytes(), b.key.as_bytes()));
        write_members(by_number.into_iter(), out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_members<'m, 'a: 'm>(members: impl Iterator<Item = &'m Member<'a>>, out: &mut Vec<u8>) -> Result<()> {
    for (index, member) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(member.key.as_bytes(), out);
        out.push(b':');
        write(&member.value, out)?;
    }
    Ok(())
}

/// Orders decimal integers of any size, written without superfluous zeros.
fn compare_integers(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let magnitude = |digits: &[u8]| (digits.len(), digits.to_vec());
    match (a.strip_prefix(b"-"), b.strip_prefix(b"-")) {
        (None, None) => magnitude(a).cmp(&magnitude(b)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(a), Some(b)) => magnitude(b).cmp(&magnitude(a)),
    }
}

/// Appends a string in quotes. `text` is WTF-8; everything outside 0x20..=0x7e is escaped (AVP-HASH-005).
pub fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let short = match byte {
            b'"' => Some(b'"'),
            b'\\' => Some(b'\\'),
            0x08 => Some(b'b'),
            0x0c => Some(b'f'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            _ => None,
        };
        if let Some(short) = short {
            out.extend_from_slice(&[b'\\', short]);
            rest = behind;
        } else if (0x20..=0x7e).contains(&byte) {
            out.push(byte);
            rest = behind;
        } else {
            let (code, length) = code_point(rest);
            rest = rest.get(length..).unwrap_or_default();
            match code.checked_sub(0x10000) {
                None => write_unit(code, out),
                Some(above) => {
                    write_unit(0xd800 + (above >> 10), out);
                    write_unit(0xdc00 + (above & 0x3ff), out);
                }
            }
        }
    }
    out.push(b'"');
}

/// The first code point of non-empty WTF-8 and its length in bytes. Well-formed by construction of the callers' texts.
fn code_point(text: &[u8]) -> (u32, usize) {
    let lead = u32::from(text[0]);
    let (mut code, length) = match lead {
        0..=0x7f => (lead, 1),
        0x80..=0xdf => (lead & 0x1f, 2),
        0xe0..=0xef => (lead & 0x0f, 3),
        _ => (lead & 0x07, 4),
    };
    for &byte in text.iter().take(length).skip(1) {
        code = code << 6 | u32::from(byte & 0x3f);
    }
    (code, length)
}

fn write_unit(unit: u32, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[(unit >> shift & 0xf) as usize]);
    }
}

/// Appends a float as CPython's `repr` writes it: the shortest digits that read back to the same number, in fixed
/// notation for 1e-4 ≤ |x| < 1e16 and scientific otherwise (AVP-HASH-006, 007, 009).
pub fn write_float(x: f64, out: &mut Vec<u8>) {
    if x.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if x.is_infinite() {
        return out.extend_from_slice(if x < 0.0 { b"-Infinity" } else { b"Infinity" });
    }
    let scientific = shortest(x);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    if !(-4..16).contains(&exponent) {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("{mantissa}e{exponent_sign}{:02}", exponent.unsigned_abs()).as_bytes());
        return;
    }
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    // How many digits stand in front of the point; none when negative or zero.
    let point = exponent + 1;
    if point <= 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + point.unsigned_abs() as usize, b'0');
        out.extend_from_slice(&digits);
        return;
    }
    let point = point.unsigned_abs() as usize;
    if point >= digits.len() {
        out.extend_from_slice(&digits);
        out.resize(out.len() + point - digits.len(), b'0');
        out.extend_from_slice(b".0");
    } else {
        out.extend_from_slice(&digits[..point]);
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
}

/// The shortest digits that read back to `x`, and of these the closest to it, in a form like `-1.25e-7` or `5e-324`.
fn shortest(x: f64) -> String {
    let shortest = format!("{x:e}");
    // Where two are equally close, the standard library takes the upper one and CPython the even one, as exact
    // formatting to that many digits does. Next to a power of two the latter may not read back; then there is no tie.
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{x:.*e}", digits - 1);
    if even.parse() == Ok(x) { even } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::json::JsonLimits;

    fn canonical(text: &str) -> String {
        let mut out = Vec::new();
        write(&Json::parse(text, &JsonLimits::CONFIG).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn float(x: f64) -> String {
        let mut out = Vec::new();
        write_float(x, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_as_in_cpython() {
        for (x, text) in [
            (1e15, "1000000000000000.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (0.0001, "0.0001"),
            (0.000_123_4, "0.0001234"),
            (0.00001, "1e-05"),
            (1.5e-5, "1.5e-05"),
            (-0.0, "-0.0"),
            (0.0, "0.0"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1_000_000.0, "1000000.0"),
            (1024.5, "1024.5"),
            // Exactly between two numbers of 17 digits; and a power of two, beside which doubles are uneven.
            (36_550_555_332_981.625 / 2.0, "18275277666490.812"),
            (5.684_341_886_080_802e-14, "5.684341886080802e-14"),
            (9.007_199_254_740_992e15, "9007199254740992.0"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float(x), text);
        }
        assert_eq!(float(f64::NAN), "NaN");
    }

    #[test]
    fn text_as_in_cpython() {
        assert_eq!(
            canonical("{\"b\" : 1, \"a\":{\"d\":1.0,\"c\":[1,2.5,null,true]}}"),
            r#"{"a":{"c":[1,2.5,null,true],"d":1.0},"b":1}"#
        );
        assert_eq!(canonical("\"é\u{7f}\u{2028}/😀'\""), r#""\u00e9\u007f\u2028/\ud83d\ude00'""#);
        assert_eq!(canonical(r#""\ud800x\u0001\b\f\n\r\t\"\\\/""#), r#""\ud800x\u0001\b\f\n\r\t\"\\/""#);
        // U+FFFF sorts before U+1F600 by code point, behind it by UTF-16 unit.
        assert_eq!(canonical("{\"😀\":1,\"\u{ffff}\":2}"), r#"{"\uffff":2,"\ud83d\ude00":1}"#);
    }

    #[test]
    fn integer_keys_sort_as_numbers() {
        let mut value = Json::parse(r#"{"10":0,"9":0,"-1":0,"-20":0,"0":0}"#, &JsonLimits::CONFIG).unwrap();
        for key in ["/10", "/9", "/-1", "/-20", "/0"] {
            value.mark_integer_key(key).unwrap();
        }
        let mut out = Vec::new();
        write(&value, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"-20":0,"-1":0,"0":0,"9":0,"10":0}"#);
    }

    #[test]
    fn mixed_keys_have_no_order() {
        let mut value = Json::parse(r#"{"1":2,"a":3}"#, &JsonLimits::CONFIG).unwrap();
        value.mark_integer_key("/1").unwrap();
        assert_eq!(write(&value, &mut Vec::new()).unwrap_err().class, ErrorClass::Configuration);
    }
}
