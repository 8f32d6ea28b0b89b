//! Two run files → where they differ.

use std::fmt;

use serde_json::Value;

/// One place at which two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Keys and indices from the root, joined by dots.
    pub path: String,
    /// What was there; nothing where the key is new.
    pub was: Option<Value>,
    /// What is there; nothing where the key is gone.
    pub is: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "{} was {}, is {}", self.path, text(&self.was), text(&self.is))
    }
}

/// Where two values differ, down to the innermost values, in the order of the second one and then of the first.
#[must_use]
pub fn differences(was: &Value, is: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(was), Some(is), &mut found);
    found
}

/// Whether these are words and numbers, of which one more would move all behind it.
fn is_list(values: &[Value]) -> bool {
    values.iter().all(|value| !value.is_object() && !value.is_array())
}

fn walk(path: &str, was: Option<&Value>, is: Option<&Value>, found: &mut Vec<Difference>) {
    let inner = |key: &dyn fmt::Display| match path {
        "" => key.to_string(),
        path => format!("{path}.{key}"),
    };
    match (was, is) {
        (was, is) if was == is => {}
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            for (key, value) in is {
                walk(&inner(key), was.get(key), Some(value), found);
            }
            for (key, value) in was.iter().filter(|(key, _)| !is.contains_key(*key)) {
                walk(&inner(key), Some(value), None, found);
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) if is_list(was) && is_list(is) => {
            let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                these.iter().filter(|value| !those.contains(value)).cloned().collect()
            };
            let (gone, new) = (only(was, is), only(is, was));
            if gone.is_empty() && new.is_empty() {
                let [was, is] = [was, is].map(|list| Some(Value::Array(list.clone())));
                found.push(Difference { path: path.to_owned(), was, is });
            }
            let mut push = |was, is| found.push(Difference { path: path.to_owned(), was, is });
            gone.into_iter().for_each(|value| push(Some(value), None));
            new.into_iter().for_each(|value| push(None, Some(value)));
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) => {
            for index in 0..was.len().max(is.len()) {
                walk(&inner(&index), was.get(index), is.get(index), found);
            }
        }
        (was, is) => {
            found.push(Difference { path: path.to_owned(), was: was.cloned(), is: is.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let was = json!({"a": 1, "b": {"c": [{"d": 1}]}, "e": ["x", "y"], "f": [1, 2], "gone": null});
        let is = json!({"a": 1, "b": {"c": [{"d": 2}]}, "e": ["z", "x", "y"], "f": [2, 1], "new": true});
        let texts: Vec<_> = differences(&was, &is).iter().map(Difference::to_string).collect();
        assert_eq!(
            texts,
            [
                "b.c.0.d was 1, is 2",
                "e was nothing, is \"z\"",
                "f was [1,2], is [2,1]",
                "new was nothing, is true",
                "gone was null, is nothing",
            ]
        );
        assert!(differences(&was, &was.clone()).is_empty());
    }
}
