//! Replays the fuzz targets' corpus, with the bodies that the targets run.

use std::{fs, path::Path};

use avp::fuzzing::text;

use crate::{allocations::peak, templates, tokenizers};

fn replay(target: &str, body: fn(&[u8]), allowed: impl Fn(usize) -> usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let ((), held) = peak(|| body(&bytes));
        println!("{}: {held} bytes", path.display());
        assert!(held <= allowed(bytes.len()), "{}: {held} bytes held", path.display());
        count += 1;
    }
    assert!(count > 0, "nothing in {}", folder.display());
}

#[test]
fn tokenizer() {
    replay("tokenizer", text::tokenizer, tokenizers::allowed);
}

#[test]
fn tokenizer_config() {
    replay("tokenizer_config", text::tokenizer_config, templates::allowed);
}

#[test]
fn chat_template() {
    replay("chat_template", text::chat_template, templates::allowed);
}
