//! JSON as CPython reads it: integers of any size apart from floats, lone surrogates kept, the last of equal keys counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Deepest nesting that is read. CPython gives up near its recursion limit of 1000; no configuration is deeper than ten.
const MAX_DEPTH: usize = 256;

/// Text as code points, lone surrogates included, which a `String` can't hold.
pub type JsonText = Vec<u32>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Json {
    Null,
    Bool(bool),
    /// Decimal digits with a sign if negative; never `-0`.
    Int(String),
    Float(f64),
    Text(JsonText),
    Array(Vec<Self>),
    /// Members in the order of their first appearance, each key once.
    Object(Vec<(JsonText, Self)>),
}

/// Why a text is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct JsonError {
    /// Where.
    pub offset: usize,
    /// What was expected, or is wrong.
    pub what: &'static str,
}

/// Code points of a text.
pub(super) fn text(text: &str) -> JsonText {
    text.chars().map(u32::from).collect()
}

/// Reads one value.
///
/// # Errors
/// [`JsonError`] when the text is not JSON as CPython's `json.loads` takes it (`NaN`, `Infinity` and `-Infinity`
/// included), or nested deeper than 256.
pub fn parse(text: &str) -> Result<Json, JsonError> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    parser.space();
    let value = parser.value(0)?;
    parser.space();
    if parser.at < parser.text.len() {
        return Err(parser.error("more than one value"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn error(&self, what: &'static str) -> JsonError {
        JsonError { offset: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.error("nesting too deep"));
        }
        for (word, value) in [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("NaN", Json::Float(f64::NAN)),
            ("Infinity", Json::Float(f64::INFINITY)),
            ("-Infinity", Json::Float(f64::NEG_INFINITY)),
        ] {
            if self.eat(word) {
                return Ok(value);
            }
        }
        match self.peek() {
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.error("no value")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.eat("]") {
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat("]") {
                return Ok(Json::Array(items));
            }
            if !self.eat(",") {
                return Err(self.error("no comma between items"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members: Vec<(JsonText, Json)> = Vec::new();
        let mut places: HashMap<JsonText, usize> = HashMap::new();
        self.at += 1;
        self.space();
        if self.eat("}") {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("no key"));
            }
            let key = self.string()?;
            self.space();
            if !self.eat(":") {
                return Err(self.error("no colon after the key"));
            }
            self.space();
            let value = self.value(depth + 1)?;
            match places.entry(key.clone()) {
                Entry::Occupied(place) => members[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    place.insert(members.len());
                    members.push((key, value));
                }
            }
            self.space();
            if self.eat("}") {
                return Ok(Json::Object(members));
            }
            if !self.eat(",") {
                return Err(self.error("no comma between members"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.eat("-");
        if !self.eat("0") && self.digits() == 0 {
            return Err(self.error("no digits"));
        }
        let mut float = false;
        let whole_end = self.at;
        if self.eat(".") {
            if self.digits() == 0 {
                return Err(self.error("no digits after the point"));
            }
            float = true;
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            if self.digits() == 0 {
                return Err(self.error("no digits in the exponent"));
            }
            float = true;
        }
        let said = |range: std::ops::Range<usize>| std::str::from_utf8(&self.text[range]).unwrap_or_default();
        if float {
            return said(start..self.at).parse().map(Json::Float).map_err(|_| self.error("no number"));
        }
        let digits = said(start..whole_end);
        Ok(Json::Int(if digits == "-0" { "0" } else { digits }.to_owned()))
    }

    fn string(&mut self) -> Result<JsonText, JsonError> {
        let mut out = JsonText::new();
        self.at += 1;
        loop {
            let run = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            let plain = std::str::from_utf8(&self.text[run..self.at]).map_err(|_| self.error("no UTF-8"))?;
            out.extend(plain.chars().map(u32::from));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("the string never ends")),
            }
        }
    }

    fn escape(&mut self) -> Result<u32, JsonError> {
        let code = match self.peek() {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => 0x0a,
            Some(b'r') => 0x0d,
            Some(b't') => 0x09,
            Some(c @ (b'"' | b'\\' | b'/')) => u32::from(c),
            Some(b'u') => return self.unicode(),
            _ => return Err(self.error("no such escape")),
        };
        self.at += 1;
        Ok(code)
    }

    /// After `\`: `uXXXX`, and a second one when both make a pair.
    fn unicode(&mut self) -> Result<u32, JsonError> {
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) || !self.text[self.at..].starts_with(b"\\u") {
            return Ok(high);
        }
        let back = self.at;
        self.at += 1;
        let low = self.hex4()?;
        if (0xdc00..0xe000).contains(&low) {
            return Ok(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        }
        self.at = back;
        Ok(high)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
        let code = digits
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .ok_or_else(|| self.error("no four hex digits"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_they_are() {
        assert_eq!(parse("1"), Ok(Json::Int("1".into())));
        assert_eq!(parse("-0"), Ok(Json::Int("0".into())));
        assert_eq!(parse("1E3"), Ok(Json::Float(1000.0)));
        assert_eq!(parse("1e400"), Ok(Json::Float(f64::INFINITY)));
        assert_eq!(parse("12345678901234567890123"), Ok(Json::Int("12345678901234567890123".into())));
    }

    #[test]
    fn texts_keep_lone_surrogates() {
        assert_eq!(parse(r#""\ud83d\ude00""#), Ok(Json::Text(vec![0x1f600])));
        assert_eq!(parse(r#""\ud83d""#), Ok(Json::Text(vec![0xd83d])));
        assert_eq!(parse(r#""\ud83d\u0041""#), Ok(Json::Text(vec![0xd83d, 0x41])));
        assert_eq!(parse(r#""\ud83d\ud83d\ude00""#), Ok(Json::Text(vec![0xd83d, 0x1f600])));
        assert_eq!(parse(r#""a\/é""#), Ok(Json::Text(text("a/é"))));
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let expected = Json::Object(vec![(text("a"), Json::Int("2".into())), (text("b"), Json::Null)]);
        assert_eq!(parse(r#"{"a":1,"b":null,"a":2}"#), Ok(expected));
    }

    #[test]
    fn what_is_no_json() {
        for bad in [
            "",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"",
            "1 2",
            "[1",
            "nul",
            "'a'",
            "\u{b}1",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
