//! Values that can name their place in an error.

use serde_json::{Map, Value};

use crate::build::Number;

/// What is wrong, and where inside a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub(crate) struct GrammarError {
    /// E.g. `in.message.patch[0]`.
    pub(crate) place: String,
    /// What is wrong there.
    pub(crate) what: String,
}

pub(crate) type Parsed<T> = Result<T, GrammarError>;

/// A value inside a recipe. Its place is looked up only when an error names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    root: &'a Value,
    root_place: &'a str,
}

impl<'a> Node<'a> {
    /// The outermost value, with its place in the recipe.
    pub(crate) fn new(value: &'a Value, place: &'a str) -> Self {
        Self { value, root: value, root_place: place }
    }

    fn inside(&self, value: &'a Value) -> Self {
        Self { value, ..*self }
    }

    /// E.g. `in.message.patch[0]`.
    pub(crate) fn place(&self) -> String {
        let mut place = self.root_place.to_owned();
        find(self.root, self.value, &mut place);
        place
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> GrammarError {
        GrammarError { place: self.place(), what: what.into() }
    }

    fn wanted(&self, what: &str) -> GrammarError {
        let mut shown = self.value.to_string();
        if shown.len() > 60 {
            let cut = shown.floor_char_boundary(60);
            shown.truncate(cut);
            shown.push('…');
        }
        self.error(format!("expected {what}, found {shown}"))
    }

    pub(crate) fn object(&self) -> Parsed<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.wanted("a mapping"))
    }

    /// The mapping, whose keys are all among these.
    pub(crate) fn object_of(&self, allowed: &[&str]) -> Parsed<&'a Map<String, Value>> {
        let map = self.object()?;
        match map.keys().find(|key| !allowed.contains(&key.as_str())) {
            None => Ok(map),
            Some(key) => Err(self.error(format!("unknown key `{key}`; known here: {}", allowed.join(", ")))),
        }
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(key)?;
        Some(self.inside(value))
    }

    pub(crate) fn need(&self, key: &str) -> Parsed<Self> {
        self.object()?;
        self.get(key).ok_or_else(|| self.error(format!("the key `{key}` is missing")))
    }

    /// The only entry of a mapping.
    pub(crate) fn single(&self) -> Parsed<(&'a str, Self)> {
        let map = self.object()?;
        match map.iter().next() {
            Some((key, value)) if map.len() == 1 => Ok((key, self.inside(value))),
            _ => Err(self.wanted("a mapping with one key")),
        }
    }

    pub(crate) fn list(&self) -> Parsed<Vec<Self>> {
        let items = self.value.as_array().ok_or_else(|| self.wanted("a list"))?;
        Ok(items.iter().map(|item| self.inside(item)).collect())
    }

    pub(crate) fn entries(&self) -> Parsed<Vec<(&'a str, Self)>> {
        Ok(self.object()?.iter().map(|(key, value)| (key.as_str(), self.inside(value))).collect())
    }

    pub(crate) fn string(&self) -> Parsed<&'a str> {
        self.value.as_str().ok_or_else(|| self.wanted("text (numbers need quotes)"))
    }

    pub(crate) fn bool(&self) -> Parsed<bool> {
        self.value.as_bool().ok_or_else(|| self.wanted("true or false"))
    }

    pub(crate) fn u64(&self) -> Parsed<u64> {
        self.value.as_u64().ok_or_else(|| self.wanted("a whole number from 0"))
    }

    /// A whole number of at most `most`.
    pub(crate) fn at_most(&self, most: u64) -> Parsed<u64> {
        match self.u64()? {
            value if value <= most => Ok(value),
            value => Err(self.error(format!("{value} is more than {most}"))),
        }
    }

    pub(crate) fn u8(&self) -> Parsed<u8> {
        Ok(self.at_most(u8::MAX.into())? as u8)
    }

    pub(crate) fn u32(&self) -> Parsed<u32> {
        Ok(self.at_most(u32::MAX.into())? as u32)
    }

    pub(crate) fn usize(&self) -> Parsed<usize> {
        usize::try_from(self.u64()?).map_err(|_| self.wanted("a number of bytes"))
    }

    pub(crate) fn strings(&self) -> Parsed<Vec<String>> {
        self.list()?.iter().map(|item| Ok(item.string()?.to_owned())).collect()
    }

    /// A number; the strings `nan`, `inf` and `-inf` among them.
    pub(crate) fn number(&self) -> Parsed<Number> {
        let float = match self.value {
            Value::Number(number) => {
                if let Some(value) = number.as_i64() {
                    return Ok(Number::Int(value.into()));
                }
                if let Some(value) = number.as_u64() {
                    return Ok(Number::Int(value.into()));
                }
                number.as_f64()
            }
            Value::String(text) => match text.as_str() {
                "nan" => Some(f64::NAN),
                "inf" => Some(f64::INFINITY),
                "-inf" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            _ => None,
        };
        float.map(Number::Float).ok_or_else(|| self.wanted("a number, nan, inf or -inf"))
    }

    /// Bytes as hex digits in quotes, spaces allowed.
    pub(crate) fn hex(&self) -> Parsed<Vec<u8>> {
        let text = self.value.as_str().ok_or_else(|| self.wanted("hex digits in quotes"))?;
        hex_bytes(text).ok_or_else(|| self.wanted("pairs of hex digits"))
    }
}

