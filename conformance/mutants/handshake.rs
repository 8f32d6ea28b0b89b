//! Resolvers and identities that are wrong on purpose.

use serde_json::{Map, Value, json};

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "resolve-structure-before-hash",
        "tries rule 2 before rule 1",
        ask | frame | {
            if structural(frame) {
                drop_key(frame, "model_hash");
            }
        }
    ),
    mutant!(
        "resolve-tokenizer-before-structure",
        "tries rule 3 before rule 2",
        ask | frame | {
            if same(frame, "tokenizer_hash") && !same(frame, "model_hash") {
                drop_key(frame, "model_family");
            }
        }
    ),
    mutant!(
        "resolve-overlap-before-map",
        "tries rule 5 before rule 4",
        ask | frame | {
            if frame.op() == "resolve"
                && frame.args().contains_key("local_vocab")
                && frame.args().contains_key("remote_vocab")
            {
                frame.args_mut().remove("maps");
            }
        }
    ),
    mutant!(
        "resolve-overlap-above-100",
        "wants more than 100 shared tokens",
        ask | frame | {
            shorten_vocabulary(frame, 1);
        }
    ),
    mutant!(
        "resolve-layers-ignored",
        "matches structure without the number of layers",
        ask | frame | {
            if frame.op() == "resolve" && !same(frame, "model_hash") {
                let layers = side(frame, "local").get("num_layers").cloned().filter(|n| n.as_u64() > Some(0));
                if let (Some(layers), Some(remote)) = (layers, side_mut(frame, "remote"))
                    && remote.get("num_layers").and_then(Value::as_u64) > Some(0)
                {
                    remote.insert("num_layers".to_owned(), layers);
                }
            }
        }
    ),
    mutant!(
        "resolve-heads-compared",
        "wants equal KV heads for a structural match",
        ask | frame | {
            if structural(frame) && !same(frame, "num_kv_heads") && !same(frame, "model_hash") {
                drop_key(frame, "model_family");
            }
        }
    ),
    mutant!(
        "resolve-family-case-folded",
        "compares families without case",
        ask | frame | {
            for name in ["local", "remote"] {
                if let Some(family) = side_mut(frame, name).and_then(|side| side.get_mut("model_family")) {
                    *family = family.as_str().unwrap_or_default().to_lowercase().into();
                }
            }
        }
    ),
    mutant!(
        "resolve-hash-case-folded",
        "compares hashes without case",
        ask | frame | {
            for name in ["local", "remote"] {
                if let Some(hash) = side_mut(frame, name).and_then(|side| side.get_mut("model_hash")) {
                    *hash = hash.as_str().unwrap_or_default().to_lowercase().into();
                }
            }
        }
    ),
    mutant!(
        "resolve-empty-hashes-equal",
        "takes two missing hashes for the same model",
        tell | asked,
        told | {
            if asked.op() == "resolve"
                && ["local", "remote"].iter().all(|name| text(side(asked, name), "model_hash").is_empty())
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("mode".to_owned(), "LATENT".into());
                ok.insert("avp_map_id".to_owned(), "".into());
                ok.insert("resolution_path".to_owned(), "hash_match".into());
            }
        }
    ),
    mutant!(
        "resolve-tokenizer-prefix",
        "compares the first 16 characters of the tokenizer hash",
        ask | frame | {
            let prefix =
                |side: &Map<String, Value>| text(side, "tokenizer_hash").chars().take(16).collect::<String>();
            let (local, remote) = (prefix(side(frame, "local")), prefix(side(frame, "remote")));
            if frame.op() == "resolve" && local == remote && local.len() == 16 {
                let whole = side(frame, "local").get("tokenizer_hash").cloned();
                if let (Some(whole), Some(remote)) = (whole, side_mut(frame, "remote")) {
                    remote.insert("tokenizer_hash".to_owned(), whole);
                }
            }
        }
    ),
    mutant!(
        "resolve-map-id-15-characters",
        "cuts the tokenizer hash one character early",
        tell | asked,
        told | {
            if asked.op() == "resolve"
                && let Some(id) = told.ok_mut().and_then(|ok| ok.get_mut("avp_map_id"))
                && let Some(text) = id.as_str().filter(|text| text.starts_with("vocab:") && text.len() == 22)
            {
                *id = text[..21].into();
            }
        }
    ),
    mutant!(
        "resolve-map-either-way",
        "uses a stored map in the wrong direction too",
        ask | frame | {
            if frame.op() == "resolve"
                && let Some(maps) = frame.args_mut().get_mut("maps").and_then(Value::as_array_mut)
            {
                let backwards: Vec<Value> =
                    maps.iter().filter_map(|pair| Some(json!([pair.get(1)?, pair.get(0)?]))).collect();
                maps.extend(backwards);
            }
        }
    ),
    mutant!(
        "resolve-session-id-constant",
        "derives the session id from the two identities",
        tell | asked,
        told | {
            if asked.op() == "resolve"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("session_id".to_owned(), "0123456789abcdef0123456789abcdef".into());
            }
        }
    ),
    mutant!(
        "resolve-json-for-everything",
        "always falls back to text",
        tell | asked,
        told | {
            if asked.op() == "resolve"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("mode".to_owned(), "JSON".into());
                ok.insert("avp_map_id".to_owned(), "".into());
                ok.insert("resolution_path".to_owned(), "json_fallback".into());
            }
        }
    ),
    mutant!(
        "identity-attention-heads-as-kv-heads",
        "writes the attention heads of a grouped-query model",
        tell | asked,
        told | {
            if asked.op() == "identity_extract"
                && let Some(heads) =
                    asked.args().get("config").and_then(|c| c.get("num_attention_heads")).cloned()
                && let Some(identity) =
                    told.ok_mut().and_then(|ok| ok.get_mut("identity")).and_then(Value::as_object_mut)
            {
                identity.insert("num_kv_heads".to_owned(), heads);
            }
        }
    ),
    mutant!(
        "identity-empty-tokenizer-hash-written",
        "writes an empty tokenizer_hash",
        tell | asked,
        told | {
            rewrite_json(asked, told, &["identity_encode"], |json| {
                json.entry("tokenizer_hash").or_insert_with(|| "".into());
            });
        }
    ),
    mutant!(
        "hello-null-identity-crashes",
        "dies on identity: null",
        ask | frame | {
            if frame.op() == "hello_decode"
                && frame
                    .part("json")
                    .and_then(|json| serde_json::from_slice::<Value>(json).ok())
                    .is_some_and(|hello| hello.get("identity") == Some(&Value::Null))
            {
                std::process::abort();
            }
        }
    ),
    mutant!(
        "hello-version-renamed",
        "calls avp_version version",
        tell | asked,
        told | {
            rewrite_json(asked, told, &["hello_encode"], |json| {
                if let Some(version) = json.remove("avp_version") {
                    json.insert("version".to_owned(), version);
                }
            });
        }
    ),
];

