//! Text messages, for peers whose models have nothing in common (AVP-JSON-001…009).

use serde_json::{Map, Value, json};

use super::AVP_VERSION;
use super::fields::{Fields, kind, parse};
use crate::error::{Error, ErrorClass, Result};

/// Longest text message that is read: the default limit for any message of a peer (A-028).
pub const MAX_TEXT_MESSAGE_BYTES: usize = 10 << 20;

/// A text message.
#[derive(Clone, Debug, PartialEq)]
pub struct TextMessage {
    /// The sender's version. Ours is [`AVP_VERSION`]; nothing depends on a peer's.
    pub avp_version: String,
    /// The session that it belongs to.
    pub session_id: String,
    /// Sender.
    pub source_agent_id: String,
    /// Receiver.
    pub target_agent_id: String,
    /// The text.
    pub content: String,
    /// Free-form. Left out of the JSON when empty.
    pub extra: Map<String, Value>,
}

impl Default for TextMessage {
    fn default() -> Self {
        Self {
            avp_version: AVP_VERSION.to_owned(),
            session_id: String::new(),
            source_agent_id: String::new(),
            target_agent_id: String::new(),
            content: String::new(),
            extra: Map::new(),
        }
    }
}

impl TextMessage {
    /// Reads a message from JSON. Absent fields take the values of [`TextMessage::default`]; unknown ones are ignored;
    /// an `extra` of `null` counts as absent.
    ///
    /// # Errors
    /// `decode` when it is no object or a field has another type.
    pub fn from_json(value: &Value) -> Result<Self> {
        let fields = Fields::of(value, ErrorClass::Decode, "message")?;
        let text = |field| Ok::<_, Error>(fields.string(field)?.unwrap_or_default().to_owned());
        Ok(Self {
            avp_version: fields.string("message.avp_version")?.unwrap_or(AVP_VERSION).to_owned(),
            session_id: text("message.session_id")?,
            source_agent_id: text("message.source_agent_id")?,
            target_agent_id: text("message.target_agent_id")?,
            content: text("message.content")?,
            extra: fields.object("message.extra")?.cloned().unwrap_or_default(),
        })
    }

    /// Reads a message from JSON text.
    ///
    /// # Errors
    /// `decode` when it is malformed, `limit_exceeded` when it is longer than [`MAX_TEXT_MESSAGE_BYTES`].
    pub fn from_text(text: &[u8]) -> Result<Self> {
        Self::from_json(&parse(text, MAX_TEXT_MESSAGE_BYTES, ErrorClass::Decode, "message")?)
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value {
        let mut message = json!({
            "avp_version": self.avp_version,
            "session_id": self.session_id,
            "source_agent_id": self.source_agent_id,
            "target_agent_id": self.target_agent_id,
            "content": self.content,
        });
        if !self.extra.is_empty() {
            message["extra"] = Value::Object(self.extra.clone());
        }
        message
    }
}

/// Dialect 0.2: a receiver's wish to go on in text, because what it got makes no sense to its model.
///
/// In protobuf: `session_id` 1, `reason` 2, `perplexity_score` 3.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FallbackRequest {
    /// The session that it belongs to.
    #[prost(string, tag = "1")]
    pub session_id: String,
    /// Why.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// Perplexity that the receiver's model gave to what it got.
    #[prost(float, tag = "3")]
    pub perplexity_score: f32,
}

impl FallbackRequest {
    /// Reads a request from JSON. Absent fields are empty or 0; unknown ones are ignored.
    ///
    /// # Errors
    /// `decode` when it is no object or a field has another type.
    pub fn from_json(value: &Value) -> Result<Self> {
        let fields = Fields::of(value, ErrorClass::Decode, "fallback")?;
        let text = |field| Ok::<_, Error>(fields.string(field)?.unwrap_or_default().to_owned());
        let perplexity_score = match fields.get("fallback.perplexity_score") {
            None => 0.0,
            Some(score) => score.as_f64().map(|score| score as f32).ok_or_else(|| {
                Error::new(ErrorClass::Decode, "fallback.perplexity_score", "a number", kind(score))
            })?,
        };
        Ok(Self {
            session_id: text("fallback.session_id")?,
            reason: text("fallback.reason")?,
            perplexity_score,
        })
    }

