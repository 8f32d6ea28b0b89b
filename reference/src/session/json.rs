//! A bounded JSON reader that keeps what the hashes depend on.
//!
//! `model_hash` is defined by what CPython's `json` module reads and writes (AVP-HASH-001…013). So this reader keeps
//! apart `1` and `1.0`, keeps integers of any size, takes `NaN` and `Infinity`, lets the last of two equal keys win,
//! and carries strings with lone surrogates, none of which a general JSON value type does.

use std::borrow::Cow;

use crate::error::{Error, ErrorClass, Result};

/// How much JSON text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Length of the text in bytes.
    pub max_bytes: usize,
    /// Nesting of arrays and objects.
    pub max_depth: usize,
    /// Number of values and keys. A value takes up to 32 bytes in memory against two in the text, so this bounds the
    /// memory that a text can ask for.
    pub max_values: usize,
}

impl JsonLimits {
    /// For model configurations: the largest that is known, with its label maps, has less than 1 MiB.
    pub const CONFIG: Self = Self { max_bytes: 16 << 20, max_depth: 512, max_values: 1 << 20 };
    /// For vocabularies and tokenizer files: those of 256k tokens have some 35 MB and 2.5 million values.
    pub const TOKENIZER: Self = Self { max_bytes: 128 << 20, max_depth: 512, max_values: 8 << 20 };
}

/// Most digits of an integer: CPython refuses to read longer ones.
pub const MAX_INTEGER_DIGITS: usize = 4300;

/// A string as JSON can hold it: Unicode text, or text with lone surrogates. Kept as WTF-8, so that byte order is code
/// point order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl<'a> Text<'a> {
    /// The text as a string slice; `None` when it holds a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The WTF-8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same text, owning its bytes.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(Cow::Owned(text.into_bytes()))
    }
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A literal without `.`, `e` or `E`: its digits, with a minus sign when negative. `-0` is read as `0`.
    Int(&'a str),
    /// A literal with one of them, or `NaN`, `Infinity`, `-Infinity`. Out of range is infinite.
    Float(f64),
    /// A string.
    Text(Text<'a>),
    /// An array.
    Array(Vec<Self>),
    /// An object: members sorted by key in code point order, no key twice.
    Object(Vec<Member<'a>>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// The key.
    pub key: Text<'a>,
    /// The key was an integer before it was written as JSON (AVP-HASH-010).
    pub integer_key: bool,
    /// The value.
    pub value: Json<'a>,
}

impl<'a> Json<'a> {
    /// Reads one value from `text`; nothing but white space may stand around it.
    ///
    /// # Errors
    /// `decode` with the byte offset of the fault; `limit_exceeded` when the text is longer, deeper or fuller than
    /// `limits` allow.
    pub fn parse(text: &'a str, limits: &JsonLimits) -> Result<Self> {
        if text.len() > limits.max_bytes {
            return Err(Error::new(
                ErrorClass::LimitExceeded,
                "json",
                format!("at most {} bytes of text", limits.max_bytes),
                format!("{} bytes", text.len()),
            ));
        }
        let mut reader = Reader { text, at: 0, values_left: limits.max_values, depth_left: limits.max_depth };
        reader.white_space();
        let value = reader.value()?;
        reader.white_space();
        if reader.at < text.len() {
            return Err(reader.fault("the end of the text"));
        }
        Ok(value)
    }

    /// The member of that name, when this is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Json::Object(members) = self else { return None };
        let at = members.binary_search_by(|member| member.key.as_bytes().cmp(key.as_bytes())).ok()?;
        members.get(at).map(|member| &member.value)
    }

    /// In one word, for error texts.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Int(_) => "an integer",
            Json::Float(_) => "a float",
            Json::Text(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    /// Marks the member that a JSON pointer (RFC 6901) names as one whose key was an integer in memory.
    ///
    /// # Errors
    /// `invalid_argument` when there is no such member or its key is not an integer in decimal.
    pub fn mark_integer_key(&mut self, pointer: &str) -> Result<()> {
        let refused = |found: &str| {
            Error::new(
                ErrorClass::InvalidArgument,
                "int_keys",
                "JSON pointers to members whose keys are integers",
                format!("{pointer:?}: {found}"),
            )
        };
        let steps = pointer.strip_prefix('/').ok_or_else(|| refused("no leading slash"))?;
        let mut steps = steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).peekable();
        let mut value = self;
        while let Some(step) = steps.next() {
            value = match value {
                Json::Array(items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index))
                    .ok_or_else(|| refused("no such item"))?,
                Json::Object(members) => {
                    let at = members
                        .binary_search_by(|member| member.key.as_bytes().cmp(step.as_bytes()))
                        .map_err(|_| refused("no such member"))?;
                    let member = &mut members[at];
                    if steps.peek().is_none() {
                        if !is_integer(&step) {
                            return Err(refused("the key is not an integer"));
                        }
                        member.integer_key = true;
                        return Ok(());
                    }
                    &mut member.value
                }
                _ => return Err(refused("no such member")),
            };
        }
        Err(refused("an array's item has no key"))
    }
}

