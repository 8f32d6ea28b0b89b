//! JSON text messages.

use serde_json::{Map, Value, json};

use super::draft::{BOTH, Draft, Property, ok, ok_json, part, part_of};
use super::random::Random;
use super::share::Share;
use super::value::plain_value;
use crate::oracle::{TextMessage, encode_text_message};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "json-round-trip",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-JSON-001", "AVP-JSON-002", "AVP-JSON-005"],
        why: "A text message is read as it was written, whatever characters it holds.",
        bug: "text-message-damaged",
        make: round_trip,
    },
    Property {
        name: "json-decode",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-JSON-003", "AVP-JSON-004", "AVP-JSON-005"],
        why: "Members may stand in any order, be absent or be unknown, and characters may be escaped or not.",
        bug: "text-message-misread",
        make: decode,
    },
];

fn message(random: &mut Random) -> TextMessage {
    let mut extra = Map::new();
    if random.once_in(2) {
        for i in 0..random.between(1, 3) {
            extra.insert(format!("{}{i}", random.word(4)), plain_value(random, 2));
        }
    }
    TextMessage {
        avp_version: random.pick(&["0.2.3", "0.4", "0.6.2"]).to_owned(),
        session_id: random.word(32),
        source_agent_id: random.text(8),
        target_agent_id: random.text(8),
        content: random.text(60),
        extra,
    }
}

/// What a reader answers; an empty `extra` may be there or not.
fn read_back(object: &Map<String, Value>) -> Value {
    let mut expected = object.clone();
    if !expected.contains_key("extra") {
        expected.insert("extra?".to_owned(), json!({}));
    }
    json!({ "message": { "$subset": expected } })
}

fn round_trip(random: &mut Random, draft: &mut Draft) {
    let object = encode_text_message(&message(random));
    let written = ok_json("json", json!({ "$subset": object }));
    draft.step("json_encode", json!({ "message": object }), Vec::new(), written);
    draft.step("json_decode", json!({}), vec![part_of("json", 0)], ok(read_back(&object), Vec::new()));
}

fn decode(random: &mut Random, draft: &mut Draft) {
    let mut object = encode_text_message(&message(random));
    for key in ["session_id", "source_agent_id", "target_agent_id"] {
        if random.once_in(3) {
            object.insert(key.to_owned(), json!(""));
        }
    }
    // Empty members are left out of the text; the answer has them all the same.
    let mut members: Vec<(String, Value)> = object
        .iter()
        .filter(|(_, value)| **value != json!(""))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    for i in 0..random.below(3) {
        members.push((format!("x_{i}"), plain_value(random, 2)));
    }
    random.shuffle(&mut members);
    let text = Value::Object(members.into_iter().collect()).to_string();
    let text = if random.once_in(2) { escaped(&text) } else { text };
    draft.step(
        "json_decode",
        json!({}),
        vec![part("json", text.into_bytes())],
        ok(read_back(&object), Vec::new()),
    );
}

/// The same JSON text in ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}
