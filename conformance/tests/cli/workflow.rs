//! What a run leaves in a GitHub workflow.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Ran, SOME, binary, proxy, ran};

/// A run in a workflow of the implementation with `mode`, with more options.
fn in_workflow(mode: &str, summary: &Path, more: &[&str]) -> Ran {
    let mut command: Command = binary();
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", summary);
    ran(command.args(SOME).args(more).arg("--").args(proxy(mode)).output().unwrap())
}

#[test]
fn a_failing_step_has_a_summary_and_annotations() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "what stood there\n").unwrap();
    let run = in_workflow("accepts-version", &summary, &[]);
    run.assert_code(1);
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("what stood there\n## ❌ NOT CONFORMANT"), "{text}");
    let errors = run.out.lines().filter(|line| line.starts_with("::error title=AVP-HDR-")).count();
    assert!((1..=10).contains(&errors), "{}", run.out);
    // What an adapter had a say in stands between two lines that switch commands off and on.
    let stop = run.out.find("::stop-commands::").unwrap();
    let word = run.out[stop..].lines().next().unwrap().trim_start_matches("::stop-commands::").to_owned();
    assert!(word.len() >= 8, "{word}");
    let resume = run.out.find(&format!("\n::{word}::\n")).unwrap();
    let report = run.out.find("NOT CONFORMANT").unwrap();
    let first = run.out.find("::error ").unwrap();
    assert!(stop < report && report < resume && resume < first);
}

#[test]
fn json_stays_one_document_and_nothing_is_said_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    let run = in_workflow("accepts-version", &summary, &["--json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&run.out).is_ok(), "{}", run.out);
    assert!(run.err.contains("::error title="));
    assert!(summary.is_file());
    fs::remove_file(&summary).unwrap();
    let quiet = in_workflow("accepts-version", &summary, &["--no-github"]);
    quiet.assert_code(1);
    assert!(
        !quiet.out.contains("::") && !quiet.err.contains("::error") && !summary.exists(),
        "{}",
        quiet.out
    );
}

#[test]
fn a_report_that_goes_to_the_summary_is_not_joined_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    let option = format!("--report=md={}", summary.display());
    in_workflow("accepts-version", &summary, &[&option]).assert_code(1);
    assert_eq!(fs::read_to_string(&summary).unwrap().matches("## ❌").count(), 1);
    // A summary that can't be written changes no verdict.
    let run = in_workflow("accepts-version", folder.path(), &[]);
    run.assert_code(1).assert_says("the step has no summary");
}
