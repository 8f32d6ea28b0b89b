//! The fuzz targets' bodies, over their corpus and over what is made up here.

use std::fs;
use std::path::Path;

use avp::fuzzing::http;
use proptest::prelude::*;
use proptest::test_runner::Config;

type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 6] = [
    ("hello", http::hello),
    ("text_message", http::text_message),
    ("chat", http::chat),
    ("intake", http::intake),
    ("tokens", http::tokens),
    ("authorization", http::authorization),
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 5, "hardly anything in {}", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus_of_every_target() {
    for (target, body) in TARGETS {
        for bytes in corpus(target) {
            println!("{target}: {}", bytes.escape_ascii());
            body(&bytes);
        }
    }
}

/// Ends of what is good, and every byte of it changed.
#[test]
fn the_corpus_cut_and_changed() {
    for (target, body) in TARGETS {
        for bytes in corpus(target).into_iter().filter(|bytes| bytes.len() < 600) {
            for at in 0..bytes.len() {
                body(&bytes[..at]);
                for change in [1, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    body(&changed);
                }
            }
        }
    }
}

fn config() -> Config {
    let cases = std::env::var("AVP_PROPTEST_CASES").ok().map(|cases| cases.parse().expect("a number"));
    // A failing input is printed; it belongs into fuzz/corpus, where it is replayed from then on.
    Config { cases: cases.unwrap_or(400), failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        for (_, body) in TARGETS {
            body(&bytes);
        }
    }

    #[test]
    fn nearly_json(text in r#"(\n|[a-z]{0,3}\n)?\{("(agent_id|identity|content|extra|model|messages|avp|stop|session_id|role|keep|max_tokens)":[\[\{"0-9a-z:,\}\]-]{0,12},?){0,4}\}"#) {
        for (_, body) in TARGETS {
            body(text.as_bytes());
        }
    }

    #[test]
    fn lines_of_tokens(text in "([a-z#]{0,3}[ \t]{0,2}[!-~é]{0,20}[ \r]?\n){0,5}", header in "[Bb]earer? {0,3}[ -~]{0,20}") {
        http::tokens(text.as_bytes());
        http::authorization(header.as_bytes());
    }

    /// Many small entries: what they take in memory is known before they are decoded.
    #[test]
    fn messages_with_metadata(extra in prop::collection::btree_map("[a-z]{0,3}", "[a-z]{0,3}", 0..80), shape in prop::collection::vec(any::<u32>(), 0..20), payload: Vec<u8>, cut in any::<prop::sample::Index>()) {
        let metadata = avp::Metadata { extra, tensor_shape: shape, ..avp::Metadata::default() };
        let bytes = avp::Encoder::new().encode(&metadata, &payload).unwrap();
        http::intake(&bytes);
        http::intake(&bytes[..cut.index(bytes.len())]);
    }
}
