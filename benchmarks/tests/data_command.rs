//! What `avp-bench data` says, and with which exit codes; without the network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The program in a home of its own.
fn data(home: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_avp-bench"));
    program.arg("data").args(arguments).env("AVP_CACHE_DIR", home).env("HF_HUB_OFFLINE", "1");
    program.env_remove("AVP_BENCH_DATA").output().expect("the program")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn data_sets_are_listed_with_what_is_known_of_them() {
    let home = tempfile::tempdir().unwrap();
    let output = data(home.path(), &["list"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("not here; avp-bench data fetch gsm8k"));
    let output = data(home.path(), &["list", "--json"]);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 9);
    assert!(rows.iter().all(|row| row["here"].is_null() && row["files"][0]["sha256"].is_string()));
}

#[test]
fn a_check_fails_for_what_is_wrong_or_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    // Nothing is here, and nothing was asked for by name.
    let output = data(home.path(), &["check"]);
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 9));
    let output = data(home.path(), &["check", "gsm8k"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("expected test.jsonl, found none in"), "{output:?}");
    let folder = home.path().join("datasets/medqa");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("medqa.json"), "[]").unwrap();
    let output = data(home.path(), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let medqa = rows.iter().find(|row| row["name"] == "medqa").unwrap();
    assert_eq!(medqa["state"], "wrong");
    assert!(medqa["error"].as_str().unwrap().contains("expected sha256 d4f09708"), "{medqa}");
    let output = data(home.path(), &["check", "gsm8q"]);
    assert!(text(&output.stderr).contains("did you mean gsm8k?"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(data(home.path(), &["check", "--to", "x"]).status.code(), Some(2));
}

#[test]
fn a_file_of_one_data_set_is_no_wrong_one_of_another() {
    let home = tempfile::tempdir().unwrap();
    // Neither folder names a data set: whose file this is, its sum alone would say.
    fs::write(home.path().join("test.jsonl"), "{}\n").unwrap();
    let here = home.path().to_str().unwrap();
    let output = data(home.path(), &["check", "--data", here]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("gsm8k: absent") && output.stderr.is_empty(), "{output:?}");
    // Asked for by name, it is the one that is meant.
    let output = data(home.path(), &["check", "gsm8k", "--data", here]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("expected sha256"), "{output:?}");
}

#[test]
fn what_is_not_fetched_is_said_with_sum_and_place() {
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("own");
    let output = data(home.path(), &["fetch", "all", "--json", "--to", to.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 9);
    for row in &rows {
        let error = row["error"].as_str().unwrap();
        assert!(
            error.contains("with sha256") && error.contains("put it at") && error.contains("own"),
            "{error}"
        );
    }
    assert!(text(&output.stderr).contains("HF_HUB_OFFLINE"));
    assert!(!to.exists(), "a folder for nothing");
}