    /// Reads a request from JSON text.
    ///
    /// # Errors
    /// `decode` when it is malformed, `limit_exceeded` when it is longer than [`MAX_TEXT_MESSAGE_BYTES`].
    pub fn from_text(text: &[u8]) -> Result<Self> {
        Self::from_json(&parse(text, MAX_TEXT_MESSAGE_BYTES, ErrorClass::Decode, "fallback")?)
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "session_id": self.session_id,
            "reason": self.reason,
            "perplexity_score": self.perplexity_score,
        })
    }

    /// Reads a request from protobuf bytes.
    ///
    /// # Errors
    /// `decode` when they are malformed, `limit_exceeded` when longer than [`MAX_TEXT_MESSAGE_BYTES`].
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_TEXT_MESSAGE_BYTES {
            let expected = format!("at most {MAX_TEXT_MESSAGE_BYTES} bytes");
            let found = format!("{} bytes", bytes.len());
            return Err(Error::new(ErrorClass::LimitExceeded, "fallback", expected, found));
        }
        prost::Message::decode(bytes).map_err(|error: prost::DecodeError| {
            Error::new(ErrorClass::Decode, "fallback", "protobuf bytes", error.to_string())
        })
    }

    /// The protobuf bytes.
    pub fn to_protobuf(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_keys_always_and_extra_when_there_is_any() {
        assert_eq!(
            TextMessage::default().to_json().to_string(),
            r#"{"avp_version":"0.4.0","session_id":"","source_agent_id":"","target_agent_id":"","content":""}"#
        );
        let extra = json!({"a": 1}).as_object().cloned().unwrap();
        let message = TextMessage { content: "é😀".into(), extra, ..Default::default() };
        assert_eq!(message.to_json()["extra"], json!({"a": 1}));
        assert_eq!(TextMessage::from_json(&message.to_json()).unwrap(), message);
    }

    #[test]
    fn read_leniently_but_typed() {
        for text in ["{}", r#"{"foo":1}"#, r#"{"extra":{}}"#, r#"{"extra":null}"#] {
            assert_eq!(TextMessage::from_text(text.as_bytes()).unwrap(), TextMessage::default(), "{text}");
        }
        let raw = TextMessage::from_text("{\"content\":\"é😀\"}".as_bytes()).unwrap();
        assert_eq!(raw, TextMessage::from_text(br#"{"content":"\u00e9\ud83d\ude00"}"#).unwrap());
        for text in [
            "[]",
            "5",
            "\"x\"",
            "{",
            "",
            r#"{"content":5}"#,
            r#"{"content":null}"#,
            r#"{"extra":[]}"#,
            r#"{"content":"\ud800"}"#,
        ] {
            assert_eq!(
                TextMessage::from_text(text.as_bytes()).unwrap_err().class,
                ErrorClass::Decode,
                "{text}"
            );
        }
        assert_eq!(TextMessage::from_text(b"{\"content\":\"\xff\"}").unwrap_err().class, ErrorClass::Decode);
        assert_eq!(
            TextMessage::from_text(&vec![b' '; MAX_TEXT_MESSAGE_BYTES + 1]).unwrap_err().class,
            ErrorClass::LimitExceeded
        );
    }

    #[test]
    fn fallback_requests_in_both_forms() {
        let request =
            FallbackRequest { session_id: "s".into(), reason: "ppl".into(), perplexity_score: 120.5 };
        assert_eq!(
            request.to_json().to_string(),
            r#"{"session_id":"s","reason":"ppl","perplexity_score":120.5}"#
        );
        assert_eq!(FallbackRequest::from_text(request.to_json().to_string().as_bytes()).unwrap(), request);
        let bytes = b"\x0a\x01s\x12\x03ppl\x1d\x00\x00\xf1\x42";
        assert_eq!(request.to_protobuf(), bytes);
        assert_eq!(FallbackRequest::from_protobuf(bytes).unwrap(), request);
        assert_eq!(FallbackRequest::from_protobuf(&bytes[..5]).unwrap_err().class, ErrorClass::Decode);
        assert_eq!(FallbackRequest::from_text(br#"{"reason":5}"#).unwrap_err().class, ErrorClass::Decode);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in r#"\{("(content|extra|session_id)":[0-9"\{\}\[\]null]{0,6},?){0,3}\}"#) {
            let _ = TextMessage::from_text(&bytes);
            let _ = TextMessage::from_text(text.as_bytes());
            let _ = FallbackRequest::from_text(&bytes);
            let _ = FallbackRequest::from_protobuf(&bytes);
        }
    }
}
