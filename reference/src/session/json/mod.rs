//! JSON, read within bounds, that keeps what the hashes depend on.
//!
//! `model_hash` is defined by what CPython's `json` module reads and writes (AVP-HASH-001…013). So this reader keeps
//! apart `1` and `1.0`, keeps integers of any size, takes `NaN` and `Infinity`, lets the last of two equal keys win,
//! and carries strings with lone surrogates, none of which a general JSON value type does.

mod reader;

use std::borrow::Cow;

use reader::Reader;

use crate::error::{Error, ErrorClass, Result};

/// How much JSON text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Length of the text in bytes.
    pub max_bytes: usize,
    /// Nesting of arrays and objects.
    pub max_depth: usize,
    /// Number of values and keys. A value in an object of its own takes up to some 100 bytes in memory against two in the
    /// text, so this bounds the memory that a text can ask for: about 100 MiB for a configuration.
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
        Reader::read(text, limits)
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

#[cfg(test)]
mod tests;
