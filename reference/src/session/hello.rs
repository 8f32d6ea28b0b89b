//! The handshake's message.

use serde_json::{Map, Value, json};

use super::AVP_VERSION;
use super::fields::{Fields, parse};
use super::identity::{MAX_HELLO_BYTES, ModelIdentity};
use crate::error::{ErrorClass, Result};

/// What a peer says when a conversation begins (AVP-HS-010…013).
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// Who speaks.
    pub agent_id: String,
    /// The speaker's version. Ours is [`AVP_VERSION`]; nothing depends on a peer's.
    pub avp_version: String,
    /// The speaker's model, when it has one.
    pub identity: Option<ModelIdentity>,
    /// Free-form.
    pub capabilities: Map<String, Value>,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            agent_id: String::new(),
            avp_version: AVP_VERSION.to_owned(),
            identity: None,
            capabilities: Map::new(),
        }
    }
}

impl Hello {
    /// Reads a hello from JSON. Absent fields take the values of [`Hello::default`]; unknown ones are ignored; an
    /// identity or capabilities of `null` count as absent (A-013).
    ///
    /// # Errors
    /// `handshake` when it is no object or a field has another type.
    pub fn from_json(value: &Value) -> Result<Self> {
        let fields = Fields::of(value, ErrorClass::Handshake, "hello")?;
        let identity = match fields.get("hello.identity") {
            None | Some(Value::Null) => None,
            Some(identity) => Some(ModelIdentity::from_json(identity)?),
        };
        Ok(Self {
            agent_id: fields.string("hello.agent_id")?.unwrap_or_default().to_owned(),
            avp_version: fields.string("hello.avp_version")?.unwrap_or(AVP_VERSION).to_owned(),
            identity,
            capabilities: fields.object("hello.capabilities")?.cloned().unwrap_or_default(),
        })
    }

    /// Reads a hello from JSON text.
    ///
    /// # Errors
    /// `handshake` when it is malformed, `limit_exceeded` when it is longer than [`MAX_HELLO_BYTES`].
    pub fn from_text(text: &[u8]) -> Result<Self> {
        Self::from_json(&parse(text, MAX_HELLO_BYTES, ErrorClass::Handshake, "hello")?)
    }

    /// The JSON object. `identity` is left out when there is none.
    pub fn to_json(&self) -> Value {
        let mut hello = json!({
            "agent_id": self.agent_id,
            "avp_version": self.avp_version,
            "capabilities": self.capabilities,
        });
        if let Some(identity) = &self.identity {
            hello["identity"] = identity.to_json();
        }
        hello
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_round_trip() {
        assert_eq!(Hello::from_text(b"{}").unwrap(), Hello::default());
        assert_eq!(
            Hello::from_text(br#"{"identity":null,"capabilities":null,"x":1}"#).unwrap(),
            Hello::default()
        );
        assert_eq!(
            Hello::default().to_json().to_string(),
            r#"{"agent_id":"","avp_version":"0.4.0","capabilities":{}}"#
        );
        let hello = Hello {
            agent_id: "a".into(),
            identity: Some(ModelIdentity { hidden_dim: 8, ..Default::default() }),
            capabilities: json!({"x": 1}).as_object().cloned().unwrap(),
            ..Default::default()
        };
        assert_eq!(Hello::from_json(&hello.to_json()).unwrap(), hello);
    }

    #[test]
    fn malformed_hellos_are_refused() {
        for text in [
            "[]",
            "5",
            "{",
            r#"{"agent_id":5}"#,
            r#"{"identity":5}"#,
            r#"{"identity":{"head_dim":-1}}"#,
            r#"{"capabilities":[]}"#,
        ] {
            assert_eq!(Hello::from_text(text.as_bytes()).unwrap_err().class, ErrorClass::Handshake, "{text}");
        }
        let long = format!("{{\"agent_id\":\"{}\"}}", "a".repeat(MAX_HELLO_BYTES));
        assert_eq!(Hello::from_text(long.as_bytes()).unwrap_err().class, ErrorClass::LimitExceeded);
        let deep = "[".repeat(50_000);
        assert_eq!(Hello::from_text(deep.as_bytes()).unwrap_err().class, ErrorClass::Handshake);
        let deeper = "[".repeat(100_000);
        assert_eq!(Hello::from_text(deeper.as_bytes()).unwrap_err().class, ErrorClass::LimitExceeded);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in r#"\{("(agent_id|identity|capabilities)":[0-9"\{\}\[\]null]{0,6},?){0,3}\}"#) {
            let _ = Hello::from_text(&bytes);
            let _ = Hello::from_text(text.as_bytes());
        }
    }
}
