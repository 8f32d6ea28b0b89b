//! `sweep`: one entry, copied once a value of its variables.

use serde_json::{Map, Value};

use super::node::{Node, Parsed};

/// Most copies that one sweep makes. Each is a vector of its own (or a step), and a person must be able to read the list.
pub(crate) const MAX_COPIES: usize = 4096;

/// The entry without its `sweep`, once a combination of values; unchanged when it has none.
pub(crate) fn copies(entry: &Node<'_>) -> Parsed<Vec<Map<String, Value>>> {
    let mut template = entry.object()?.clone();
    template.shift_remove("sweep");
    let Some(sweep) = entry.get("sweep") else {
        return Ok(vec![template]);
    };
    let mut combinations: Vec<Vec<(&str, Value)>> = vec![Vec::new()];
    for (name, values) in sweep.entries()? {
        let choices = choices(&values)?;
        if combinations.len() * choices.len() > MAX_COPIES {
            return Err(sweep.error(format!("more than {MAX_COPIES} copies")));
        }
        let longer = combinations.iter().flat_map(|chosen| {
            choices.iter().map(|choice| {
                let mut chosen = chosen.clone();
                chosen.push((name, choice.clone()));
                chosen
            })
        });
        combinations = longer.collect();
    }
    let template = Value::Object(template);
    let filled = combinations.iter().map(|chosen| fill(&template, chosen, entry));
    filled
        .map(|copy| match copy? {
            Value::Object(map) => Ok(map),
            _ => Err(entry.error("expected a mapping")),
        })
        .collect()
}

/// A list of values, or `{from, to, step, not}` with both ends included.
fn choices(node: &Node<'_>) -> Parsed<Vec<Value>> {
    if let Value::Array(values) = node.value {
        return Ok(values.clone());
    }
    node.object_of(&["from", "to", "step", "not"])?;
    let (from, to) = (node.need("from")?.u64()?, node.need("to")?.u64()?);
    let step = node.get("step").map_or(Ok(1), |step| step.u64())?;
    let not = node.get("not").map_or(Ok(Vec::new()), |not| not.list())?;
    let not = not.iter().map(Node::u64).collect::<Parsed<Vec<_>>>()?;
    if step == 0 || from > to || (to - from) / step >= MAX_COPIES as u64 {
        return Err(node.error(format!("expected from ≤ to, a step, and at most {MAX_COPIES} values")));
    }
    let mut values = Vec::new();
    let mut next = Some(from);
    while let Some(value) = next.filter(|value| *value <= to) {
        if !not.contains(&value) {
            values.push(value.into());
        }
        next = value.checked_add(step);
    }
    Ok(values)
}

fn fill(value: &Value, chosen: &[(&str, Value)], entry: &Node<'_>) -> Parsed<Value> {
    Ok(match value {
        Value::String(text) => fill_text(text, chosen, entry)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, chosen, entry)).collect::<Parsed<_>>()?)
        }
        Value::Object(map) => {
            let mut filled = Map::new();
            for (key, value) in map {
                filled.insert(key.clone(), fill(value, chosen, entry)?);
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
}

/// `${n}` alone is the value itself; inside longer text it is its digits; `${n:02x}` is hex of that width.
fn fill_text(text: &str, chosen: &[(&str, Value)], entry: &Node<'_>) -> Parsed<Value> {
    let unknown = |name: &str| entry.error(format!("`${{{name}}}` names no variable of the sweep"));
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (inside, after) = behind.split_once('}').ok_or_else(|| entry.error("`${` without `}`"))?;
        let (name, format) = inside.split_once(':').unwrap_or((inside, ""));
        let (_, value) = chosen.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(name))?;
        if before.is_empty() && after.is_empty() && rest.len() == text.len() && format.is_empty() {
            return Ok(value.clone());
        }
        filled.push_str(before);
        filled.push_str(&formatted(value, format).ok_or_else(|| {
            entry.error(format!("`${{{inside}}}`: expected a width and `x`, such as `02x`, for a number"))
        })?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(Value::String(filled))
}

/// Greatest width of a hex number in text: sixteen digits hold 64 bits.
const MAX_HEX_DIGITS: usize = 16;

fn formatted(value: &Value, format: &str) -> Option<String> {
    if format.is_empty() {
        return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let number = value.as_u64()?;
    let width = format.strip_suffix('x')?;
    let width = if width.is_empty() { 1 } else { width.parse().ok()? };
    (width <= MAX_HEX_DIGITS).then(|| format!("{number:0width$x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn swept(entry: Value) -> Parsed<Vec<Value>> {
        Ok(copies(&Node::new(&entry, "each[0]"))?.into_iter().map(Value::Object).collect())
    }

    #[test]
    fn numbers_text_and_hex() {
        let copies = swept(json!({
            "sweep": {"n": {"from": 9, "to": 11, "not": [10]}},
            "slug": "v-${n}", "at": "${n}", "hex": "${n:02x}${n:04x}"
        }));
        assert_eq!(
            copies.unwrap(),
            [
                json!({"slug": "v-9", "at": 9, "hex": "090009"}),
                json!({"slug": "v-11", "at": 11, "hex": "0b000b"}),
            ]
        );
    }

    #[test]
    fn several_variables_cross_in_order() {
        let copies = swept(json!({"sweep": {"a": [0, 1], "b": ["x", "y"]}, "s": "${a}${b}"})).unwrap();
        let texts: Vec<_> = copies.iter().map(|copy| copy["s"].as_str().unwrap()).collect();
        assert_eq!(texts, ["0x", "0y", "1x", "1y"]);
    }

    #[test]
    fn without_a_sweep_nothing_is_touched() {
        let entry = json!({"slug": "${n}"});
        assert_eq!(swept(entry.clone()).unwrap(), [entry]);
    }

    #[test]
    fn mistakes_are_named() {
        for (entry, word) in [
            (json!({"sweep": {"n": [1]}, "s": "${m}"}), "`${m}`"),
            (json!({"sweep": {"n": [1]}, "s": "${n"}), "without"),
            (json!({"sweep": {"n": [1]}, "s": "a${n:9}"}), "width"),
            (json!({"sweep": {"n": [1]}, "s": "${n:99999999999x}"}), "width"),
            (json!({"sweep": {"n": {"from": 2, "to": 1}}}), "from"),
            (json!({"sweep": {"n": {"from": 0, "to": u64::MAX}}}), "at most"),
            (json!({"sweep": {"a": {"from": 0, "to": 999}, "b": {"from": 0, "to": 999}}}), "copies"),
        ] {
            let error = swept(entry.clone()).unwrap_err();
            assert!(error.what.contains(word), "{entry}: {error}");
        }
    }
}
