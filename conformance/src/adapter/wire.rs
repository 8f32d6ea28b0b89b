//! Requests and answers to frames and back.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::frame::Outgoing;
use super::{Answer, Blob, Frame, Framing, JSON_LIMIT, Request};

/// Operations whose arguments or answers carry vocabularies, and so may have long JSON.
const VOCAB_OPS: [&str; 4] = ["tokenizer_hash", "vocab_overlap", "resolve", "model_hash"];

/// The frame of a request.
///
/// # Errors
/// A sentence when it is longer than the protocol allows.
pub(super) fn request_frame(framing: Framing, id: u64, request: &Request) -> Result<Outgoing, String> {
    let mut json = Map::new();
    json.insert("id".into(), id.into());
    json.insert("op".into(), request.op.as_str().into());
    json.insert("spec".into(), request.spec.into());
    json.insert("args".into(), Value::Object(request.args.clone()));
    json.insert("parts".into(), part_list(&request.parts));
    Outgoing::new(framing, json, request.parts.iter().map(|part| Arc::clone(&part.bytes)).collect())
}

/// Writes a request as a frame.
///
/// # Errors
/// What the writer says, and `InvalidInput` for a frame that is too long.
pub fn write_request(out: &mut impl Write, framing: Framing, id: u64, request: &Request) -> io::Result<()> {
    let frame = request_frame(framing, id, request)
        .map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
    frame.write(out)?;
    out.flush()
}

/// Writes an answer as a frame.
///
/// # Errors
/// What the writer says, and `InvalidInput` for a frame that is too long.
pub fn write_answer(out: &mut impl Write, framing: Framing, id: u64, answer: &Answer) -> io::Result<()> {
    let mut json = Map::new();
    json.insert("id".into(), id.into());
    let mut pieces = Vec::new();
    match answer {
        Answer::Ok { ok, parts } => {
            json.insert("ok".into(), Value::Object(ok.clone()));
            json.insert("parts".into(), part_list(parts));
            pieces.extend(parts.iter().map(|part| Arc::clone(&part.bytes)));
        }
        Answer::Err { code, detail, status } => {
            let mut err = json!({"code": code, "detail": detail});
            if let Some(status) = status {
                err["status"] = json!(status);
            }
            json.insert("err".into(), err);
        }
        Answer::Unsupported(why) => {
            json.insert("unsupported".into(), why.as_str().into());
        }
        Answer::Fault(text) => {
            json.insert("fault".into(), text.as_str().into());
        }
    }
    let frame = Outgoing::new(framing, json, pieces)
        .map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
    frame.write(out)?;
    out.flush()
}

fn part_list(parts: &[Blob]) -> Value {
    let entry = |part: &Blob| {
        let mut entry = Map::new();
        entry.insert("name".into(), part.name.as_str().into());
        entry.insert("len".into(), part.bytes.len().into());
        if let Some(dtype) = &part.dtype {
            entry.insert("dtype".into(), dtype.as_str().into());
        }
        if let Some(shape) = &part.shape {
            entry.insert("shape".into(), shape.clone().into());
        }
        Value::Object(entry)
    };
    Value::Array(parts.iter().map(entry).collect())
}

/// Reads a request off a frame: for in-process stand-ins of an adapter.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_request(frame: Frame) -> Result<(u64, Request), String> {
    let Frame { mut json, blob, .. } = frame;
    let id = id_of(&json)?;
    let Some(Value::String(op)) = json.remove("op") else {
        return Err("`op` is missing or no text".into());
    };
    let spec = match json.get("spec").and_then(Value::as_str) {
        Some("0.2") => "0.2",
        Some("0.4") | None => "0.4",
        Some(other) => return Err(format!("`spec` {other:?} is unknown")),
    };
    let args = match json.remove("args") {
        Some(Value::Object(args)) => args,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err("`args` is no object".into()),
    };
    let parts = cut(json.remove("parts"), &blob)?;
    Ok((id, Request { op, spec, args, parts }))
}

