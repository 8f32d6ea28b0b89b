//! Tokenizers that `make.py` trains.

use avp::text::Tokenizer;
use serde::Deserialize;

use crate::{fixture, folder};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// Nothing where the case starts with ids.
    text: Option<String>,
    ids: Vec<u32>,
    plain: Option<Vec<u32>>,
    decoded: String,
    without_special: String,
}

fn check(name: &str) {
    let tokenizer = Tokenizer::from_file(folder().join(name).join("tokenizer.json")).unwrap();
    let Cases { cases } = fixture(&format!("{name}/ids.json"));
    assert!(cases.len() >= 240);
    for case in cases {
        let plain = match (&case.text, case.plain) {
            (Some(text), Some(plain)) => {
                assert_eq!(tokenizer.encode(text, true).unwrap(), case.ids, "{text:?}");
                assert_eq!(tokenizer.encode(text, false).unwrap(), plain, "{text:?}");
                plain
            }
            _ => case.ids,
        };
        assert_eq!(tokenizer.decode(&plain, false).unwrap(), case.decoded, "{:?}", case.text);
        assert_eq!(tokenizer.decode(&plain, true).unwrap(), case.without_special, "{:?}", case.text);
        if case.text.is_some() {
            let mut stream = tokenizer.stream(false);
            let mut text: String = plain.iter().filter_map(|id| stream.push(*id).unwrap()).collect();
            text.extend(stream.finish().unwrap());
            assert_eq!(text, case.decoded, "{:?}", case.text);
        }
    }
}

#[test]
fn byte_level() {
    check("byte_level");
}

#[test]
fn sentence_piece() {
    check("sentence_piece");
}