/// Whether this is how an integer is written: no plus sign, no superfluous zero, no minus zero.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values_left: usize,
    depth_left: usize,
}

impl<'a> Reader<'a> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Json<'_>> {
        Json::parse(text, &JsonLimits::CONFIG)
    }

    #[test]
    fn keeps_what_hashes_depend_on() {
        assert_eq!(parse("1").unwrap(), Json::Int("1"));
        assert_eq!(parse(" 1.0 ").unwrap(), Json::Float(1.0));
        assert_eq!(parse("1E3").unwrap(), Json::Float(1000.0));
        assert_eq!(parse("-0").unwrap(), Json::Int("0"));
        assert_eq!(
            parse("123456789012345678901234567890").unwrap(),
            Json::Int("123456789012345678901234567890")
        );
        assert!(matches!(parse("NaN").unwrap(), Json::Float(x) if x.is_nan()));
        assert_eq!(parse("-Infinity").unwrap(), Json::Float(f64::NEG_INFINITY));
        assert_eq!(parse("1e400").unwrap(), Json::Float(f64::INFINITY));
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        let value = parse(r#"{"b":0,"a":1,"a":2,"\u0061":3}"#).unwrap();
        assert_eq!(value.get("a"), Some(&Json::Int("3")));
        assert!(matches!(&value, Json::Object(members) if members.len() == 2));
    }

    #[test]
    fn surrogates_pair_or_stay_alone() {
        let text = |source| match parse(source).unwrap() {
            Json::Text(text) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""\ud83d\ude00""#), "😀".as_bytes());
        assert_eq!(text(r#""\ud83d""#), [0xed, 0xa0, 0xbd]);
        assert_eq!(text(r#""\ud83dx""#), [0xed, 0xa0, 0xbd, b'x']);
        assert_eq!(text(r#""\ud83d\u0041""#), [0xed, 0xa0, 0xbd, b'A']);
        assert_eq!(text(r#""\ude00\ud83d""#), [0xed, 0xb8, 0x80, 0xed, 0xa0, 0xbd]);
    }

    #[test]
    fn malformed_text_is_refused_at_its_offset() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\":1,}", 7),
            ("01", 1),
            ("1.", 2),
            ("-", 1),
            (".5", 0),
            ("1e", 2),
            ("tru", 0),
            ("\"\n\"", 1),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("\"abc", 4),
            ("[1 2]", 3),
            ("{1:2}", 1),
            ("1 1", 2),
            ("\u{feff}1", 0),
            ("'a'", 0),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(offset)), "{text:?}: {error}");
        }
    }

    #[test]
    fn limits_hold() {
        let limits = JsonLimits { max_bytes: 100, max_depth: 3, max_values: 5 };
        let class = |text: &str| Json::parse(text, &limits).unwrap_err().class;
        assert!(Json::parse("[[[]]]", &limits).is_ok());
        assert_eq!(class("[[[[]]]]"), ErrorClass::LimitExceeded);
        assert!(Json::parse("[[],[],[],[]]", &limits).is_ok());
        assert_eq!(class("[0,0,0,0,0]"), ErrorClass::LimitExceeded);
        assert_eq!(class(&" ".repeat(101)), ErrorClass::LimitExceeded);
        assert_eq!(parse(&"9".repeat(4301)).unwrap_err().class, ErrorClass::LimitExceeded);
        assert!(parse(&format!("-{}", "9".repeat(4300))).is_ok());
        let deep = "[".repeat(1_000_000);
        assert_eq!(parse(&deep).unwrap_err().class, ErrorClass::LimitExceeded);
        let deepest = format!("{}{}", "[".repeat(512), "]".repeat(512));
        assert!(parse(&deepest).is_ok());
    }

    #[test]
    fn integer_keys_are_marked_by_pointer() {
        let mut value = parse(r#"{"a/b":[{"~":{"-1":0,"01":0,"x":0}}]}"#).unwrap();
        value.mark_integer_key("/a~1b/0/~0/-1").unwrap();
        for pointer in
            ["", "a", "/nope", "/a~1b/0", "/a~1b/7/x", "/a~1b/0/~0/01", "/a~1b/0/~0/x", "/a~1b/0/~0/-1/q"]
        {
            assert_eq!(
                value.mark_integer_key(pointer).unwrap_err().class,
                ErrorClass::InvalidArgument,
                "{pointer}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in r#"[\[\]{}":,\\u0-9a-fA-F.eE+\-tnNI \x00-\x1fé😀]{0,64}"#) {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_any_text(text: String) {
            let _ = parse(&text);
        }
    }
}
