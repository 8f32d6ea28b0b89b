//! The canonical text of a configuration or a vocabulary, and its SHA-256 (AVP-HASH).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::json::{Json, JsonError, JsonText, parse};

/// Why a configuration has no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The text is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// One object has integer keys and text keys (AVP-HASH-011).
    #[error("an object mixes integer and text keys")]
    MixedKeys,
    /// A pointer of `int_keys` leads nowhere, or to a key that is no integer.
    #[error("{0:?} names no integer key")]
    NoSuchKey(String),
}

/// Hash of a model configuration given as JSON text. `int_keys` are JSON pointers to members whose keys were integers in
/// memory; objects of such keys are ordered by number (AVP-HASH-010).
///
/// # Errors
/// [`HashError`], see there.
pub fn model_hash(json: &str, int_keys: &[&str]) -> Result<String, HashError> {
    Ok(hex_digest(&canonical_text(json, int_keys)?))
}

/// The text that [`model_hash`] hashes.
///
/// # Errors
/// [`HashError`], see there.
pub fn canonical_text(json: &str, int_keys: &[&str]) -> Result<String, HashError> {
    let value = parse(json)?;
    for pointer in int_keys {
        if !leads_to_member(&value, pointer) {
            return Err(HashError::NoSuchKey((*pointer).to_owned()));
        }
    }
    let mut writer = Writer { out: String::new(), int_keys, path: String::new() };
    writer.value(&value)?;
    Ok(writer.out)
}

/// Hash of a vocabulary: pairs of token and id, in any order (AVP-HASH-014).
pub fn tokenizer_hash(vocabulary: &[(JsonText, i64)]) -> String {
    let mut pairs: Vec<_> = vocabulary.iter().collect();
    pairs.sort();
    let mut text = String::from("[");
    for (i, (token, id)) in pairs.into_iter().enumerate() {
        text.push_str(if i == 0 { "[" } else { ",[" });
        push_text(&mut text, token);
        let _ = write!(text, ",{id}]");
    }
    text.push(']');
    hex_digest(&text)
}

fn hex_digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn pointer_step(key: &JsonText) -> String {
    let text: String = key.iter().map(|&c| char::from_u32(c).unwrap_or('\u{fffd}')).collect();
    format!("/{}", text.replace('~', "~0").replace('/', "~1"))
}

fn leads_to_member(value: &Json, pointer: &str) -> bool {
    match value {
        Json::Object(members) => members.iter().any(|(key, inner)| {
            pointer.strip_prefix(&pointer_step(key)).is_some_and(|rest| {
                if rest.is_empty() {
                    is_integer(key)
                } else {
                    rest.starts_with('/') && leads_to_member(inner, rest)
                }
            })
        }),
        Json::Array(items) => items.iter().enumerate().any(|(i, inner)| {
            pointer.strip_prefix(&format!("/{i}")).is_some_and(|rest| leads_to_member(inner, rest))
        }),
        _ => false,
    }
}

fn is_integer(key: &JsonText) -> bool {
    integer(key).is_some()
}

fn integer(key: &JsonText) -> Option<i128> {
    let text: Option<String> = key.iter().map(|&c| char::from_u32(c)).collect();
    text?.parse().ok()
}

struct Writer<'a> {
    out: String,
    int_keys: &'a [&'a str],
    path: String,
}

