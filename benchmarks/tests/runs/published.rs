//! The run files of published tables, held against the data where it is here.

use avp_bench::run_file::{RUNS, RunFile, TaskKind};
use serde_json::Value;

/// Items of each task: enough for every kind of prompt, few enough for every program to run in the sandbox.
const ITEMS: &str = "3";

#[test]
fn every_run_file_of_a_published_table_rehearses() {
    if std::env::var_os("AVP_BENCH_DATA").is_none() {
        eprintln!("skipped: AVP_BENCH_DATA names no folder with the published data sets");
        return;
    }
    let published = RUNS.iter().filter(|(_, text)| {
        let file = RunFile::from_yaml(text).unwrap();
        file.tasks.iter().any(|task| matches!(task.kind, TaskKind::Described(_)))
    });
    let mut rehearsed = 0;
    for (name, _) in published {
        let output =
            super::program().args(["run", name, "--dry-run", "--limit", ITEMS, "--json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", super::stderr(&output));
        let tasks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        for task in &tasks {
            assert_eq!(task["items"][0].as_u64(), Some(3), "{name}");
            assert!(task["unexpected"].as_array().unwrap().is_empty(), "{name}: {task}");
            assert!(task["audit"]["cheats_of"].as_u64().unwrap() > 0, "{name}");
        }
        rehearsed += 1;
    }
    assert!(rehearsed >= 20, "{rehearsed}");
}

#[test]
fn a_run_without_its_data_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    let output = super::program()
        .args(["run", "smollm2-gsm8k", "--dry-run", "--data"])
        .arg(empty.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = super::stderr(&output);
    assert_eq!(said.matches("data fetch gsm8k").count(), 1, "{said}");
}