pub(crate) fn side<'a>(frame: &'a Frame, name: &str) -> &'a Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    frame.args().get(name).and_then(Value::as_object).unwrap_or(&EMPTY)
}

pub(crate) fn side_mut<'a>(frame: &'a mut Frame, name: &str) -> Option<&'a mut Map<String, Value>> {
    if frame.op() != "resolve" {
        return None;
    }
    frame.args_mut().get_mut(name)?.as_object_mut()
}

pub(crate) fn text<'a>(side: &'a Map<String, Value>, key: &str) -> &'a str {
    side.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether both sides have the same value there, and it says something.
fn same(frame: &Frame, key: &str) -> bool {
    let (local, remote) = (side(frame, "local").get(key), side(frame, "remote").get(key));
    frame.op() == "resolve"
        && local == remote
        && local.is_some_and(|value| !matches!(value.as_str(), Some("")) && value.as_u64() != Some(0))
}

fn structural(frame: &Frame) -> bool {
    ["model_family", "hidden_dim", "num_layers"].iter().all(|key| same(frame, key))
}

fn drop_key(frame: &mut Frame, key: &str) {
    if let Some(remote) = side_mut(frame, "remote") {
        remote.remove(key);
    }
}

/// Takes shared tokens away when there are exactly enough.
fn shorten_vocabulary(frame: &mut Frame, by: usize) {
    if frame.op() != "resolve" {
        return;
    }
    let vocab = |name: &str| frame.args().get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (local, remote) = (vocab("local_vocab"), vocab("remote_vocab"));
    let shared: Vec<&Value> = local.iter().filter(|token| remote.contains(token)).collect();
    if shared.len() == 100 {
        let gone = &shared[..by];
        let kept: Vec<Value> = remote.iter().filter(|token| !gone.contains(token)).cloned().collect();
        frame.args_mut().insert("remote_vocab".to_owned(), kept.into());
    }
}

/// Changes the JSON text that one of these operations wrote.
pub(crate) fn rewrite_json(
    asked: &Frame,
    told: &mut Frame,
    ops: &[&str],
    change: impl FnOnce(&mut Map<String, Value>),
) {
    if ops.contains(&asked.op())
        && let Some(text) = told.part_mut("json")
        && let Ok(mut json) = serde_json::from_slice::<Map<String, Value>>(text)
    {
        change(&mut json);
        *text = Value::Object(json).to_string().into_bytes();
    }
}
