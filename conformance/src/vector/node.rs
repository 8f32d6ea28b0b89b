//! YAML as a tree whose every place can name itself in an error.

use serde_json::{Map, Number as JsonNumber, Value};

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

/// YAML → JSON. NaN and the infinities become the strings that recipes also use for them.
pub(crate) fn json_of_yaml(yaml: &serde_yaml::Value, place: &str) -> Parsed<Value> {
    let error = |what: String| GrammarError { place: place.to_owned(), what };
    Ok(match yaml {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(value) => Value::Bool(*value),
        serde_yaml::Value::String(value) => Value::String(value.clone()),
        serde_yaml::Value::Number(number) => json_of_number(number),
        serde_yaml::Value::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                list.push(json_of_yaml(item, &format!("{place}[{index}]"))?);
            }
            Value::Array(list)
        }
        serde_yaml::Value::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let serde_yaml::Value::String(key) = key else {
                    return Err(error(format!("the key {key:?} is no text; put it in quotes")));
                };
                map.insert(key.clone(), json_of_yaml(value, &join(place, key))?);
            }
            Value::Object(map)
        }
        serde_yaml::Value::Tagged(tagged) => {
            return Err(error(format!("the YAML tag {} has no meaning here", tagged.tag)));
        }
    })
}

fn json_of_number(number: &serde_yaml::Number) -> Value {
    if let Some(value) = number.as_u64() {
        return value.into();
    }
    if let Some(value) = number.as_i64() {
        return value.into();
    }
    let value = number.as_f64().unwrap_or(f64::NAN);
    match JsonNumber::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "nan".into(),
        None if value > 0.0 => "inf".into(),
        None => "-inf".into(),
    }
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) place: String,
}

impl<'a> Node<'a> {
    pub(crate) fn new(value: &'a Value, place: impl Into<String>) -> Self {
        Self { value, place: place.into() }
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> GrammarError {
        GrammarError { place: self.place.clone(), what: what.into() }
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
        Some(Self { value, place: join(&self.place, key) })
    }

    pub(crate) fn need(&self, key: &str) -> Parsed<Self> {
        self.object()?;
        self.get(key).ok_or_else(|| self.error(format!("the key `{key}` is missing")))
    }

    /// The only entry of a mapping.
    pub(crate) fn single(&self) -> Parsed<(&'a str, Self)> {
        let map = self.object()?;
        match map.iter().next() {
            Some((key, value)) if map.len() == 1 => Ok((key, Self { value, place: join(&self.place, key) })),
            _ => Err(self.wanted("a mapping with one key")),
        }
    }

    pub(crate) fn list(&self) -> Parsed<Vec<Self>> {
        let items = self.value.as_array().ok_or_else(|| self.wanted("a list"))?;
        let item = |(index, value)| Self { value, place: format!("{}[{index}]", self.place) };
        Ok(items.iter().enumerate().map(item).collect())
    }

    pub(crate) fn entries(&self) -> Parsed<Vec<(&'a str, Self)>> {
        let entry = |(key, value): (&'a String, &'a Value)| {
            (key.as_str(), Self { value, place: join(&self.place, key) })
        };
        Ok(self.object()?.iter().map(entry).collect())
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

    fn json(yaml: &str) -> Parsed<Value> {
        json_of_yaml(&serde_yaml::from_str(yaml).unwrap(), "")
    }

    #[test]
    fn special_numbers_become_text() {
        assert_eq!(
            json("[.nan, .inf, -.inf, 0x10, -1, 1.5]").unwrap(),
            serde_json::json!(["nan", "inf", "-inf", 16, -1, 1.5])
        );
    }

    #[test]
    fn keys_must_be_text() {
        assert!(json("{1: a}").unwrap_err().what.contains("quotes"));
        assert!(json("a: !tag b").unwrap_err().to_string().starts_with("a: "));
    }

    #[test]
    fn hex_needs_pairs_and_quotes() {
        assert_eq!(hex_bytes("4156 01\nff"), Some(vec![0x41, 0x56, 1, 0xff]));
        assert_eq!(hex_bytes("415"), None);
        assert_eq!(hex_bytes("4g"), None);
        let value = json("{hex: 4156}").unwrap();
        let error = Node::new(&value, "in").need("hex").unwrap().hex().unwrap_err();
        assert_eq!(error.to_string(), "in.hex: expected hex digits in quotes, found 4156");
    }

    #[test]
    fn unknown_keys_are_named() {
        let value = json("{at: 1, hexx: '00'}").unwrap();
        let error = Node::new(&value, "patch[0]").object_of(&["at", "hex"]).unwrap_err();
        assert_eq!(error.to_string(), "patch[0]: unknown key `hexx`; known here: at, hex");
    }
}
