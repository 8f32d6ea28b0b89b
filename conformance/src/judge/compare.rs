//! Values against expected values with matchers.

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::{Observed, metadata};

/// Where and how a value is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mismatch {
    /// JSON pointer.
    pub(super) at: String,
    /// One clause.
    pub(super) what: String,
}

/// Whether an object means the fields of a message's metadata, where a missing key is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Metadata,
}

/// Compares values; knows the earlier answers that `$from` points at.
pub(super) struct Comparer<'a> {
    pub(super) observed: &'a [Observed],
}

type Compared = Result<(), Mismatch>;

impl Comparer<'_> {
    /// Compares the member `key` of an object; `None` when it is not there.
    pub(super) fn member(&self, key: &str, expected: &Value, actual: Option<&Value>, at: &str) -> Compared {
        let meaning = if key == "metadata" { Meaning::Metadata } else { Meaning::Plain };
        self.value(meaning, expected, actual, &format!("{at}/{key}"))
    }

    /// Compares a value.
    pub(super) fn value(
        &self,
        meaning: Meaning,
        expected: &Value,
        actual: Option<&Value>,
        at: &str,
    ) -> Compared {
        if let Some((name, argument)) = matcher(expected) {
            return self.matched(meaning, name, argument, actual, at);
        }
        let Some(actual) = actual else {
            return wrong(at, format!("missing; expected {}", short(expected)));
        };
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => match meaning {
                Meaning::Plain => self.object(expected, actual, true, at),
                Meaning::Metadata => metadata::compare(self, expected, actual, true, at),
            },
            (Value::Array(expected), Value::Array(actual)) => self.array(expected, actual, at),
            (Value::Number(a), Value::Number(b)) if same_number(a, b) => Ok(()),
            (expected, actual) if expected == actual => Ok(()),
            (expected, actual) => wrong(at, format!("{}, expected {}", short(actual), short(expected))),
        }
    }

    /// Compares an object, in full or only the keys that are expected.
    pub(super) fn object(
        &self,
        expected: &Map<String, Value>,
        actual: &Map<String, Value>,
        full: bool,
        at: &str,
    ) -> Compared {
        for (key, expected) in expected {
            let (key, optional) = optional(key);
            let actual = actual.get(key);
            if !(optional && actual.is_none_or(Value::is_null)) {
                self.member(key, expected, actual, at)?;
            }
        }
        let known = |key: &String| expected.contains_key(key) || expected.contains_key(&format!("{key}?"));
        match actual.keys().find(|key| full && !known(key)) {
            None => Ok(()),
            Some(key) => wrong(&format!("{at}/{key}"), format!("{}, expected nothing", short(&actual[key]))),
        }
    }

    fn array(&self, expected: &[Value], actual: &[Value], at: &str) -> Compared {
        for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
            self.value(Meaning::Plain, expected, Some(actual), &format!("{at}/{index}"))?;
        }
        if expected.len() == actual.len() {
            return Ok(());
        }
        wrong(at, format!("{} items, expected {}", actual.len(), expected.len()))
    }

    fn matched(
        &self,
        meaning: Meaning,
        name: &str,
        argument: &Value,
        actual: Option<&Value>,
        at: &str,
    ) -> Compared {
        let shown = || actual.map_or_else(|| "missing".to_owned(), short);
        let holds = |holds: bool, wanted: &str| {
            if holds { Ok(()) } else { wrong(at, format!("{}, expected {wanted}", shown())) }
        };
        match name {
            "$absent" => holds(actual.is_none_or(is_empty), "nothing"),
            "$missing" => holds(actual.is_none(), "no such key"),
            "$nonempty" => holds(actual.is_some_and(|actual| !is_empty(actual)), "something"),
            "$not" => {
                let same = self.value(meaning, argument, actual, at).is_ok();
                holds(!same, &format!("anything but {}", short(argument)))
            }
            "$any" => {
                let alternatives = argument.as_array().map(Vec::as_slice).unwrap_or_default();
                let any = alternatives.iter().any(|one| self.value(meaning, one, actual, at).is_ok());
                holds(any, &format!("one of {}", short(argument)))
            }
            "$from" => match self.from(argument) {
                Ok(expected) => self.value(meaning, expected, actual, at),
                Err(why) => wrong(at, why),
            },
            "$re" => {
                let pattern = argument.as_str().unwrap_or_default();
                let Ok(regex) = Regex::new(pattern) else {
                    return wrong(at, format!("the case's pattern {pattern:?} does not parse"));
                };
                let fits = actual.and_then(Value::as_str).is_some_and(|text| regex.is_match(text));
                holds(fits, &format!("text like {pattern:?}"))
            }
            "$json" => match actual.and_then(Value::as_str).map(serde_json::from_str::<Value>) {
                Some(Ok(inner)) => self.value(Meaning::Plain, argument, Some(&inner), at),
                _ => holds(false, "JSON text"),
            },
            "$subset" => match (argument, actual) {
                (Value::Object(expected), Some(Value::Object(actual))) => match meaning {
                    Meaning::Plain => self.object(expected, actual, false, at),
                    Meaning::Metadata => metadata::compare(self, expected, actual, false, at),
                },
                _ => holds(false, "an object"),
            },
            "$contains" => self.contains(argument, actual, at),
            "$unordered" => match (argument, actual) {
                (Value::Array(expected), Some(Value::Array(actual))) => {
                    let holds_all = expected.len() == actual.len() && self.pair_up(expected, actual);
                    holds(holds_all, &format!("in any order {}", short(argument)))
                }
                _ => holds(false, "a list"),
            },
            "$close" => {
                let number = |key: &str| argument.get(key).and_then(Value::as_f64);
                let value = number("value").unwrap_or(f64::NAN);
                let tolerance = number("abs").unwrap_or(0.0).max(number("rel").unwrap_or(0.0) * value.abs());
                let near = actual.and_then(Value::as_f64).is_some_and(|a| (a - value).abs() <= tolerance);
                holds(near, &format!("{value} ± {tolerance:e}"))
            }
            other => wrong(at, format!("the case has an unknown matcher {other}")),
        }
    }

    fn contains(&self, argument: &Value, actual: Option<&Value>, at: &str) -> Compared {
        let wanted: Vec<&Value> = match argument {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        let found = |wanted: &Value| match actual {
            Some(Value::Array(items)) => {
                items.iter().any(|item| self.value(Meaning::Plain, wanted, Some(item), at).is_ok())
            }
            Some(Value::String(text)) => wanted.as_str().is_some_and(|wanted| text.contains(wanted)),
            _ => false,
        };
        match wanted.into_iter().find(|wanted| !found(wanted)) {
            None => Ok(()),
            Some(missing) => {
                let actual = actual.map_or_else(|| "missing".to_owned(), short);
                wrong(at, format!("{actual}, expected it to contain {}", short(missing)))
            }
        }
    }

    /// Whether every expected item can have an actual one of its own: a matching, since an item may fit several.
    fn pair_up(&self, expected: &[Value], actual: &[Value]) -> bool {
        let mut owner: Vec<Option<usize>> = vec![None; actual.len()];
        (0..expected.len()).all(|one| {
            let mut seen = vec![false; actual.len()];
            self.place(one, expected, actual, &mut owner, &mut seen)
        })
    }

    fn place(
        &self,
        one: usize,
        expected: &[Value],
        actual: &[Value],
        owner: &mut [Option<usize>],
        seen: &mut [bool],
    ) -> bool {
        for (at, item) in actual.iter().enumerate() {
            if seen[at] || self.value(Meaning::Plain, &expected[one], Some(item), "").is_err() {
                continue;
            }
            seen[at] = true;
            if owner[at].is_none_or(|other| self.place(other, expected, actual, owner, seen)) {
                owner[at] = Some(one);
                return true;
            }
        }
        false
    }

    /// The value of an earlier answer.
    pub(super) fn from(&self, argument: &Value) -> Result<&Value, String> {
        let step = argument.get("step").and_then(Value::as_u64).and_then(|step| usize::try_from(step).ok());
        let at = argument.get("at").and_then(Value::as_str);
        let (Some(step), Some(at)) = (step, at) else {
            return Err(format!("the case has a malformed $from {}", short(argument)));
        };
        let ok = self.observed.get(step).and_then(Observed::ok);
        let (ok, _) = ok.ok_or_else(|| format!("step {} gave no answer to take {at} from", step + 1))?;
        pointer(ok, at).ok_or_else(|| format!("step {} answered without {at}", step + 1))
    }
}

