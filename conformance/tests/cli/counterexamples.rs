//! Counterexamples: found, made small, kept, asked again, promoted.
#![cfg(feature = "reference")]

use std::fs;
use std::path::Path;

use super::{Ran, binary, ran};

const MUTANT: &str = env!("CARGO_BIN_EXE_avp-mutant");

/// A run in a folder, against a reference with a bug.
fn run_in(folder: &Path, args: &[&str], bug: &str) -> Ran {
    let mut command = binary();
    command.current_dir(folder).args(args).args(["--", MUTANT, bug]);
    ran(command.output().unwrap())
}

const LONG: [&str; 5] =
    ["run", "--id=gen/decode-volume/*,counterexample/*", "--spec=0.4", "--cases=500", "--timeout-scale=20"];

#[test]
fn what_fails_is_made_small_kept_and_asked_first() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let mut args = LONG.to_vec();
    args[1] = "--id=gen/decode-volume/*";
    let first =
        run_in(folder, &[&args[..], &["--counterexamples", "counterexamples"]].concat(), "planted-border");
    first
        .assert_code(1)
        .assert_says("to 65,548 bytes in")
        .assert_says("1 counterexamples, 1 new in counterexamples");
    let files: Vec<_> =
        fs::read_dir(folder.join("counterexamples")).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("\"repeat\"") && !text.contains("seed"), "{text}");

    // The folder is there now: it is used without being named.
    let events = folder.join("run.ndjson");
    let again =
        run_in(folder, &[&LONG[..], &["--no-shrink", "--events", "run.ndjson"]].concat(), "planted-border");
    again.assert_code(1);
    let events = fs::read_to_string(events).unwrap();
    let case = events.lines().find(|line| line.contains("\"event\":\"case\"")).unwrap();
    assert!(case.contains("\"key\":\"counterexample/"), "{case}");
    assert!(!events.contains("\"event\":\"counterexample\""));

    run_in(folder, &["replay", "counterexamples"], "planted-border").assert_code(1).assert_says("FAILED");
    run_in(folder, &["replay", file.to_str().unwrap()], "planted-memory").assert_code(0).assert_says("FIXED");

    let promote = |more: &[&str]| {
        let args = ["promote", file.to_str().unwrap(), "--id", "hdr/long-payload"];
        ran(binary().current_dir(folder).args(args).args(more).output().unwrap())
    };
    let printed = promote(&[]);
    printed.assert_code(0).assert_says("vectors/recipes/hdr.yaml");
    assert!(printed.out.starts_with("- id: hdr/long-payload\n"), "{}", printed.out);
    let recipes = folder.join("recipes");
    fs::create_dir(&recipes).unwrap();
    promote(&["--recipes", "recipes"]).assert_code(0);
    assert_eq!(fs::read_to_string(recipes.join("hdr.yaml")).unwrap(), printed.out);
    // The id is taken now.
    promote(&["--recipes", "recipes"]).assert_code(2).assert_says("used twice");
}

#[test]
fn what_is_no_counterexample_is_told() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    fs::create_dir(folder.join("counterexamples")).unwrap();
    run_in(folder, &["replay", "counterexamples"], "planted-border")
        .assert_code(5)
        .assert_says("no counterexample");
    fs::write(folder.join("counterexamples/a.json"), "{}").unwrap();
    run_in(folder, &LONG, "planted-border").assert_code(2).assert_says("a.json").assert_says("missing field");
}

#[test]
fn fuzzing_ends_and_keeps_what_it_found() {
    let place = tempfile::tempdir().unwrap();
    let args = [
        "run",
        "--fuzz=1s",
        "--id=gen/decode-volume/*",
        "--spec=0.4",
        "--cases=500",
        "--seed=2",
        "--timeout-scale=20",
        "--counterexamples=found",
    ];
    let done = run_in(place.path(), &args, "planted-border");
    done.assert_code(1).assert_says("seed 2 and those behind it").assert_says("to 65,548 bytes in");
    assert_eq!(fs::read_dir(place.path().join("found")).unwrap().count(), 1);
    run_in(place.path(), &["run", "--fuzz=soon"], "planted-border")
        .assert_code(2)
        .assert_says("60s, 5m or 2h");
}
