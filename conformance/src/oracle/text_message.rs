//! The JSON text message (AVP-JSON).

use serde_json::{Map, Value, json};

/// A text message.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the protocol's fields")]
pub struct TextMessage {
    pub avp_version: String,
    pub session_id: String,
    pub source_agent_id: String,
    pub target_agent_id: String,
    pub content: String,
    pub extra: Map<String, Value>,
}

/// Names of the five members that are always there, in the order of [`TextMessage`].
const TEXTS: [&str; 5] = ["avp_version", "session_id", "source_agent_id", "target_agent_id", "content"];

/// The message as a JSON object; `extra` is left out when empty.
pub fn encode_text_message(message: &TextMessage) -> Map<String, Value> {
    let texts = [
        &message.avp_version,
        &message.session_id,
        &message.source_agent_id,
        &message.target_agent_id,
        &message.content,
    ];
    let mut object: Map<String, Value> =
        TEXTS.iter().zip(texts).map(|(key, text)| ((*key).to_owned(), json!(text))).collect();
    if !message.extra.is_empty() {
        object.insert("extra".to_owned(), Value::Object(message.extra.clone()));
    }
    object
}

/// The message in a JSON text; absent members are empty. `None` for what is refused: no JSON, no object, a member of
/// another type (AVP-JSON-006, 007).
pub fn decode_text_message(text: &str) -> Option<TextMessage> {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return None };
    let text = |key: &str| match object.get(key) {
        None => Some(String::new()),
        Some(value) => value.as_str().map(str::to_owned),
    };
    let [avp_version, session_id, source_agent_id, target_agent_id, content] = TEXTS.map(text);
    let extra = match object.get("extra") {
        None => Map::new(),
        Some(Value::Object(extra)) => extra.clone(),
        Some(_) => return None,
    };
    Some(TextMessage {
        avp_version: avp_version?,
        session_id: session_id?,
        source_agent_id: source_agent_id?,
        target_agent_id: target_agent_id?,
        content: content?,
        extra,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut message = TextMessage { content: "é \u{1f600}".into(), ..TextMessage::default() };
        let encoded = encode_text_message(&message);
        assert_eq!(encoded.len(), 5);
        assert_eq!(decode_text_message(&Value::Object(encoded).to_string()), Some(message.clone()));
        message.extra.insert("a".into(), json!(1));
        assert_eq!(encode_text_message(&message).len(), 6);
        assert_eq!(decode_text_message("{\"content\":\"\\u00e9\",\"foo\":1}").unwrap().content, "é");
        for bad in ["[]", "5", "\"x\"", "{", "{\"content\":5}", "{\"extra\":[]}"] {
            assert_eq!(decode_text_message(bad), None, "{bad}");
        }
    }
}