/// Replaces every `{"$from": …}` in `value` by what an earlier step answered.
///
/// # Errors
/// A sentence when that answer or that value is not there.
pub fn resolve_from(value: &Value, observed: &[Observed]) -> Result<Value, String> {
    if let Some(("$from", argument)) = matcher(value) {
        return Comparer { observed }.from(argument).cloned();
    }
    Ok(match value {
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| resolve_from(item, observed)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let member = |(key, value): (&String, &Value)| Ok((key.clone(), resolve_from(value, observed)?));
            Value::Object(map.iter().map(member).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// A JSON pointer into an object that is not wrapped in a [`Value`].
pub(super) fn pointer<'a>(ok: &'a Map<String, Value>, at: &str) -> Option<&'a Value> {
    let path = at.strip_prefix('/')?;
    let (first, rest) = path.find('/').map_or((path, ""), |slash| path.split_at(slash));
    ok.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
}

/// A key that may be left out ends in `?`.
pub(super) fn optional(key: &str) -> (&str, bool) {
    key.strip_suffix('?').map_or((key, false), |key| (key, true))
}

/// A matcher: an object with one key that begins with `$`.
fn matcher(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter().next().filter(|(key, _)| key.starts_with('$')).map(|(key, value)| (key.as_str(), value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Languages differ in whether they write 4 or 4.0; the number is the same.
pub(super) fn same_number(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    if a == b {
        return true;
    }
    let whole = |n: &serde_json::Number| n.is_u64() || n.is_i64();
    !(whole(a) && whole(b)) && a.as_f64() == b.as_f64()
}

pub(super) fn wrong(at: &str, what: String) -> Compared {
    Err(Mismatch { at: if at.is_empty() { "/".to_owned() } else { at.to_owned() }, what })
}

/// A value in a sentence.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
