//! The part of JSON Schema that the manifest's schema uses. An unknown keyword is an error, so that the schema can't
//! grow beyond what is checked.

use regex_lite::Regex;
use serde_json::Value;

/// Keywords without a say in what is valid.
const SILENT: &[&str] = &["$schema", "$defs", "title", "description"];

/// Everything in `value` that the schema does not allow.
pub(crate) fn violations(root: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    visit(root, root, value, "$", &mut found);
    found
}

fn visit(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let mut fail = |what: String| found.push(format!("{place}: {what}"));
        match keyword.as_str() {
            "$ref" => {
                let name =
                    rule.as_str().and_then(|name| name.strip_prefix("#/$defs/")).expect("a local reference");
                visit(root, &root["$defs"][name], value, place, found);
            }
            "type" if !has_type(value, rule.as_str().expect("one type")) => fail(format!("is no {rule}")),
            "const" if value != rule => fail(format!("is not {rule}")),
            "enum" if !rule.as_array().expect("a list").contains(value) => fail(format!("is none of {rule}")),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().expect("text")).expect("a pattern");
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    fail(format!("does not match {rule}"));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() => fail(format!("is less than {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => fail(format!("is more than {rule}")),
            "minLength" if value.as_str().map(|text| text.chars().count() as u64) < rule.as_u64() => {
                fail("is too short".to_owned());
            }
            "minItems" if value.as_array().map(|items| items.len() as u64) < rule.as_u64() => {
                fail("has too few items".to_owned());
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    visit(root, rule, item, &format!("{place}[{index}]"), found);
                }
            }
            "required" => {
                for key in rule.as_array().expect("a list").iter().filter_map(Value::as_str) {
                    if value.get(key).is_none() {
                        found.push(format!("{place}: {key} is missing"));
                    }
                }
            }
            "properties" => {
                for (key, rule) in rule.as_object().expect("an object") {
                    if let Some(value) = value.get(key) {
                        visit(root, rule, value, &format!("{place}.{key}"), found);
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(*rule, Value::Bool(false));
                for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
                    if schema["properties"].get(key).is_none() {
                        found.push(format!("{place}: {key} is not allowed"));
                    }
                }
            }
            "oneOf" => {
                let fits = |rule: &&Value| {
                    let mut wrong = Vec::new();
                    visit(root, rule, value, place, &mut wrong);
                    wrong.is_empty()
                };
                let count = rule.as_array().expect("a list").iter().filter(fits).count();
                if count != 1 {
                    fail(format!("fits {count} of the forms"));
                }
            }
            "type" | "const" | "enum" | "minimum" | "maximum" | "minLength" | "minItems" => {}
            silent if SILENT.contains(&silent) => {}
            unknown => panic!("the schema uses {unknown}, which this test does not know"),
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("type {other}"),
    }
}
