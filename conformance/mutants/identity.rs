//! Identities and hellos that are wrong on purpose.

use serde_json::{Map, Value, json};

use crate::{Mutant, frame::Frame, handshake::rewrite_json, mutant};

/// Members of an identity that are always written.
const TEXTS: [&str; 3] = ["model_family", "model_id", "model_hash"];
const NUMBERS: [&str; 4] = ["hidden_dim", "num_layers", "num_kv_heads", "head_dim"];
const TOKENIZER: &str = "tokenizer_hash";

/// Members of a config that lead to an identity.
const CONFIG: [&str; 10] = [
    "model_type",
    "_name_or_path",
    "hidden_size",
    "n_embd",
    "num_hidden_layers",
    "n_layer",
    "num_attention_heads",
    "n_head",
    "num_key_value_heads",
    "head_dim",
];

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "identity-defaults-left-out",
        "leaves out what is unknown",
        tell | asked,
        told | {
            written(asked, told, |json| json.retain(|_, value| *value != "" && *value != 0));
        }
    ),
    mutant!(
        "identity-short-names",
        "calls the texts family, id and hash",
        tell | asked,
        told | {
            written(asked, told, |json| {
                for name in TEXTS {
                    let value = json.remove(name).unwrap_or_default();
                    json.insert(name.trim_start_matches("model_").to_owned(), value);
                }
            });
        }
    ),
    mutant!(
        "identity-numbers-as-text",
        "writes the numbers as texts",
        tell | asked,
        told | {
            written(asked, told, |json| numbers(json, |number| number.to_string().into()));
        }
    ),
    mutant!(
        "identity-numbers-signed",
        "keeps the numbers in signed 32 bits when it writes",
        tell | asked,
        told | {
            written(asked, told, |json| numbers(json, |number| (number as i32).into()));
        }
    ),
    mutant!(
        "identity-ascii-only",
        "writes a question mark for what is not ASCII",
        tell | asked,
        told | {
            written(asked, told, ascii_only);
        }
    ),
    mutant!(
        "identity-tokenizer-hash-dropped",
        "never writes the hash of the tokenizer",
        tell | asked,
        told | {
            written(asked, told, |json| drop(json.remove(TOKENIZER)));
        }
    ),
    mutant!(
        "identity-layers-and-heads-swapped",
        "writes the layers as heads and the heads as layers",
        tell | asked,
        told | {
            written(asked, told, |json| swap(json, "num_layers", "num_kv_heads"));
        }
    ),
    mutant!(
        "identity-members-required",
        "reads no identity in which a member is missing",
        tell | asked,
        told | {
            let complete = |json: &Map<String, Value>| {
                TEXTS.iter().chain(&NUMBERS).chain(&[TOKENIZER]).all(|name| json.contains_key(*name))
            };
            if said(asked, "identity_decode").is_some_and(|json| !complete(&json)) {
                told.become_err("handshake");
            }
        }
    ),
    mutant!(
        "identity-numbers-read-signed",
        "keeps the numbers in signed 32 bits when it reads",
        tell | asked,
        told | {
            read(asked, told, |identity| numbers(identity, |number| (number as i32).into()));
        }
    ),
    mutant!(
        "identity-numbers-wrap",
        "keeps the low 32 bits of every number that it reads",
        ask | frame | {
            if let Some(mut json) = said(frame, "identity_decode") {
                numbers(&mut json, |number| (number & 0xffff_ffff).into());
                say(frame, &json);
            }
        }
    ),
    mutant!(
        "identity-escapes-kept",
        "takes the escapes in a text for text",
        ask | frame | {
            if frame.op() == "identity_decode"
                && let Some(json) = frame.part_mut("json")
            {
                *json = String::from_utf8_lossy(json).replace('\\', "\\\\").into_bytes();
            }
        }
    ),
    mutant!(
        "identity-sizes-of-heads-read-swapped",
        "reads the number of heads as their size and their size as their number",
        tell | asked,
        told | {
            read(asked, told, |identity| swap(identity, "num_kv_heads", "head_dim"));
        }
    ),
    mutant!(
        "identity-tokenizer-hash-unread",
        "does not read the hash of the tokenizer",
        tell | asked,
        told | {
            read(asked, told, |identity| drop(identity.remove(TOKENIZER)));
        }
    ),
    mutant!(
        "identity-unknown-member-refused",
        "refuses identities with members that it does not know",
        tell | asked,
        told | {
            let known = |name: &str| TEXTS.contains(&name) || NUMBERS.contains(&name) || name == TOKENIZER;
            if said(asked, "identity_decode").is_some_and(|json| json.keys().any(|name| !known(name))) {
                told.become_err("handshake");
            }
        }
    ),
    mutant!(
        "identity-names-folded",
        "knows a member by its letters alone, whatever their case and whatever stands between them",
        ask | frame | {
            if let Some(mut json) = said(frame, "identity_decode") {
                let fold = |name: &str| name.replace('_', "").to_lowercase();
                for known in TEXTS.iter().chain(&NUMBERS).chain(&[TOKENIZER]) {
                    let alike = json.iter().find(|(name, _)| fold(name) == fold(known));
                    if let Some(value) = alike.map(|(_, value)| value.clone()) {
                        json.insert((*known).to_owned(), value);
                    }
                }
                say(frame, &json);
            }
        }
    ),
    mutant!(
        "identity-gpt2-names-unknown",
        "does not know the names of GPT-2",
        ask | frame | {
            if let Some(config) = config(frame) {
                config.retain(|name, _| !name.starts_with("n_"));
            }
        }
    ),
    mutant!(
        "identity-gpt2-names-first",
        "believes the names of GPT-2 before all others",
        ask | frame | {
            if let Some(config) = config(frame) {
                for (short, long) in [
                    ("n_embd", "hidden_size"),
                    ("n_layer", "num_hidden_layers"),
                    ("n_head", "num_attention_heads"),
                ] {
                    if let Some(value) = config.get(short).cloned() {
                        config.insert(long.to_owned(), value);
                    }
                }
            }
        }
    ),
    mutant!(
        "identity-kv-heads-only-when-said",
        "knows no heads of keys where a config names none",
        tell | asked,
        told | {
            if asked.args().get("config").is_some_and(|config| config.get("num_key_value_heads").is_none()) {
                extracted(asked, told, |identity| drop(identity.insert("num_kv_heads".to_owned(), 0.into())));
            }
        }
    ),
    mutant!(
        "identity-head-dim-rounded-up",
        "rounds the size of a head up",
        tell | asked,
        told | {
            extracted(asked, told, |identity| {
                let number = |name: &str| asked.args()["config"].get(name).and_then(Value::as_u64);
                if let (Some(width), Some(heads @ 1..), None) =
                    (number("hidden_size"), number("num_attention_heads"), number("head_dim"))
                {
                    identity.insert("head_dim".to_owned(), width.div_ceil(heads).into());
                }
            });
        }
    ),
    mutant!(
        "identity-divides-by-no-heads",
        "divides by the number of heads where there are none",
        tell | asked,
        told | {
            if let Some(Value::Object(config)) = asked.args().get("config")
                && asked.op() == "identity_extract"
                && ["num_attention_heads", "n_head"]
                    .iter()
                    .all(|name| config.get(*name).and_then(Value::as_u64).unwrap_or(0) == 0)
            {
                told.json.remove("ok");
                told.json.insert("fault".to_owned(), "attempt to divide by zero".into());
            }
        }
    ),
    mutant!(
        "identity-family-required",
        "takes no config that does not name its model",
        tell | asked,
        told | {
            if asked.args().get("config").is_some_and(|config| config.get("model_type").is_none()) {
                told.become_err("handshake");
            }
        }
    ),
    mutant!(
        "identity-strict-config",
        "takes no config with members that it does not know",
        tell | asked,
        told | {
            if let Some(Value::Object(config)) = asked.args().get("config")
                && config.keys().any(|name| !CONFIG.contains(&name.as_str()))
            {
                told.become_err("handshake");
            }
        }
    ),
    mutant!(
        "identity-of-anything",
        "takes whatever is no config for an empty one",
        ask | frame | {
            if frame.op() == "identity_extract" && !frame.args()["config"].is_object() {
                frame.args_mut().insert("config".to_owned(), json!({}));
            }
        }
    ),
    mutant!(
        "hello-ascii-only",
        "writes a question mark for what is not ASCII",
        tell | asked,
        told | {
            rewrite_json(asked, told, &["hello_encode"], ascii_only);
        }
    ),
    mutant!(
        "hello-members-required",
        "reads no hello in which agent, version or identity is missing",
        tell | asked,
        told | {
            if said(asked, "hello_decode").is_some_and(|json| {
                ["agent_id", "avp_version", "identity"].iter().any(|name| !json.contains_key(*name))
            }) {
                told.become_err("handshake");
            }
        }
    ),
    mutant!(
        "hello-gated-by-version",
        "reads no hello of a version that is not its own",
        tell | asked,
        told | {
            let version = |json: Map<String, Value>| json.get("avp_version").cloned();
            if said(asked, "hello_decode").and_then(version).is_some_and(|version| version != "0.4") {
                told.become_err("handshake");
            }
        }
    ),
    mutant!(
        "hello-empty-identity-is-none",
        "takes an empty identity for none",
        ask | frame | {
            if let Some(mut json) =
                said(frame, "hello_decode").filter(|json| json.get("identity") == Some(&json!({})))
            {
                json.remove("identity");
                say(frame, &json);
            }
        }
    ),
    mutant!(
        "hello-unknown-member-refused",
        "refuses hellos with members that it does not know",
        tell | asked,
        told | {
            const KNOWN: [&str; 4] = ["agent_id", "avp_version", "identity", "capabilities"];
            let unknown = |json: Map<String, Value>| json.keys().any(|name| !KNOWN.contains(&name.as_str()));
            if said(asked, "hello_decode").is_some_and(unknown) {
                told.become_err("handshake");
            }
        }
    ),
];

