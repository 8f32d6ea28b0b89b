//! YAML as JSON values: text keys only, no tags, no key twice; NaN and the infinities as the strings that recipes also
//! use for them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::{Entry, Map};
use serde_json::{Number, Value};

/// Reads YAML text.
///
/// # Errors
/// What the YAML reader says, with line and column.
pub(crate) fn json_of_yaml(text: &str) -> Result<Value, serde_yaml::Error> {
    serde_yaml::from_str::<Loaded>(text).map(|loaded| loaded.0)
}

struct Loaded(Value);

impl<'de> Deserialize<'de> for Loaded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LoadedVisitor).map(Self)
    }
}

struct LoadedVisitor;

impl<'de> Visitor<'de> for LoadedVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without tags")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(match Number::from_f64(value) {
            Some(number) => Value::Number(number),
            None if value.is_nan() => "nan".into(),
            None if value > 0.0 => "inf".into(),
            None => "-inf".into(),
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Loaded(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((Loaded(key), Loaded(value))) = entries.next_entry()? {
            let Value::String(key) = key else {
                return Err(A::Error::custom(format!("the key {key} is no text; put it in quotes")));
            };
            match map.entry(key) {
                Entry::Vacant(entry) => _ = entry.insert(value),
                Entry::Occupied(entry) => {
                    return Err(A::Error::custom(format!("the key `{}` stands twice", entry.key())));
                }
            }
        }
        Ok(Value::Object(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("a YAML tag has no meaning here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_numbers_become_text() {
        assert_eq!(
            json_of_yaml("[.nan, .inf, -.inf, 0x10, -1, 1.5, ~]").unwrap(),
            serde_json::json!(["nan", "inf", "-inf", 16, -1, 1.5, null])
        );
    }

    #[test]
    fn what_json_has_not_is_refused() {
        for (text, word) in [
            ("{1: a}", "quotes"),
            ("{a: 1, a: 2}", "twice"),
            ("a: !tag b", "tag"),
            ("a: !tag {b: 1}", "tag"),
            ("a: [", "line 2 column 1"),
        ] {
            let error = json_of_yaml(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
