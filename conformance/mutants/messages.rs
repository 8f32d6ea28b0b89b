//! Text messages and tensors that are wrong on purpose.

use serde_json::{Value, json};

use crate::{Mutant, handshake::rewrite_json, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "json-empty-fields-left-out",
        "leaves empty strings out",
        tell | asked,
        told | {
            rewrite_json(asked, told, &["json_encode"], |json| json.retain(|_, value| value != ""));
        }
    ),
    mutant!(
        "json-content-renamed",
        "calls content text",
        tell | asked,
        told | {
            rewrite_json(asked, told, &["json_encode"], |json| {
                if let Some(content) = json.remove("content") {
                    json.insert("text".to_owned(), content);
                }
            });
        }
    ),
    mutant!(
        "json-unknown-member-refused",
        "refuses members that it does not know",
        tell | asked,
        told | {
            const KNOWN: [&str; 6] =
                ["avp_version", "session_id", "source_agent_id", "target_agent_id", "content", "extra"];
            if asked.op() == "json_decode"
                && let Some(Ok(Value::Object(json))) = asked.part("json").map(serde_json::from_slice)
                && json.keys().any(|key| !KNOWN.contains(&key.as_str()))
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "json-any-document",
        "takes whatever JSON it gets for an empty message",
        tell | asked,
        told | {
            if asked.op() == "json_decode"
                && let Some(Ok(json)) = asked.part("json").map(serde_json::from_slice::<Value>)
                && !json.is_object()
            {
                told.become_ok(json!({"message": {}}), &[]);
            }
        }
    ),
    mutant!(
        "json-content-stringified",
        "turns a number in content into text",
        tell | asked,
        told | {
            if asked.op() == "json_decode"
                && let Some(Ok(json)) = asked.part("json").map(serde_json::from_slice::<Value>)
                && json.get("content").is_some_and(Value::is_number)
            {
                told.become_ok(json!({"message": {"content": json["content"].to_string()}}), &[]);
            }
        }
    ),
    mutant!(
        "tensor-bf16-truncated",
        "cuts the low half off instead of rounding",
        tell | asked,
        told | {
            if asked.op() == "encode_tensor"
                && asked.args().get("dtype").and_then(Value::as_str) == Some("BFLOAT16")
                && let Some(values) = asked.part("values").map(<[u8]>::to_vec)
                && let Some(payload) = told.part_mut("payload")
            {
                *payload = values.chunks_exact(4).flat_map(|f32| [f32[2], f32[3]]).collect();
            }
        }
    ),
    mutant!(
        "tensor-shape-unchecked",
        "reads a tensor that its payload does not fill",
        tell | asked,
        told | {
            if asked.op() == "decode_tensor" && told.json.contains_key("err") {
                told.become_ok(json!({"count": 0}), &[("values", &[])]);
            }
        }
    ),
];
