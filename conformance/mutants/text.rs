//! Readers of text messages that are wrong on purpose, and a writer.

use serde_json::{Map, Value, json};

use crate::{Mutant, frame::Frame, handshake::rewrite_json, mutant};

/// Members of a message, without `extra`.
const MEMBERS: [&str; 5] = ["avp_version", "session_id", "source_agent_id", "target_agent_id", "content"];

/// Nesting that a reader without a bound of its own does not survive.
const TOO_DEEP: usize = 10_000;

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "json-version-overwritten",
        "writes its own version into every message",
        tell | asked,
        told | {
            rewrite_json(asked, told, &["json_encode"], |json| {
                json.insert("avp_version".to_owned(), "0.4".into());
            });
        }
    ),
    mutant!(
        "json-members-required",
        "reads no message in which a member is missing",
        tell | asked,
        told | {
            if message(asked).is_some_and(|json| MEMBERS.iter().any(|name| !json.contains_key(*name))) {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "json-own-version-read",
        "shows its own version in place of the sender's",
        tell | asked,
        told | {
            read(asked, told, |message| drop(message.insert("avp_version".to_owned(), "0.4".into())));
        }
    ),
    mutant!(
        "json-ids-left-at-their-default",
        "leaves the session and the agents at the empty text that stands for absent ones",
        tell | asked,
        told | {
            read(asked, told, |message| message.retain(|name, _| !name.ends_with("_id")));
        }
    ),
    mutant!(
        "json-told-by-its-first-byte",
        "takes for JSON only what begins with a brace",
        tell | asked,
        told | {
            if body(asked).is_some_and(|body| !body.starts_with(b"{")) {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "json-bad-bytes-replaced",
        "replaces bytes that are no UTF-8",
        ask | frame | {
            rewrite(frame, |body| String::from_utf8_lossy(body).into_owned().into_bytes());
        }
    ),
    mutant!(
        "json-read-as-latin-1",
        "takes every byte for a character",
        ask | frame | {
            rewrite(frame, |body| body.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes());
        }
    ),
    mutant!(
        "json-escapes-kept",
        "takes the escapes in a text for text",
        ask | frame | {
            rewrite(frame, |body| String::from_utf8_lossy(body).replace('\\', "\\\\").into_bytes());
        }
    ),
    mutant!(
        "json-surrogates-apart",
        "decodes each half of a surrogate pair by itself",
        ask | frame | {
            rewrite(frame, |body| {
                let mut text = String::from_utf8_lossy(body).into_owned();
                let halves: Vec<usize> = text.match_indices("\\ud").map(|(at, _)| at).collect();
                for at in halves {
                    text.replace_range(at..at + 6, "\\ufffd");
                }
                text.into_bytes()
            });
        }
    ),
    mutant!(
        "json-composed",
        "puts one character in place of a letter and its accent",
        tell | asked,
        told | {
            read(asked, told, |message| {
                if let Some(content) = message.get_mut("content") {
                    *content = content.as_str().unwrap_or_default().replace("e\u{301}", "é").into();
                }
            });
        }
    ),
    mutant!(
        "json-anything-is-content",
        "takes what does not begin with a brace for the content itself",
        tell | asked,
        told | {
            if let Some(body) = body(asked).filter(|body| !body.trim_ascii_start().starts_with(b"{")) {
                let content = String::from_utf8_lossy(body).into_owned();
                told.become_ok(json!({"message": {"avp_version": "0.4", "content": content}}), &[]);
            }
        }
    ),
    mutant!(
        "json-empty-body-taken",
        "takes a body of nothing for an empty message",
        ask | frame | {
            rewrite(frame, |body| if body.trim_ascii().is_empty() { b"{}".to_vec() } else { body.to_vec() });
        }
    ),
    mutant!(
        "json-cut-short-repaired",
        "closes the text and the braces that a cut message leaves open",
        ask | frame | {
            rewrite(frame, |body| {
                let quotes = body.iter().filter(|byte| **byte == b'"').count();
                let open = body.iter().filter(|byte| **byte == b'{').count();
                let closed = body.iter().filter(|byte| **byte == b'}').count();
                let mut body = body.to_vec();
                body.extend("\"".repeat(quotes % 2).bytes());
                body.extend("}".repeat(open.saturating_sub(closed)).bytes());
                body
            });
        }
    ),
    mutant!(
        "json-first-value-only",
        "reads the first value and leaves the rest",
        ask | frame | {
            rewrite(frame, |body| {
                let first = serde_json::Deserializer::from_slice(body).into_iter::<Value>().next();
                first
                    .and_then(Result::ok)
                    .map_or_else(|| body.to_vec(), |value| value.to_string().into_bytes())
            });
        }
    ),
    mutant!(
        "json-as-a-script-has-it",
        "reads what a script may write for an object: single quotes, a comma at the end",
        ask | frame | {
            rewrite(frame, |body| {
                let text = String::from_utf8_lossy(body).replace(",}", "}");
                let quoted = if text.contains('"') { text } else { text.replace('\'', "\"") };
                if std::str::from_utf8(body).is_ok() { quoted.into_bytes() } else { body.to_vec() }
            });
        }
    ),
    mutant!(
        "json-raw-controls-taken",
        "reads line ends inside a text",
        ask | frame | {
            rewrite(frame, |body| {
                let mut inside = false;
                let mut out = Vec::new();
                for byte in body {
                    inside ^= *byte == b'"';
                    match byte {
                        b'\n' if inside => out.extend(b"\\n"),
                        _ => out.push(*byte),
                    }
                }
                out
            });
        }
    ),
    mutant!(
        "json-nesting-unbounded",
        "runs out of stack on deep nesting",
        ask | frame | {
            if body(frame).is_some_and(|body| body.iter().filter(|byte| **byte == b'[').count() > TOO_DEEP) {
                std::process::abort();
            }
        }
    ),
];

/// What a `json_decode` request carries.
fn body(asked: &Frame) -> Option<&[u8]> {
    if asked.op() == "json_decode" { asked.part("json") } else { None }
}

/// The same, when it is an object.
fn message(asked: &Frame) -> Option<Map<String, Value>> {
    serde_json::from_slice(body(asked)?).ok()
}

/// Changes it before it is read.
fn rewrite(frame: &mut Frame, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    if frame.op() == "json_decode"
        && let Some(body) = frame.part_mut("json")
    {
        *body = change(body);
    }
}

/// Changes the message that was read.
fn read(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Map<String, Value>)) {
    if asked.op() == "json_decode"
        && let Some(message) =
            told.ok_mut().and_then(|ok| ok.get_mut("message")).and_then(Value::as_object_mut)
    {
        change(message);
    }
}
