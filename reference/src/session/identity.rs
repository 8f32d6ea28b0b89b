//! What a peer says about its model.

use serde::Serialize;
use serde_json::Value;

use super::fields::{Fields, kind, parse};
use super::hash::model_hash;
use super::json::Json;
use crate::error::{Error, ErrorClass, Result};

/// Longest identity or hello text that is read. A hello has well under 2 KiB; capabilities may add to it.
pub const MAX_HELLO_BYTES: usize = 1 << 20;

/// A model's identity (AVP-HS-001…008). Written as a JSON object with the fields in this order; all are always there,
/// but for `tokenizer_hash`, which is left out when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelIdentity {
    /// Architecture, e.g. `llama`. Empty when unknown, as every text here.
    pub model_family: String,
    /// Name or path.
    pub model_id: String,
    /// Hash of the model's configuration, 64 lowercase hex digits.
    pub model_hash: String,
    /// Width of a hidden state. 0 when unknown, as every number here.
    pub hidden_dim: u32,
    /// Transformer layers.
    pub num_layers: u32,
    /// Key-value heads a layer.
    pub num_kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Hash of the tokenizer's vocabulary, 64 lowercase hex digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tokenizer_hash: String,
}

/// An identity taken from a configuration, and what was odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The identity. Its `tokenizer_hash` is empty: a configuration does not tell.
    pub identity: ModelIdentity,
    /// The configuration has no hidden size, or 0 (AVP-HS-015).
    pub hidden_dim_zero: bool,
}