impl Writer<'_> {
    fn value(&mut self, value: &Json) -> Result<(), HashError> {
        match value {
            Json::Null => self.out.push_str("null"),
            Json::Bool(true) => self.out.push_str("true"),
            Json::Bool(false) => self.out.push_str("false"),
            Json::Int(digits) => self.out.push_str(digits),
            Json::Float(number) => self.out.push_str(&float_repr(*number)),
            Json::Text(text) => push_text(&mut self.out, text),
            Json::Array(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.comma(i);
                    self.inside(&format!("/{i}"), item)?;
                }
                self.out.push(']');
            }
            Json::Object(members) => self.object(members)?,
        }
        Ok(())
    }

    fn object(&mut self, members: &[(JsonText, Json)]) -> Result<(), HashError> {
        let was_integer = |key: &JsonText| {
            let pointer = format!("{}{}", self.path, pointer_step(key));
            self.int_keys.contains(&pointer.as_str())
        };
        let integers = members.iter().filter(|(key, _)| was_integer(key)).count();
        if integers != 0 && integers != members.len() {
            return Err(HashError::MixedKeys);
        }
        let mut sorted: Vec<_> = members.iter().collect();
        if integers > 0 {
            sorted.sort_by_key(|(key, _)| integer(key));
        } else {
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
        }
        self.out.push('{');
        for (i, (key, value)) in sorted.into_iter().enumerate() {
            self.comma(i);
            push_text(&mut self.out, key);
            self.out.push(':');
            self.inside(&pointer_step(key), value)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn inside(&mut self, step: &str, value: &Json) -> Result<(), HashError> {
        if self.int_keys.is_empty() {
            return self.value(value);
        }
        let len = self.path.len();
        self.path.push_str(step);
        self.value(value)?;
        self.path.truncate(len);
        Ok(())
    }

    fn comma(&mut self, i: usize) {
        if i > 0 {
            self.out.push(',');
        }
    }
}

/// A string as CPython writes it with `ensure_ascii` (AVP-HASH-005).
fn push_text(out: &mut String, text: &[u32]) {
    out.push('"');
    for &code in text {
        match code {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x20..=0x7e => out.push(code as u8 as char),
            0..=0xffff => {
                let _ = write!(out, "\\u{code:04x}");
            }
            _ => {
                let rest = code - 0x10000;
                let _ = write!(out, "\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
            }
        }
    }
    out.push('"');
}

/// A float as CPython's `repr` writes it (AVP-HASH-006, 007, 009).
pub fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = shortest(number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if number.is_sign_negative() { "-" } else { "" };
    format!("{sign}{}", placed(&digits, exponent))
}

/// The fewest digits that read back, as `d.ddde±x`. When the number lies just between two decimals of that length, CPython
/// takes the one with the even last digit and Rust the greater one: -26.3501129150390625 is …062 there and …063 here.
fn shortest(number: f64) -> String {
    let up = format!("{number:e}");
    let digits = up.bytes().take_while(|&b| b != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{number:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(number) { even } else { up }
}

/// `digits` with the point after the first one, times ten to the `exponent`.
fn placed(digits: &str, exponent: i32) -> String {
    let fixed = digits == "0" || (-4..16).contains(&exponent);
    if !fixed {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
    }
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let before = exponent as usize + 1;
    if digits.len() <= before {
        return format!("{digits}{}.0", "0".repeat(before - digits.len()));
    }
    format!("{}.{}", &digits[..before], &digits[before..])
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::build::SplitMix64;
    use crate::oracle::json::text;

    #[test]
    fn floats_as_cpython_writes_them() {
        for (number, written) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e22, "1e+22"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (1.0 / 3.0, "0.3333333333333333"),
            (-123.456, "-123.456"),
            (1e100, "1e+100"),
            (-1_726_881.0 / 65_536.0, "-26.350112915039062"),
            (0.5f64.powi(44), "5.684341886080802e-14"),
            (1.5e-323, "1.5e-323"),
        ] {
            assert_eq!(float_repr(number), written);
        }
    }

    #[test]
    fn integer_keys_are_ordered_by_number() {
        let json = r#"{"m":{"10":"a","9":"b","-1":"c"}}"#;
        let keys = ["/m/10", "/m/9", "/m/-1"];
        assert_eq!(canonical_text(json, &keys).unwrap(), r#"{"m":{"-1":"c","9":"b","10":"a"}}"#);
        assert_eq!(canonical_text(json, &[]).unwrap(), r#"{"m":{"-1":"c","10":"a","9":"b"}}"#);
        assert_eq!(canonical_text(json, &keys[..1]), Err(HashError::MixedKeys));
        assert!(matches!(canonical_text(json, &["/m/7"]), Err(HashError::NoSuchKey(_))));
    }

    #[test]
    fn keys_are_ordered_by_code_point() {
        let json = "{\"\u{1f600}\":1,\"\u{ffff}\":2,\"\\ud800\":3,\"Z\":4,\"a\":5}";
        let expected = r#"{"Z":4,"a":5,"\ud800":3,"\uffff":2,"\ud83d\ude00":1}"#;
        assert_eq!(canonical_text(json, &[]).unwrap(), expected);
    }

    #[test]
    fn a_vocabulary_is_a_list_of_pairs() {
        let pairs = [(text("b"), 1), (text("a"), 0)];
        assert_eq!(tokenizer_hash(&pairs), hex_digest(r#"[["a",0],["b",1]]"#));
    }

    /// Random floats and random texts, one JSON document a line, against `python3 -c`.
    #[test]
    fn agrees_with_cpython() {
        let mut random = SplitMix64::new(0x5eed);
        let mut lines = Vec::new();
        for _ in 0..30_000 {
            let bits = random.next_u64();
            let float = f64::from_bits(bits);
            if float.is_finite() {
                lines.push(format!(
                    "{{\"x\":{float:e},\"y\":{:?}}}",
                    f32::from_bits(bits as u32) as f64 / 7.0
                ));
            }
            let power = 10f64.powi((bits % 40) as i32 - 20) * (bits >> 40) as f64;
            // Numbers with few bits below the point are often just between two decimals.
            lines.push(format!("[{}]", (bits >> 11) as f64 / 2f64.powi((bits % 64) as i32)));
            lines.push(format!("[{power:e},{},{}]", bits >> (bits % 60), power));
        }
        for _ in 0..3_000 {
            let mut line = String::from("{");
            for i in 0..random.next_u64() % 6 {
                line.push_str(if i > 0 { "," } else { "" });
                line.push_str(&random_string(&mut random));
                line.push_str(":[");
                line.push_str(&random_string(&mut random));
                line.push(']');
            }
            line.push('}');
            lines.push(line);
        }
        lines.retain(|line| !line.contains("NaN") && !line.contains("inf"));
        let Some(expected) = python(&lines) else {
            eprintln!("SKIPPED: python3 is not here, so the canonical text was not compared with CPython's");
            return;
        };
        assert_eq!(expected.len(), lines.len());
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(canonical_text(line, &[]).as_deref(), Ok(expected.as_str()), "{line}");
        }
    }

    fn random_string(random: &mut SplitMix64) -> String {
        let mut out = String::from("\"");
        for _ in 0..random.next_u64() % 5 {
            let n = random.next_u64();
            match n % 6 {
                0 => _ = write!(out, "\\u{:04X}", (n >> 8) as u16),
                1 => _ = write!(out, "\\ud{:03x}", 0x800 | ((n >> 8) & 0x7ff)),
                2 => out.push_str(["\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\t"][(n >> 8) as usize % 7]),
                3 => {
                    out.push(
                        char::from_u32((n >> 8) as u32 % 0x11_0000).filter(|c| *c >= ' ').unwrap_or('é'),
                    );
                }
                _ => out.push(char::from(b'a' + (n >> 8) as u8 % 26)),
            }
        }
        out.retain(|c| c != '\u{85}' && c != '\u{2028}' && c != '\u{2029}');
        out.push('"');
        out.replace("\"\"\"", "\"")
    }

    fn python(lines: &[String]) -> Option<Vec<String>> {
        let program = "import sys, json\n\
            for line in sys.stdin.buffer.read().decode('utf-8').split('\\n'):\n\
            \x20   if line: print(json.dumps(json.loads(line), sort_keys=True, separators=(',', ':')))";
        let mut child = Command::new("python3")
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let input = lines.join("\n");
        let mut stdin = child.stdin.take()?;
        let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
        let output = child.wait_with_output().ok()?;
        let _ = writer.join();
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}
