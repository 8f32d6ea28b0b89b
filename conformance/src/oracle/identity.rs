//! Identity from a model configuration (AVP-HS-014, 016).

use serde_json::{Map, Value};

use super::resolve::Identity;

/// What a configuration says of its model. Hashes stay empty; [`super::model_hash`] makes the model's from the same text.
/// Numbers that are missing, null or out of range count as 0.
pub fn extract_identity(config: &Map<String, Value>) -> Identity {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |keys: &[&str]| {
        let first = keys.iter().find_map(|key| config.get(*key)?.as_u64());
        first.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    };
    let hidden_dim = number(&["hidden_size", "n_embd"]);
    let heads = number(&["num_attention_heads", "n_head"]);
    let head_dim = match number(&["head_dim"]) {
        0 => hidden_dim.checked_div(heads).unwrap_or(0),
        given => given,
    };
    let num_kv_heads = match config.get("num_key_value_heads").and_then(Value::as_u64) {
        Some(given) => u32::try_from(given).unwrap_or(0),
        None => heads,
    };
    Identity {
        model_family: text("model_type"),
        model_id: text("_name_or_path"),
        hidden_dim,
        num_layers: number(&["num_hidden_layers", "n_layer"]),
        num_kv_heads,
        head_dim,
        ..Identity::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn configurations() {
        for (config, expected) in [
            (
                json!({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
                    "num_key_value_heads": 8}),
                (4096, 32, 8, 128),
            ),
            (json!({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12}), (768, 12, 12, 64)),
            (json!({"hidden_size": 64, "num_attention_heads": 4, "head_dim": 32}), (64, 0, 4, 32)),
            (json!({"hidden_size": 5, "num_attention_heads": 2, "num_key_value_heads": null}), (5, 0, 2, 2)),
            (json!({}), (0, 0, 0, 0)),
        ] {
            let identity = extract_identity(config.as_object().unwrap());
            let found = (identity.hidden_dim, identity.num_layers, identity.num_kv_heads, identity.head_dim);
            assert_eq!(found, expected, "{config}");
        }
    }
}
