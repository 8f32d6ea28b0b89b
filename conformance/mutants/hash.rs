//! Hashes that are wrong on purpose: each canonicalises by itself, with one rule changed.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "hash-with-spaces",
        "leaves a space after ',' and ':'",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { separators: (", ", ": "), ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-keys-unsorted",
        "keeps the keys in the order of the file",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { order: Order::Given, ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-keys-by-utf16",
        "sorts the keys by UTF-16 code units",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { order: Order::Utf16, ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-only-top-level-sorted",
        "sorts the keys of the outermost object alone",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { order: Order::TopLevel, ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-raw-unicode",
        "leaves non-ASCII characters as they are",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { escape: Escape::Raw, ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-escapes-upper-case",
        "writes \\u escapes in upper case",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { escape: Escape::Upper, ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-whole-floats-as-integers",
        "prints 1.0 as 1",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(config, &Style { whole_floats_short: true, ..Style::RIGHT }));
        }
    ),
    mutant!(
        "hash-values-as-text",
        "makes a text of every value before it hashes, so that 1 and \"1\" are the same",
        tell | asked,
        told | {
            rehash(asked, told, |config| write(&as_text(config), &Style::RIGHT));
        }
    ),
    mutant!(
        "hash-upper-case",
        "writes the digest in upper case",
        tell | asked,
        told | {
            if is_hash(asked)
                && let Some(hex) = hex_mut(told)
            {
                *hex = hex.as_str().unwrap_or_default().to_uppercase().into();
            }
        }
    ),
    mutant!(
        "hash-with-prefix",
        "puts sha256: in front",
        tell | asked,
        told | {
            if is_hash(asked)
                && let Some(hex) = hex_mut(told)
            {
                *hex = format!("sha256:{}", hex.as_str().unwrap_or_default()).into();
            }
        }
    ),
    mutant!(
        "hash-tokens-by-id",
        "sorts the vocabulary by id",
        tell | asked,
        told | {
            if asked.op() == "tokenizer_hash"
                && let Some(vocab) = asked.args().get("vocab").and_then(Value::as_object)
            {
                let mut pairs: Vec<_> = vocab.iter().collect();
                pairs.sort_by_key(|(_, id)| id.as_i64());
                let pairs =
                    pairs.into_iter().map(|(token, id)| Value::from(vec![token.as_str().into(), id.clone()]));
                let text = write(&pairs.collect(), &Style::RIGHT);
                if let Some(hex) = hex_mut(told) {
                    *hex = digest(&text).into();
                }
            }
        }
    ),
    mutant!(
        "hash-ids-left-out",
        "hashes the tokens without their ids",
        tell | asked,
        told | {
            if asked.op() == "tokenizer_hash"
                && let Some(vocab) = asked.args().get("vocab").and_then(Value::as_object)
            {
                let mut tokens: Vec<_> = vocab.keys().map(String::as_str).collect();
                tokens.sort_unstable();
                let text = write(&tokens.into(), &Style::RIGHT);
                if let Some(hex) = hex_mut(told) {
                    *hex = digest(&text).into();
                }
            }
        }
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum Order {
    CodePoint,
    Utf16,
    TopLevel,
    Given,
}

#[derive(Clone, Copy, PartialEq)]
enum Escape {
    Lower,
    Upper,
    Raw,
}

#[derive(Clone, Copy)]
struct Style {
    separators: (&'static str, &'static str),
    order: Order,
    escape: Escape,
    whole_floats_short: bool,
}

impl Style {
    const RIGHT: Self = Self {
        separators: (",", ":"),
        order: Order::CodePoint,
        escape: Escape::Lower,
        whole_floats_short: false,
    };
}

fn is_hash(asked: &Frame) -> bool {
    matches!(asked.op(), "model_hash" | "tokenizer_hash")
}

fn hex_mut(told: &mut Frame) -> Option<&mut Value> {
    told.ok_mut()?.get_mut("hex")
}

/// Hashes the config of a `model_hash` request again. Numbers that serde_json and CPython print differently are left to
/// the right answer, so that only the changed rule shows.
fn rehash(asked: &Frame, told: &mut Frame, text: impl Fn(&Value) -> String) {
    let config = asked.args().get("json").and_then(Value::as_str).and_then(|j| serde_json::from_str(j).ok());
    if asked.op() == "model_hash"
        && !asked.args().contains_key("int_keys")
        && let Some(config) = config
        && plain_numbers(&config)
        && let Some(hex) = hex_mut(told)
    {
        *hex = digest(&text(&config)).into();
    }
}

fn plain_numbers(value: &Value) -> bool {
    match value {
        Value::Number(n) => {
            !n.is_f64() || n.as_f64().is_some_and(|x| x == 0.0 || (1e-4..1e15).contains(&x.abs()))
        }
        Value::Array(items) => items.iter().all(plain_numbers),
        Value::Object(members) => members.values().all(plain_numbers),
        _ => true,
    }
}

/// The same with a text in place of every number, truth value and null.
fn as_text(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_text).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), as_text(value))).collect(),
        Value::String(_) => value.clone(),
        other => other.to_string().into(),
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(value: &Value, style: &Style) -> String {
    let (comma, colon) = style.separators;
    match value {
        Value::Number(n) if style.whole_floats_short && n.as_f64().is_some_and(|x| x.fract() == 0.0) => {
            n.to_string().trim_end_matches(".0").to_owned()
        }
        Value::String(text) => string(text, style.escape),
        Value::Array(items) => {
            let inner =
                if style.order == Order::TopLevel { Style { order: Order::Given, ..*style } } else { *style };
            format!("[{}]", items.iter().map(|item| write(item, &inner)).collect::<Vec<_>>().join(comma))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            match style.order {
                Order::CodePoint | Order::TopLevel => members.sort_by(|a, b| a.0.cmp(b.0)),
                Order::Utf16 => members.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16())),
                Order::Given => {}
            }
            let inner =
                if style.order == Order::TopLevel { Style { order: Order::Given, ..*style } } else { *style };
            let members = members
                .into_iter()
                .map(|(key, value)| format!("{}{colon}{}", string(key, style.escape), write(value, &inner)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(comma))
        }
        other => other.to_string(),
    }
}

fn string(text: &str, escape: Escape) -> String {
    let mut out = String::from("\"");
    for unit in text.chars() {
        match unit {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(unit),
            _ if escape == Escape::Raw => out.push(unit),
            _ => {
                for half in unit.encode_utf16(&mut [0; 2]) {
                    out.push_str(&match escape {
                        Escape::Upper => format!("\\u{half:04X}"),
                        _ => format!("\\u{half:04x}"),
                    });
                }
            }
        }
    }
    out.push('"');
    out
}
