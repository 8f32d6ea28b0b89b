//! The manifest as a reader without this crate sees it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schema::violations;
use super::vectors;

fn schema() -> Value {
    let text = std::fs::read_to_string(vectors().join("schema/manifest.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn manifest(spec: &str) -> Value {
    let text = std::fs::read_to_string(vectors().join(format!("dist/{spec}/manifest.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn manifests_obey_the_schema() {
    let schema = schema();
    for spec in ["0.2", "0.4"] {
        let manifest = manifest(spec);
        assert_eq!(violations(&schema, &manifest), Vec::<String>::new());
        let vectors = manifest["vectors"].as_array().unwrap();
        assert_eq!(manifest["count"], vectors.len());
        assert!(vectors.is_sorted_by(|a, b| a["id"].as_str() < b["id"].as_str()));
    }
}

#[test]
fn the_schema_refuses_what_it_should() {
    let schema = schema();
    let good = json!({
        "count": 1, "format": "avp-vectors/1", "spec": "0.4",
        "vectors": [{
            "id": "a/b", "level": "MUST", "patched": [], "requirements": ["AVP-HDR-001"], "requires": [], "rev": 1,
            "why": "so", "steps": [{
                "op": "decode", "args": {}, "parts": [{"name": "message", "hex": "00"}], "expect": {"reject": ["decode"]},
            }],
        }],
    });
    assert_eq!(violations(&schema, &good), Vec::<String>::new());
    for (pointer, value) in [
        ("/format", json!("avp-vectors/2")),
        ("/vectors", json!([])),
        ("/vectors/0/id", json!("a")),
        ("/vectors/0/rev", json!(0)),
        ("/vectors/0/why", json!("")),
        ("/vectors/0/steps/0/expect", json!({})),
        ("/vectors/0/steps/0/expect", json!({"reject": ["decode"], "alive": true})),
        ("/vectors/0/steps/0/expect", json!({"refuse": ["decode"]})),
        ("/vectors/0/steps/0/parts/0", json!({"name": "message"})),
        ("/vectors/0/steps/0/parts/0/hex", json!("0")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value.clone();
        assert!(!violations(&schema, &bad).is_empty(), "{pointer}: {value}");
    }
}

#[test]
fn the_example_in_the_description_is_a_real_vector() {
    let page = std::fs::read_to_string(vectors().join("README.md")).unwrap();
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let manifest = manifest("0.4");
    assert!(manifest["vectors"].as_array().unwrap().contains(&example));
}

/// Follows every blob by its path and compares length and digest, and finds no blob that nothing names.
#[test]
fn every_blob_is_there_and_used() {
    let mut named = BTreeSet::new();
    for spec in ["0.2", "0.4"] {
        collect_blobs(&manifest(spec)["vectors"], &mut named);
    }
    let mut on_disk = BTreeSet::new();
    for folder in std::fs::read_dir(vectors().join("dist/blob")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let len = std::fs::metadata(&path).unwrap().len();
            on_disk.insert((path.file_stem().unwrap().to_str().unwrap().to_owned(), len));
        }
    }
    assert_eq!(named, on_disk);
}

fn collect_blobs(value: &Value, into: &mut BTreeSet<(String, u64)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_blobs(item, into)),
        Value::Object(map) => {
            if let (Some(digest), Some(len)) = (map.get("sha256"), map.get("len")) {
                into.insert((digest.as_str().unwrap().to_owned(), len.as_u64().unwrap()));
            }
            map.iter().filter(|(key, _)| *key != "args").for_each(|(_, value)| collect_blobs(value, into));
        }
        _ => {}
    }
}