/// The object that a request carries as text.
fn said(asked: &Frame, op: &str) -> Option<Map<String, Value>> {
    if asked.op() == op { serde_json::from_slice(asked.part("json")?).ok() } else { None }
}

/// Puts another object in its place.
fn say(frame: &mut Frame, json: &Map<String, Value>) {
    if let (Some(part), Ok(text)) = (frame.part_mut("json"), serde_json::to_vec(json)) {
        *part = text;
    }
}

/// Changes the identity that was written.
fn written(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Map<String, Value>)) {
    rewrite_json(asked, told, &["identity_encode"], change);
}

/// Changes the identity that was read.
fn read(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Map<String, Value>)) {
    if asked.op() == "identity_decode" {
        identity(told).map(change);
    }
}

/// Changes the identity that was taken from a config.
fn extracted(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Map<String, Value>)) {
    if asked.op() == "identity_extract" {
        identity(told).map(change);
    }
}

fn identity(told: &mut Frame) -> Option<&mut Map<String, Value>> {
    told.ok_mut()?.get_mut("identity")?.as_object_mut()
}

fn config(frame: &mut Frame) -> Option<&mut Map<String, Value>> {
    if frame.op() == "identity_extract" { frame.args_mut().get_mut("config")?.as_object_mut() } else { None }
}

fn numbers(identity: &mut Map<String, Value>, change: impl Fn(i64) -> Value) {
    for name in NUMBERS {
        if let Some(value) = identity.get_mut(name)
            && let Some(number) = value.as_i64()
        {
            *value = change(number);
        }
    }
}

fn swap(identity: &mut Map<String, Value>, one: &str, other: &str) {
    let (first, second) = (identity.remove(one), identity.remove(other));
    identity.extend(second.map(|value| (one.to_owned(), value)));
    identity.extend(first.map(|value| (other.to_owned(), value)));
}

fn ascii_only(json: &mut Map<String, Value>) {
    for (_, value) in json.iter_mut() {
        if let Some(text) = value.as_str() {
            *value = text.replace(|letter: char| !letter.is_ascii(), "?").into();
        }
    }
}
