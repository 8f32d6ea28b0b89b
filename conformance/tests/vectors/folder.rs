//! Generating, comparing, exporting.

use std::path::Path;

use avp_conformance::vector::{Difference, Dist, FolderError, IdChange, VectorFolder};

use super::vectors;

#[test]
fn what_is_committed_is_what_the_recipes_make() {
    let differences = VectorFolder::new(vectors()).check().unwrap_or_else(|error| panic!("{error}"));
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "run `avp-conformance vectors generate`:\n{}", lines.join("\n"));
}

#[test]
fn two_runs_are_the_same_to_the_byte() {
    assert!(Dist::embedded().unwrap() == Dist::embedded().unwrap());
}

const RECIPE: &str = r#"
- id: hdr/one
  req: [AVP-HDR-002]
  why: A test of the tool.
  op: decode
  in: {message: {base: vec2, patch: [{at: 0, hex: "00"}]}}
  expect: {reject: [invalid_magic]}
- id: hdr/two
  req: [AVP-HDR-005]
  why: A test of the tool.
  op: decode
  in: {message: {base: vec2, patch: [{version: 7}]}}
  expect: {reject: [unsupported_version]}
"#;

fn write_recipes(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder.join("recipes")).unwrap();
    std::fs::write(folder.join("recipes/hdr.yaml"), text).unwrap();
}

fn ids(differences: &[Difference]) -> Vec<(&str, IdChange)> {
    differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Id { id, what } => Some((id.as_str(), *what)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_life_of_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = VectorFolder::new(folder.path());
    write_recipes(folder.path(), RECIPE);

    let generated = vectors.generate().unwrap();
    assert_eq!(generated.cases, 4);
    assert_eq!(ids(&generated.changed), [("hdr/one", IdChange::Added), ("hdr/two", IdChange::Added)]);
    assert_eq!(vectors.check().unwrap(), []);

    // Another reason is no other input; other bytes are.
    write_recipes(folder.path(), &RECIPE.replace("version: 7", "version: 8"));
    assert_eq!(ids(&vectors.check().unwrap()), [("hdr/two", IdChange::Revised(2))]);
    vectors.generate().unwrap();
    write_recipes(folder.path(), &RECIPE.replace("version: 7", "version: 8").replace("the tool", "a tool"));
    let differences = vectors.check().unwrap();
    assert_eq!(ids(&differences), []);
    assert_eq!(differences.len(), 2, "both manifests hold the new text: {differences:?}");
    vectors.generate().unwrap();

    // A recipe that goes away retires its id for good.
    let one = RECIPE.split("- id: hdr/two").next().unwrap();
    write_recipes(folder.path(), one);
    assert_eq!(ids(&vectors.generate().unwrap().changed), [("hdr/two", IdChange::Retired)]);
    write_recipes(folder.path(), RECIPE);
    let error = vectors.check().unwrap_err().to_string();
    assert!(error.contains("hdr/two") && error.contains("retired"), "{error}");
}

#[test]
fn every_kind_of_drift_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = VectorFolder::new(folder.path());
    let long = r#"
- id: hdr/long
  req: [AVP-HDR-001]
  why: A payload that lies in a file of its own.
  op: encode
  in: {payload: {random: {seed: 1, count: 2000}}}
  expect: {encoded: {payload: {random: {seed: 1, count: 2000}}}}
"#;
    write_recipes(folder.path(), long);
    vectors.generate().unwrap();

    let manifest = folder.path().join("dist/0.2/manifest.json");
    let mut text = std::fs::read(&manifest).unwrap();
    text[100] ^= 1;
    std::fs::write(&manifest, &text).unwrap();
    std::fs::remove_file(folder.path().join("dist/0.4/manifest.json")).unwrap();
    std::fs::create_dir(folder.path().join("dist/blob/zz")).unwrap();
    std::fs::write(folder.path().join("dist/blob/zz/stray.bin"), "x").unwrap();

    let differences = vectors.check().unwrap();
    let expected = [
        Difference::Extra("dist/blob/zz/stray.bin".into()),
        Difference::Changed {
            path: "dist/0.2/manifest.json".into(),
            at: 100,
            found: text.len(),
            expected: text.len(),
        },
        Difference::Missing("dist/0.4/manifest.json".into()),
    ];
    assert_eq!(differences, expected);
    assert_eq!(vectors.generate().unwrap().changed, expected);
    assert_eq!(vectors.check().unwrap(), []);
}

#[test]
fn a_vector_must_be_wrong_in_one_way_only() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = VectorFolder::new(folder.path());
    for (from, to, word) in [
        ("{version: 7}", "{version: 7}, {payload_length: 99}", "2 ways"),
        ("[unsupported_version]", "[decode]", "unsupported_version"),
        ("{version: 7}", "{append: {hex: \"00\"}}", "nothing wrong"),
        ("{reject: [unsupported_version]}", "{ok: {}}", "should be accepted"),
        ("{base: vec2, patch: [{version: 7}]}", "{base: hdr/one, patch: [{version: 7}]}", "base `hdr/one`"),
    ] {
        let changed = RECIPE.replace(from, to);
        assert_ne!(changed, RECIPE);
        write_recipes(folder.path(), &changed);
        let error = vectors.check().unwrap_err();
        assert!(matches!(error, FolderError::Disagreements(_)), "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[test]
fn an_export_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let dist = Dist::embedded().unwrap();
    let count = dist.export(folder.path()).unwrap();
    for name in [
        "README.md",
        "schema/manifest.schema.json",
        "requirements.yaml",
        "0.2/manifest.json",
        "0.4/manifest.json",
    ] {
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    assert!(folder.path().join("blob").is_dir());
    assert!(count > 5, "{count}");
}
