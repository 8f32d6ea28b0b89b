//! From text to values, by the grammar that CPython's `json` module reads.

use std::borrow::Cow;

use super::{Json, JsonLimits, MAX_INTEGER_DIGITS, Member, Text};
use crate::error::{Error, ErrorClass, Result};

/// The text and where the reader stands in it.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    values_left: usize,
    depth_left: usize,
}

impl<'a> Reader<'a> {
    /// Reads one value; nothing but white space may stand around it. The text's length is checked already.
    pub(super) fn read(text: &'a str, limits: &JsonLimits) -> Result<Json<'a>> {
        let mut reader = Self { text, at: 0, values_left: limits.max_values, depth_left: limits.max_depth };
        reader.white_space();
        let value = reader.value()?;
        reader.white_space();
        if reader.at < text.len() {
            return Err(reader.fault("the end of the text"));
        }
        Ok(value)
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn fault(&self, expected: &str) -> Error {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("{c:?}"),
            None if self.at >= self.text.len() => "the end of the text".to_owned(),
            None => "the middle of a character".to_owned(),
        };
        Error::new(ErrorClass::Decode, "json", expected, found).at(self.at)
    }

    fn limit(&self, expected: &str) -> Error {
        Error::new(ErrorClass::LimitExceeded, "json", expected, "more").at(self.at)
    }

    fn count(&mut self) -> Result<()> {
        self.values_left = self.values_left.checked_sub(1).ok_or_else(|| self.limit("fewer values"))?;
        Ok(())
    }

    fn value(&mut self) -> Result<Json<'a>> {
        self.count()?;
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b't') => self.literal("true", Json::Bool(true)),
            Some(b'f') => self.literal("false", Json::Bool(false)),
            Some(b'n') => self.literal("null", Json::Null),
            Some(b'N') => self.literal("NaN", Json::Float(f64::NAN)),
            Some(b'I') => self.literal("Infinity", Json::Float(f64::INFINITY)),
            Some(b'-') if self.bytes().get(self.at + 1) == Some(&b'I') => {
                self.literal("-Infinity", Json::Float(f64::NEG_INFINITY))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.fault("a value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json<'a>>) -> Result<Json<'a>> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or_else(|| self.limit("less nesting"))?;
        let value = read(self)?;
        self.depth_left += 1;
        Ok(value)
    }

    fn literal(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.fault(word))
        }
    }

    fn array(&mut self) -> Result<Json<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        self.white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.white_space();
            items.push(self.value()?);
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.fault("',' or ']'")),
            }
        }
    }

    fn object(&mut self) -> Result<Json<'a>> {
        self.at += 1;
        let mut members: Vec<Member<'a>> = Vec::new();
        self.white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.white_space();
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key in quotes"));
            }
            self.count()?;
            let key = self.string()?;
            self.white_space();
            if self.peek() != Some(b':') {
                return Err(self.fault("':'"));
            }
            self.at += 1;
            self.white_space();
            let value = self.value()?;
            members.push(Member { key, integer_key: false, value });
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(sorted(members)));
                }
                _ => return Err(self.fault("',' or '}'")),
            }
        }
    }

    fn number(&mut self) -> Result<Json<'a>> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first_digit = self.at;
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.fault("a digit")),
        }
        let integer_end = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.fault("a digit"));
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.fault("a digit"));
            }
            self.digits();
        }
        let literal = &self.text[start..self.at];
        if self.at > integer_end {
            // The grammar above is a subset of what the standard library reads; it rounds correctly at any length.
            return literal.parse().map(Json::Float).map_err(|_| self.fault("a number"));
        }
        if integer_end - first_digit > MAX_INTEGER_DIGITS {
            return Err(self.limit("an integer of at most 4300 digits"));
        }
        Ok(Json::Int(if literal == "-0" { "0" } else { literal }))
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    /// From the opening to behind the closing quote. Borrows when there is no escape.
    fn string(&mut self) -> Result<Text<'a>> {
        self.at += 1;
        let start = self.at;
        let mut owned: Vec<u8> = Vec::new();
        let mut copied = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.bytes()[copied..self.at];
                    self.at += 1;
                    if copied == start {
                        return Ok(Text(Cow::Borrowed(rest)));
                    }
                    owned.extend_from_slice(rest);
                    return Ok(Text(Cow::Owned(owned)));
                }
                Some(b'\\') => {
                    owned.extend_from_slice(&self.bytes()[copied..self.at]);
                    self.at += 1;
                    self.escape(&mut owned)?;
                    copied = self.at;
                }
                Some(0..=0x1f) => return Err(self.fault("no control character inside a string")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("a closing quote")),
            }
        }
    }

    /// From behind the backslash.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let byte = match self.peek() {
            Some(b'u') => return self.unicode_escape(out),
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            _ => return Err(self.fault("an escape")),
        };
        self.at += 1;
        out.push(byte);
        Ok(())
    }

    /// From the `u`. A high surrogate with a low one behind it makes one character; a lone one stays.
    fn unicode_escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.at += 1;
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.bytes()[self.at..].starts_with(b"\\u") {
            let resume = self.at;
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.at = resume;
            }
        }
        push_code_point(out, code);
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.fault("four hex digits"))?;
            self.at += 1;
        }
        Ok(code)
    }
}

/// UTF-8 as usual; a surrogate by the same three-byte scheme.
fn push_code_point(out: &mut Vec<u8>, code: u32) {
    if let Some(c) = char::from_u32(code) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let low6 = |shift: u32| 0x80 | ((code >> shift) & 0x3f) as u8;
        out.extend_from_slice(&[0xe0 | (code >> 12) as u8, low6(6), low6(0)]);
    }
}

/// Sorts by key; of equal keys the last one stays (AVP-HASH-013).
fn sorted(mut members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    // Stable, so equal keys stay in the order of the text. `dedup_by` keeps the first, hence the swap.
    members.sort_by(|a, b| a.key.cmp(&b.key));
    members.dedup_by(|later, earlier| {
        let same = later.key == earlier.key;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    members
}
