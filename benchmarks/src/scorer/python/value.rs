//! Values of Python as they come out of a sandbox, compared here.

use serde_json::Value as Json;

/// Numbers this near are equal, as on the site that the problems come from: absolutely, and for large ones in proportion.
const NEAR: f64 = 1e-5;

/// A value by its exact type.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scorer) enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number: its digits, since it may be of any size.
    Int(String),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list or a tuple.
    Sequence(Vec<Self>),
    /// A set.
    Set(Vec<Self>),
    /// A dictionary.
    Map(Vec<(Self, Self)>),
    /// A tree or a list of nodes, by its kind and its values.
    Nodes(String, Vec<Self>),
    /// Something that has no plain form, by its type: equal to nothing.
    Other(String),
}

impl Value {
    /// From the form that `values.py` writes. Nothing for another form.
    pub(in crate::scorer) fn from_json(json: &Json) -> Option<Self> {
        let object = match json {
            Json::Null => return Some(Self::None),
            Json::Bool(value) => return Some(Self::Bool(*value)),
            Json::Number(number) => return number.as_i64().map(|number| Self::Int(number.to_string())),
            Json::String(text) => return Some(Self::Text(text.clone())),
            Json::Array(_) => return None,
            Json::Object(object) => object,
        };
        let (kind, value) = object.iter().next().filter(|_| object.len() == 1)?;
        let all = || value.as_array()?.iter().map(Self::from_json).collect::<Option<Vec<_>>>();
        Some(match kind.as_str() {
            "i" => Self::Int(value.as_str()?.to_owned()),
            "f" => Self::Float(value.as_str()?.parse().ok()?),
            "l" | "t" => Self::Sequence(all()?),
            "s" => Self::Set(all()?),
            "d" => {
                let pair = |pair: &Json| match pair.as_array()?.as_slice() {
                    [key, value] => Some((Self::from_json(key)?, Self::from_json(value)?)),
                    _ => None,
                };
                Self::Map(value.as_array()?.iter().map(pair).collect::<Option<_>>()?)
            }
            "tree" | "list" | "quad" => Self::Nodes(kind.clone(), all()?),
            "o" => Self::Other(value.as_str()?.to_owned()),
            _ => Self::Other(kind.clone()),
        })
    }

    /// Whether this is what is expected: of the same type (a whole number stands for the same floating one, not the other way
    /// round), numbers within [`NEAR`], sets and dictionaries in any order.
    pub(in crate::scorer) fn is(&self, expected: &Self) -> bool {
        match (self, expected) {
            (Self::Float(own), Self::Float(other)) => near(*own, *other),
            (Self::Int(own), Self::Float(other)) => own.parse().is_ok_and(|own| near(own, *other)),
            (Self::Sequence(own), Self::Sequence(other)) => alike(own, other),
            (Self::Set(own), Self::Set(other)) => in_any_order(own, other, Self::is),
            (Self::Map(own), Self::Map(other)) => {
                in_any_order(own, other, |own, other| own.0.is(&other.0) && own.1.is(&other.1))
            }
            (Self::Nodes(kind, own), Self::Nodes(other_kind, other)) => {
                kind == other_kind && alike(own, other)
            }
            (Self::Other(_), _) | (_, Self::Other(_)) => false,
            (own, other) => own == other,
        }
    }

    /// The same, where the outermost sequence may stand in any order.
    pub(in crate::scorer) fn is_in_any_order(&self, expected: &Self) -> bool {
        match (self, expected) {
            (Self::Sequence(own), Self::Sequence(other)) => in_any_order(own, other, Self::is),
            _ => self.is(expected),
        }
    }

    /// Whether all of it has a plain form.
    pub(in crate::scorer) fn is_plain(&self) -> bool {
        match self {
            Self::Other(_) => false,
            Self::Sequence(parts) | Self::Set(parts) | Self::Nodes(_, parts) => {
                parts.iter().all(Self::is_plain)
            }
            Self::Map(pairs) => pairs.iter().all(|(key, value)| key.is_plain() && value.is_plain()),
            _ => true,
        }
    }
}

fn near(own: f64, other: f64) -> bool {
    own == other || (own.is_nan() && other.is_nan()) || (own - other).abs() <= NEAR * other.abs().max(1.0)
}

fn alike(own: &[Value], other: &[Value]) -> bool {
    own.len() == other.len() && own.iter().zip(other).all(|(own, other)| own.is(other))
}

/// Values that are compared each with each, at most: answers of the examples are short.
const ANY_ORDER: usize = 2000;

fn in_any_order<T>(own: &[T], other: &[T], is: impl Fn(&T, &T) -> bool) -> bool {
    if own.len() != other.len() || own.len() > ANY_ORDER {
        return false;
    }
    let mut free: Vec<&T> = other.iter().collect();
    own.iter().all(|own| {
        let at = free.iter().position(|other| is(own, other));
        at.map(|at| free.swap_remove(at)).is_some()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(json: Json) -> Value {
        Value::from_json(&json).unwrap()
    }

    #[test]
    fn values_are_equal_by_type_and_value() {
        let same = [
            (json!(2), json!(2)),
            (json!({"f": "0.1"}), json!({"f": "0.1000001"})),
            (json!(2), json!({"f": "2.0"})),
            (json!({"f": "inf"}), json!({"f": "inf"})),
            (json!({"f": "nan"}), json!({"f": "nan"})),
            (json!({"t": [1, "a"]}), json!({"l": [1, "a"]})),
            (json!({"s": [1, 2]}), json!({"s": [2, 1]})),
            (json!({"d": [[1, 2], [3, 4]]}), json!({"d": [[3, 4], [1, 2]]})),
            (json!({"i": "0x100000000000000000"}), json!({"i": "0x100000000000000000"})),
        ];
        for (own, other) in same {
            assert!(value(own.clone()).is(&value(other)), "{own}");
        }
        let unlike = [
            (json!(1), json!(true)),
            (json!({"f": "2.0"}), json!(2)),
            (json!("2"), json!(2)),
            (json!(null), json!({"l": []})),
            (json!({"l": [1, 2]}), json!({"l": [2, 1]})),
            (json!({"l": [1]}), json!({"l": [1, 1]})),
            (json!({"s": [1, 1]}), json!({"s": [1, 2]})),
            (json!({"o": "X"}), json!({"o": "X"})),
            (json!({"list": [1]}), json!({"tree": [1]})),
            (json!({"f": "1.0"}), json!({"f": "1.001"})),
        ];
        for (own, other) in unlike {
            assert!(!value(own.clone()).is(&value(other)), "{own}");
        }
        let [one, two] = [json!({"l": [1, 2, 2]}), json!({"l": [2, 1, 2]})].map(value);
        assert!(one.is_in_any_order(&two) && !one.is(&two));
        assert!(!one.is_in_any_order(&value(json!({"l": [1, 1, 2]}))));
        assert!(!value(json!({"l": [{"o": "X"}]})).is_plain());
    }

    #[test]
    fn other_forms_are_no_values() {
        for json in
            [json!([1]), json!({"l": 1}), json!({}), json!({"l": [], "t": []}), json!({"f": "x"}), json!(1.5)]
        {
            assert_eq!(Value::from_json(&json), None, "{json}");
        }
    }
}
