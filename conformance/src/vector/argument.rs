//! Lists, vocabularies and texts that are generated, in arguments and expectations.

use serde_json::{Map, Value};

use crate::case::SCRATCH;

use super::node::{Node, Parsed};
use super::tamper_form::scratch_path;
use super::vocabulary::MATCHERS;

/// Most tokens that one list or vocabulary holds: more than any tokenizer of a published model has.
const MAX_TOKENS: u64 = 1 << 19;

/// Most bytes of one generated text: a quarter of what a frame's JSON part may hold.
const MAX_TEXT: usize = 256 << 10;

/// The members of `args`, each with its generators replaced. `$from` stays: it is filled in when the case runs.
pub(crate) fn arguments(node: &Node<'_>) -> Parsed<Map<String, Value>> {
    members(node, &["$from", SCRATCH])
}

/// An expected value with every generator replaced; the matchers stay, with what is inside them made.
pub(crate) fn expected(node: &Node<'_>) -> Parsed<Value> {
    made(node, MATCHERS)
}

/// The members of an expectation, as [`expected`].
pub(crate) fn expected_members(node: &Node<'_>) -> Parsed<Map<String, Value>> {
    members(node, MATCHERS)
}

fn made(node: &Node<'_>, kept: &[&str]) -> Parsed<Value> {
    Ok(match node.value {
        Value::Array(_) => Value::Array(list(node, kept)?),
        Value::Object(map) => match map.keys().find(|key| key.starts_with('$')) {
            Some(_) => special(node, kept)?,
            None => Value::Object(members(node, kept)?),
        },
        other => other.clone(),
    })
}

fn list(node: &Node<'_>, kept: &[&str]) -> Parsed<Vec<Value>> {
    node.list()?.iter().map(|item| made(item, kept)).collect()
}

fn members(node: &Node<'_>, kept: &[&str]) -> Parsed<Map<String, Value>> {
    node.entries()?.into_iter().map(|(key, value)| Ok((key.to_owned(), made(&value, kept)?))).collect()
}

/// A mapping with one key that begins with `$`: a generator, or something that is kept.
fn special(outer: &Node<'_>, kept: &[&str]) -> Parsed<Value> {
    let (name, node) = outer.single()?;
    match name {
        "$tokens" => {
            node.object_of(&["prefix", "from", "count"])?;
            Ok(tokens(&node)?.map(Value::String).collect())
        }
        "$vocab" => {
            node.object_of(&["prefix", "from", "count", "id_from", "id_step"])?;
            let first = node.get("id_from").map_or(Ok(0), |id| id.at_most(u32::MAX.into()))?;
            let step = node.get("id_step").map_or(Ok(1), |step| step.at_most(u16::MAX.into()))?;
            let ids = (0..).map(|index: u64| Value::from(first + index * step));
            Ok(tokens(&node)?.zip(ids).collect())
        }
        "$concat" => {
            let mut all = Vec::new();
            for member in node.list()? {
                match made(&member, kept)? {
                    Value::Array(items) => all.extend(items),
                    _ => return Err(member.error("expected a list")),
                }
            }
            Ok(Value::Array(all))
        }
        "$merge" => {
            let mut all = Map::new();
            for member in node.list()? {
                match made(&member, kept)? {
                    Value::Object(map) => all.extend(map),
                    _ => return Err(member.error("expected a mapping")),
                }
            }
            Ok(Value::Object(all))
        }
        "$repeat" => {
            node.object_of(&["text", "count"])?;
            let (text, count) = (node.need("text")?.string()?, node.need("count")?.usize()?);
            match text.len().checked_mul(count) {
                Some(len) if len <= MAX_TEXT => Ok(Value::String(text.repeat(count))),
                _ => Err(node.error(format!("more than {MAX_TEXT} bytes of text"))),
            }
        }
        name if kept.contains(&name) => {
            if name == "$from" {
                node.object_of(&["step", "at"])?;
                node.need("step")?.usize()?;
                node.need("at")?.string()?;
            }
            if name == SCRATCH {
                scratch_path(&node)?;
            }
            Ok(Value::Object(Map::from_iter([(name.to_owned(), made(&node, kept)?)])))
        }
        _ => Err(outer.error(format!(
            "`{name}` means nothing here; known: $tokens, $concat, $vocab, $merge, $repeat, {}",
            kept.join(", ")
        ))),
    }
}

fn tokens(node: &Node<'_>) -> Parsed<impl Iterator<Item = String>> {
    let prefix = node.need("prefix")?.string()?.to_owned();
    let from = node.get("from").map_or(Ok(0), |from| from.at_most(u32::MAX.into()))?;
    let count = node.need("count")?.at_most(MAX_TOKENS)?;
    Ok((from..from + count).map(move |number| format!("{prefix}{number}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: Value) -> Parsed<Value> {
        made(&Node::new(&value, "args"), &["$from"])
    }

    #[test]
    fn matchers_stay_and_their_inside_is_made() {
        let value = json!({"a": {"$any": [{"$repeat": {"text": "x", "count": 2}}, {"$absent": true}]}});
        let expected_value = json!({"a": {"$any": ["xx", {"$absent": true}]}});
        assert_eq!(expected(&Node::new(&value, "ok")).unwrap(), expected_value);
        assert!(expected(&Node::new(&json!({"a": {"$like": 1}}), "ok")).is_err());
        assert!(written(value).is_err());
    }

    #[test]
    fn lists_and_vocabularies() {
        let value = json!({
            "a": {"$concat": [{"$tokens": {"prefix": "t", "from": 8, "count": 2}}, ["x"]]},
            "b": {"$merge": [{"$vocab": {"prefix": "t", "count": 2, "id_from": 7, "id_step": 3}}, {"t1": 0}]},
            "c": {"$repeat": {"text": "é", "count": 3}},
            "d": {"$from": {"step": 0, "at": "/x"}},
        });
        let expected = json!({
            "a": ["t8", "t9", "x"], "b": {"t0": 7, "t1": 0}, "c": "ééé", "d": {"$from": {"step": 0, "at": "/x"}},
        });
        assert_eq!(written(value).unwrap(), expected);
    }

    #[test]
    fn mistakes_are_named() {
        for value in [
            json!({"a": {"$tokenz": {}}}),
            json!({"a": {"$tokens": {"prefix": "t", "count": u64::MAX}}}),
            json!({"a": {"$concat": [{"a": 1}]}}),
            json!({"a": {"$merge": [[1]]}}),
            json!({"a": {"$repeat": {"text": "aa", "count": u64::MAX}}}),
            json!({"a": {"$from": {"step": "x"}}}),
        ] {
            assert!(written(value.clone()).unwrap_err().place.starts_with("args.a"), "{value}");
        }
    }
}