/// Reads an answer off a frame.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_answer(frame: Frame) -> Result<(u64, Answer), String> {
    let Frame { mut json, blob, .. } = frame;
    let id = id_of(&json)?;
    let given: Vec<&str> =
        ["ok", "err", "unsupported", "fault"].into_iter().filter(|key| json.contains_key(*key)).collect();
    let [key] = given[..] else {
        return Err(match given[..] {
            [] => "the answer has none of `ok`, `err`, `unsupported`, `fault`".into(),
            _ => format!("the answer has several of its exclusive keys: {}", given.join(", ")),
        });
    };
    let value = json.remove(key).unwrap_or_default();
    let answer = match (key, value) {
        ("ok", Value::Object(ok)) => Answer::Ok { ok, parts: cut(json.remove("parts"), &blob)? },
        ("ok", _) => return Err("`ok` must be an object".into()),
        ("err", Value::Object(err)) => {
            let text = |key: &str| err.get(key).and_then(Value::as_str).map(str::to_owned);
            let code = text("code").ok_or("`err.code` is missing or no text")?;
            let status = err.get("status").and_then(Value::as_u64).and_then(|status| status.try_into().ok());
            Answer::Err { code, detail: text("detail").unwrap_or_default(), status }
        }
        ("err", _) => return Err("`err` must be an object with a `code`".into()),
        ("unsupported", why) => Answer::Unsupported(free_text(why)),
        (_, text) => Answer::Fault(free_text(text)),
    };
    Ok((id, answer))
}

/// Whether JSON of that length is allowed in an answer to `op`.
pub(super) fn json_fits(op: &str, len: usize) -> Result<(), String> {
    if len > JSON_LIMIT && !VOCAB_OPS.contains(&op) {
        return Err(format!("JSON of {len} bytes in an answer to `{op}`, at most {JSON_LIMIT} are allowed"));
    }
    Ok(())
}

fn free_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn id_of(json: &Map<String, Value>) -> Result<u64, String> {
    match json.get("id") {
        None => Err("`id` is missing".into()),
        Some(id) => id.as_u64().ok_or_else(|| format!("`id` is {id}, not the number of a request")),
    }
}

/// Cuts the blob into its parts.
fn cut(list: Option<Value>, blob: &[u8]) -> Result<Vec<Blob>, String> {
    let list = match list {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("`parts` must be a list".into()),
    };
    let mut parts = Vec::new();
    let mut rest = blob;
    for (index, entry) in list.iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("parts[{index}] has no `name`"))?.to_owned();
        let len = entry.get("len").and_then(Value::as_u64);
        let len = len.ok_or_else(|| format!("part `{name}` has no `len`"))?;
        let Some((bytes, after)) = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len))
        else {
            return Err(format!("part `{name}` has {len} bytes, the blob has {} left", rest.len()));
        };
        rest = after;
        let dtype = entry.get("dtype").and_then(Value::as_str).map(str::to_owned);
        let shape = match entry.get("shape") {
            None | Some(Value::Null) => None,
            Some(shape) => Some(dimensions(shape).ok_or_else(|| format!("part `{name}`: bad `shape`"))?),
        };
        parts.push(Blob { name, dtype, shape, bytes: bytes.into() });
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes of the blob belong to no part", rest.len()));
    }
    Ok(parts)
}