/// Extends `place`, which names `value`, to name `target`, the very same object inside it.
fn find(value: &Value, target: &Value, place: &mut String) -> bool {
    if std::ptr::eq(value, target) {
        return true;
    }
    let len = place.len();
    let mut found = |step: &str, inner: &Value| {
        place.push_str(step);
        let found = find(inner, target, place);
        if !found {
            place.truncate(len);
        }
        found
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().any(|(index, item)| found(&format!("[{index}]"), item))
        }
        Value::Object(map) => map.iter().any(|(key, inner)| match len {
            0 => found(key, inner),
            _ => found(&format!(".{key}"), inner),
        }),
        _ => false,
    }
}

/// Bytes of hex digits, spaces allowed.
pub(crate) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut upper = None;
    for digit in text.chars().filter(|character| !character.is_ascii_whitespace()) {
        let value = digit.to_digit(16)? as u8;
        match upper.take() {
            None => upper = Some(value),
            Some(high) => bytes.push(high << 4 | value),
        }
    }
    upper.is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_needs_pairs_and_quotes() {
        assert_eq!(hex_bytes("4156 01\nff"), Some(vec![0x41, 0x56, 1, 0xff]));
        assert_eq!(hex_bytes("415"), None);
        assert_eq!(hex_bytes("4g"), None);
        let value = serde_json::json!({"hex": 4156});
        let error = Node::new(&value, "in").need("hex").unwrap().hex().unwrap_err();
        assert_eq!(error.to_string(), "in.hex: expected hex digits in quotes, found 4156");
    }

    #[test]
    fn unknown_keys_are_named() {
        let value = serde_json::json!({"at": 1, "hexx": "00"});
        let error = Node::new(&value, "patch[0]").object_of(&["at", "hex"]).unwrap_err();
        assert_eq!(error.to_string(), "patch[0]: unknown key `hexx`; known here: at, hex");
    }

    #[test]
    fn places_are_found() {
        let value = serde_json::json!({"a": [{"b": 1}, {"b": 1}]});
        let node = Node::new(&value, "");
        let inner = node.need("a").unwrap().list().unwrap()[1].need("b").unwrap();
        assert_eq!(inner.place(), "a[1].b");
        assert_eq!(Node::new(&value, "steps[0]").need("a").unwrap().place(), "steps[0].a");
        assert_eq!(node.place(), "");
    }
}
