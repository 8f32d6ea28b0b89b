//! Replays the fuzz targets' corpus, with the bodies that the targets run.

use std::{fs, path::Path};

use avp::fuzzing;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        body(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "nothing in {}", folder.display());
}

#[test]
fn decode() {
    replay("decode", fuzzing::decode);
}

#[test]
fn stream() {
    replay("stream", fuzzing::stream);
}

#[test]
fn kv() {
    replay("kv", fuzzing::kv);
}

#[test]
fn map() {
    replay("map", fuzzing::map);
}