impl ModelIdentity {
    /// Reads an identity from JSON. Absent fields and `null` are empty or 0; unknown ones are ignored (AVP-HS-009).
    ///
    /// # Errors
    /// `handshake` when it is no object, or a field has another type or is out of range.
    pub fn from_json(value: &Value) -> Result<Self> {
        let fields = Fields::of(value, ErrorClass::Handshake, "identity")?;
        let text = |field| match fields.get(field) {
            None | Some(Value::Null) => Ok(String::new()),
            _ => Ok(fields.string(field)?.unwrap_or_default().to_owned()),
        };
        let number = |field| match fields.get(field) {
            // A release of the Python SDK writes null for unknown head counts (A-061).
            None | Some(Value::Null) => Ok(0),
            Some(value) => value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| {
                Error::new(ErrorClass::Handshake, field, "an integer from 0 to 4294967295", kind(value))
            }),
        };
        Ok(Self {
            model_family: text("identity.model_family")?,
            model_id: text("identity.model_id")?,
            model_hash: text("identity.model_hash")?,
            hidden_dim: number("identity.hidden_dim")?,
            num_layers: number("identity.num_layers")?,
            num_kv_heads: number("identity.num_kv_heads")?,
            head_dim: number("identity.head_dim")?,
            tokenizer_hash: text("identity.tokenizer_hash")?,
        })
    }

    /// Reads an identity from JSON text.
    ///
    /// # Errors
    /// `handshake` when it is malformed, `limit_exceeded` when it is longer than [`MAX_HELLO_BYTES`].
    pub fn from_text(text: &[u8]) -> Result<Self> {
        Self::from_json(&parse(text, MAX_HELLO_BYTES, ErrorClass::Handshake, "identity")?)
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value {
        // Strings and integers under string keys: this has a JSON form whatever they hold.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Takes the identity from a Hugging Face configuration (AVP-HS-014): Llama, Qwen2, Mistral and Gemma names, GPT-2
    /// names, and configurations that keep the language model's part under `text_config`. `model_hash` is the hash of
    /// the configuration as a whole.
    ///
    /// # Errors
    /// `handshake` when it is no object or a field has another type; `configuration` when it cannot be hashed.
    pub fn from_config(config: &Json<'_>) -> Result<Extracted> {
        let Json::Object(_) = config else {
            return Err(Error::new(ErrorClass::Handshake, "config", "a configuration object", config.kind()));
        };
        let shape = Shape::of(config)?;
        let shape = match config.get("text_config") {
            Some(nested @ Json::Object(_)) if shape.hidden == 0 => Shape::of(nested)?,
            _ => shape,
        };
        let mut model_family = text(config, "model_type", "config.model_type")?;
        if let (true, Some(nested)) = (model_family.is_empty(), config.get("text_config")) {
            model_family = text(nested, "model_type", "config.model_type")?;
        }
        let identity = Self {
            model_family,
            model_id: text(config, "_name_or_path", "config._name_or_path")?,
            model_hash: model_hash(config)?,
            hidden_dim: shape.hidden,
            num_layers: shape.layers,
            num_kv_heads: shape.kv_heads,
            head_dim: shape.head_dim,
            tokenizer_hash: String::new(),
        };
        Ok(Extracted { hidden_dim_zero: identity.hidden_dim == 0, identity })
    }
}

/// The sizes in a configuration; 0 where it does not say.
struct Shape {
    hidden: u32,
    layers: u32,
    kv_heads: u32,
    head_dim: u32,
}

impl Shape {
    fn of(config: &Json<'_>) -> Result<Self> {
        let hidden = first(config, &["hidden_size", "n_embd"], "config.hidden_size")?;
        let heads = first(config, &["num_attention_heads", "n_head"], "config.num_attention_heads")?;
        let head_dim = first(config, &["head_dim"], "config.head_dim")?;
        let kv_heads = match config.get("num_key_value_heads") {
            None | Some(Json::Null) => heads,
            Some(value) => number(value, "config.num_key_value_heads")?,
        };
        Ok(Self {
            hidden,
            layers: first(config, &["num_hidden_layers", "n_layer"], "config.num_hidden_layers")?,
            kv_heads,
            head_dim: if head_dim == 0 { hidden.checked_div(heads).unwrap_or_default() } else { head_dim },
        })
    }
}

/// The first of these members that is neither absent, null nor 0.
fn first(config: &Json<'_>, names: &[&str], field: &'static str) -> Result<u32> {
    for name in names {
        match config.get(name) {
            None | Some(Json::Null) => {}
            Some(value) => match number(value, field)? {
                0 => {}
                number => return Ok(number),
            },
        }
    }
    Ok(0)
}

fn number(value: &Json<'_>, field: &'static str) -> Result<u32> {
    let refused =
        |found: &str| Error::new(ErrorClass::Handshake, field, "an integer from 0 to 4294967295", found);
    match value {
        Json::Int(digits) => digits.parse().map_err(|_| refused(digits)),
        other => Err(refused(other.kind())),
    }
}

fn text(config: &Json<'_>, name: &str, field: &'static str) -> Result<String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::Text(text)) => match text.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(Error::new(ErrorClass::Handshake, field, "Unicode text", "a lone surrogate")),
        },
        Some(other) => Err(Error::new(ErrorClass::Handshake, field, "a string", other.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::json::JsonLimits;

    fn extract(text: &str) -> Result<Extracted> {
        ModelIdentity::from_config(&Json::parse(text, &JsonLimits::CONFIG).unwrap())
    }

    fn sizes(text: &str) -> (u32, u32, u32, u32) {
        let identity = extract(text).unwrap().identity;
        (identity.hidden_dim, identity.num_layers, identity.num_kv_heads, identity.head_dim)
    }

    #[test]
    fn configurations_of_several_families() {
        let llama = r#"{"model_type":"llama","_name_or_path":"m/l","hidden_size":4096,"num_hidden_layers":32,
            "num_attention_heads":32,"num_key_value_heads":8}"#;
        assert_eq!(sizes(llama), (4096, 32, 8, 128));
        let identity = extract(llama).unwrap().identity;
        assert_eq!((identity.model_family.as_str(), identity.model_id.as_str()), ("llama", "m/l"));
        assert_eq!(identity.model_hash.len(), 64);
        assert_eq!(sizes(r#"{"n_embd":768,"n_layer":12,"n_head":12}"#), (768, 12, 12, 64));
        assert_eq!(sizes(r#"{"hidden_size":64,"num_attention_heads":4,"head_dim":32}"#), (64, 0, 4, 32));
        assert_eq!(
            sizes(r#"{"hidden_size":5,"num_attention_heads":2,"num_key_value_heads":null}"#),
            (5, 0, 2, 2)
        );
        let gemma = r#"{"model_type":"gemma3","text_config":{"model_type":"gemma3_text","hidden_size":2560,
            "num_hidden_layers":34,"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256}}"#;
        assert_eq!(sizes(gemma), (2560, 34, 4, 256));
        assert_eq!(extract(gemma).unwrap().identity.model_family, "gemma3");
        assert_eq!(extract(r#"{"text_config":{"model_type":"t"}}"#).unwrap().identity.model_family, "t");
    }

    #[test]
    fn no_hidden_size_is_reported() {
        let zero = extract(r#"{"hidden_size":0,"num_attention_heads":0}"#).unwrap();
        assert!(zero.hidden_dim_zero);
        assert_eq!(zero.identity.head_dim, 0);
        assert!(!extract(r#"{"hidden_size":1}"#).unwrap().hidden_dim_zero);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for text in [
            "42",
            "[]",
            "null",
            r#"{"hidden_size":"x"}"#,
            r#"{"hidden_size":-1}"#,
            r#"{"hidden_size":4294967296}"#,
            r#"{"model_type":1}"#,
        ] {
            assert_eq!(extract(text).unwrap_err().class, ErrorClass::Handshake, "{text}");
        }
    }

    #[test]
    fn json_has_every_field_but_an_empty_tokenizer_hash() {
        let text = ModelIdentity::default().to_json().to_string();
        assert_eq!(
            text,
            r#"{"model_family":"","model_id":"","model_hash":"","hidden_dim":0,"num_layers":0,"num_kv_heads":0,"head_dim":0}"#
        );
        let identity = ModelIdentity { tokenizer_hash: "ab".into(), num_layers: 3, ..Default::default() };
        assert_eq!(identity.to_json()["tokenizer_hash"], "ab");
        assert_eq!(ModelIdentity::from_json(&identity.to_json()).unwrap(), identity);
    }

    #[test]
    fn identities_are_read_leniently_but_typed() {
        assert_eq!(
            ModelIdentity::from_text(br#"{"bar":2,"num_kv_heads":null}"#).unwrap(),
            ModelIdentity::default()
        );
        for text in [
            "5",
            "[]",
            "{",
            r#"{"hidden_dim":-1}"#,
            r#"{"hidden_dim":1.5}"#,
            r#"{"model_id":5}"#,
            r#"{"num_layers":"2"}"#,
        ] {
            let error = ModelIdentity::from_text(text.as_bytes()).unwrap_err();
            assert_eq!(error.class, ErrorClass::Handshake, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in r#"\{("(hidden_dim|model_id|num_layers)":[0-9"a.\-]{0,5},?){0,3}\}"#) {
            let _ = ModelIdentity::from_text(&bytes);
            let _ = ModelIdentity::from_text(text.as_bytes());
        }
    }
}
