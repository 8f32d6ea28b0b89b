//! What came of a request.

use serde_json::{Map, Value, json};

/// Most bytes of an answer's body that are read: no answer of the binding is near it.
pub(super) const MAX_BODY: usize = 1 << 20;

/// Most bytes of an answer's head.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// Most characters of a body that is no JSON which are shown.
const SHOWN: usize = 2000;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// It came before the whole body was sent.
    pub(super) early: bool,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NoReply {
    /// No connection.
    Unreachable(String),
    /// Nothing came in time.
    Silent,
    /// The connection ended without an answer.
    Closed,
    /// What came is no HTTP.
    Malformed(&'static str),
}

impl NoReply {
    /// What a broken connection means.
    pub(super) fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::InvalidData => Self::Malformed("bytes that are no HTTP"),
            _ => Self::Closed,
        }
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Type of the body, without parameters.
    pub(super) fn content_type(&self) -> Option<String> {
        let kind = self.header("content-type")?;
        Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The body, when it is JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// What came of it, as the answer of a step.
pub(super) fn described(outcome: Result<&Reply, &NoReply>) -> Map<String, Value> {
    let mut ok = Map::new();
    let mut put = |key: &str, value: Value| _ = ok.insert(key.to_owned(), value);
    match outcome {
        Ok(reply) => {
            put("outcome", json!("answered"));
            put("status", json!(reply.status));
            put("class", json!(format!("{}xx", reply.status / 100)));
            put("early", json!(reply.early));
            let headers: Map<String, Value> =
                reply.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            put("headers", Value::Object(headers));
            put("content_type", json!(reply.content_type()));
            match reply.json() {
                Some(body) => put("body", body),
                None => {
                    if reply.content_type().as_deref() == Some("application/x-protobuf") {
                        put("protobuf", protobuf(&reply.body));
                    }
                    let text: String = String::from_utf8_lossy(&reply.body).chars().take(SHOWN).collect();
                    put("text", json!(text));
                }
            }
        }
        Err(NoReply::Unreachable(why)) => {
            put("outcome", json!("unreachable"));
            put("why", json!(why));
        }
        Err(NoReply::Silent) => put("outcome", json!("silent")),
        Err(NoReply::Closed) => put("outcome", json!("closed")),
        Err(NoReply::Malformed(why)) => {
            put("outcome", json!("malformed"));
            put("why", json!(why));
        }
    }
    ok
}

/// The fields of a `TransmitResponse` that are numbers or texts, by number.
fn protobuf(bytes: &[u8]) -> Value {
    let mut fields = Map::new();
    let mut rest = bytes;
    while let Some((tag, after)) = varint(rest) {
        let (value, after) = match tag & 7 {
            0 => match varint(after) {
                Some((value, after)) => (json!(value), after),
                None => break,
            },
            2 => match varint(after)
                .and_then(|(len, after)| after.split_at_checked(usize::try_from(len).ok()?))
            {
                Some((text, after)) => (json!(String::from_utf8_lossy(text)), after),
                None => break,
            },
            _ => break,
        };
        fields.insert((tag >> 3).to_string(), value);
        rest = after;
    }
    if !rest.is_empty() {
        return json!("not protobuf");
    }
    Value::Object(fields)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_answers_are_read() {
        assert_eq!(protobuf(b"\x08\x01\x1a\x02r1"), json!({"1": 1, "3": "r1"}));
        for wrong in [&b"\x08"[..], b"\x1a\x05r", b"\x0b\x01", b"\xff"] {
            assert_eq!(protobuf(wrong), json!("not protobuf"), "{wrong:?}");
        }
        assert_eq!(protobuf(b""), json!({}));
    }

    #[test]
    fn types_are_read_without_parameters() {
        let headers = vec![("content-type".to_owned(), "Application/JSON; charset=utf-8".to_owned())];
        let reply = Reply { status: 200, headers, body: b"{}".to_vec(), early: false };
        assert_eq!(reply.content_type().as_deref(), Some("application/json"));
        assert_eq!(described(Ok(&reply))["body"], json!({}));
        assert_eq!(described(Err(&NoReply::Silent))["outcome"], "silent");
    }
}