fn dimensions(shape: &Value) -> Option<Vec<u64>> {
    shape.as_array()?.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::FrameReader;

    fn frame(json: Value, blob: &[u8]) -> Frame {
        let Value::Object(json) = json else { unreachable!() };
        Frame { json, json_len: 0, blob: blob.to_vec() }
    }

    #[test]
    fn a_request_survives_both_forms() {
        let Value::Object(args) = json!({"a": [1, {"b": null}]}) else { unreachable!() };
        let part = |name: &str, dtype: Option<&str>, bytes: &[u8]| Blob {
            name: name.into(),
            dtype: dtype.map(str::to_owned),
            shape: dtype.map(|_| vec![1, 2]),
            bytes: bytes.into(),
        };
        let parts =
            vec![part("message", None, b"AV"), part("k0", Some("f16"), &[0; 4]), part("e", None, b"")];
        let request = Request { op: "decode".into(), spec: "0.2", args, parts };
        for framing in [Framing::Raw, Framing::Ndjson] {
            let mut bytes = Vec::new();
            write_request(&mut bytes, framing, 77, &request).unwrap();
            let frame = FrameReader::new(&bytes[..], framing).next_frame().unwrap().unwrap();
            let (id, back) = parse_request(frame).unwrap();
            assert_eq!((id, back.op, back.spec), (77, request.op.clone(), request.spec));
            assert_eq!((back.args, back.parts), (request.args.clone(), request.parts.clone()));
        }
    }

    #[test]
    fn answers_survive() {
        let Value::Object(ok) = json!({"x": 1}) else { unreachable!() };
        let blob = Blob { name: "p".into(), dtype: None, shape: None, bytes: b"xyz"[..].into() };
        for answer in [
            Answer::Ok { ok, parts: vec![blob] },
            Answer::Err { code: "decode".into(), detail: "d".into(), status: None },
            Answer::Err { code: "transport".into(), detail: "d".into(), status: Some(503) },
            Answer::Unsupported("u".into()),
            Answer::Fault("f".into()),
        ] {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, Framing::Raw, 5, &answer).unwrap();
            let frame = FrameReader::new(&bytes[..], Framing::Raw).next_frame().unwrap().unwrap();
            assert_eq!(parse_answer(frame).unwrap(), (5, answer));
        }
    }

    #[test]
    fn malformed_answers_are_named() {
        for (json, blob, word) in [
            (json!({"ok": {}}), &b""[..], "`id`"),
            (json!({"id": "1", "ok": {}}), b"", "`id`"),
            (json!({"id": 1}), b"", "none of"),
            (json!({"id": 1, "ok": {}, "err": {"code": "decode"}}), b"", "several"),
            (json!({"id": 1, "ok": 3}), b"", "`ok`"),
            (json!({"id": 1, "err": "decode"}), b"", "`err`"),
            (json!({"id": 1, "err": {}}), b"", "err.code"),
            (json!({"id": 1, "ok": {}}), b"x", "no part"),
            (json!({"id": 1, "ok": {}, "parts": [{"name": "p", "len": 2}]}), b"x", "has 1 left"),
            (json!({"id": 1, "ok": {}, "parts": [{"name": "p", "len": u64::MAX}]}), b"x", "has 1 left"),
            (json!({"id": 1, "ok": {}, "parts": [{"len": 1}]}), b"x", "`name`"),
            (json!({"id": 1, "ok": {}, "parts": [{"name": "p"}]}), b"x", "`len`"),
            (json!({"id": 1, "ok": {}, "parts": [{"name": "p", "len": 1, "shape": [-1]}]}), b"x", "shape"),
            (json!({"id": 1, "ok": {}, "parts": 3}), b"", "list"),
        ] {
            let error = parse_answer(frame(json.clone(), blob)).unwrap_err();
            assert!(error.contains(word), "{json}: {error}");
        }
    }

    proptest::proptest! {
        /// Whatever a peer writes: an answer or an error, never a panic, and an end.
        #[test]
        fn any_bytes_are_survived(
            lengths in proptest::array::uniform2(0u32..40),
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
        ) {
            for framing in [Framing::Raw, Framing::Ndjson] {
                let mut input: Vec<u8> = lengths.iter().flat_map(|len| len.to_le_bytes()).collect();
                input.extend(&bytes);
                let mut reader = FrameReader::new(&input[..], framing);
                while let Ok(Some(frame)) = reader.next_frame() {
                    let _ = parse_answer(frame);
                }
            }
        }

        /// The same with JSON that parses.
        #[test]
        fn any_answer_is_survived(
            key in proptest::sample::select(vec!["ok", "err", "unsupported", "fault", "parts"]),
            value in proptest::sample::select(vec![
                json!(null), json!(1), json!("x"), json!([]), json!({}), json!({"code": 1}), json!([{"name": "p"}]),
                json!([{"name": "p", "len": 3, "shape": [1, u64::MAX]}]), json!([{"name": "p", "len": -1}]),
            ]),
            blob in proptest::collection::vec(proptest::num::u8::ANY, 0..8),
        ) {
            let _ = parse_answer(frame(json!({"id": 1, "ok": {}, key: value}), &blob));
            let _ = parse_answer(frame(json!({"id": 1, key: value}), &blob));
        }
    }

    #[test]
    fn long_json_is_for_vocabularies_only() {
        assert!(json_fits("vocab_overlap", JSON_LIMIT + 1).is_ok());
        assert!(json_fits("decode", JSON_LIMIT).is_ok());
        assert!(json_fits("decode", JSON_LIMIT + 1).is_err());
    }
}
