use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::{
    case::Level,
    verdict::{Check, Outcome},
};

const FILE: &str = r#"# Deviations of the example, release 1.
# Kept by hand.

# Bombs: see the issue.
[[expect]]
check  = "cmp/bomb/*#rejects"      # all of them
kind   = "fail"
reason = "no limit"

# Gone soon.
[[expect]]
check  = "hdr/a#rejects"
kind   = "fail"
reason = "a is accepted"

[[expect]]
check  = "kv/sometimes#payload"
kind   = "flaky"
reason = "a race"

# The end.
"#;

fn seen(rows: &[(&str, &str, Outcome)]) -> Seen {
    let mut seen = Seen::default();
    for (key, name, outcome) in rows {
        let check = Check {
            name: (*name).into(),
            outcome: *outcome,
            requirements: vec![],
            level: Level::Must,
            expected: Value::Null,
            actual: Value::Null,
            note: String::new(),
            step: 0,
        };
        seen.add(key, &[check]);
    }
    seen
}

fn deviations(rows: &[(&str, &str, Outcome)]) -> Vec<Deviation> {
    let listed = rows.iter().filter_map(|(key, check, outcome)| {
        let kind = Kind::of(*outcome)?;
        Some(Deviation { key: (*key).into(), check: (*check).into(), kind, reason: "new here".into() })
    });
    listed.collect()
}

fn updated(rows: &[(&str, &str, Outcome)]) -> Update {
    let today = Date::from_ymd_opt(2026, 11, 20).unwrap();
    update(FILE, &seen(rows), &deviations(rows), today).unwrap()
}

#[test]
fn nothing_to_do_changes_no_byte() {
    let update = updated(&[
        ("cmp/bomb/a@0.4", "rejects", Outcome::Fail),
        ("hdr/a@0.4", "rejects", Outcome::Fail),
        ("kv/sometimes@0.4", "payload", Outcome::Pass),
    ]);
    assert_eq!(update.changes, []);
    assert_eq!(update.text, FILE);
}

#[test]
fn wide_patterns_are_narrowed_fixed_ones_go_and_new_ones_come() {
    let rows = [
        ("cmp/bomb/a@0.4", "rejects", Outcome::Pass),
        ("cmp/bomb/b@0.2", "rejects", Outcome::Fail),
        ("cmp/bomb/b@0.4", "rejects", Outcome::Fail),
        ("cmp/bomb/c@0.2", "rejects", Outcome::Pass),
        ("cmp/bomb/c@0.4", "rejects", Outcome::Fail),
        ("hdr/a@0.4", "rejects", Outcome::Pass),
        ("kv/sometimes@0.4", "payload", Outcome::Pass),
        ("kv/new@0.4", "payload", Outcome::Crash),
    ];
    let update = updated(&rows);
    assert_snapshot!(update.text, @r#"
    # Deviations of the example, release 1.
    # Kept by hand.

    # Bombs: see the issue.
    [[expect]]
    check  = [
        "cmp/bomb/b#rejects",
        "cmp/bomb/c@0.4#rejects",
    ]      # all of them
    kind   = "fail"
    reason = "no limit"

    [[expect]]
    check  = "kv/sometimes#payload"
    kind   = "flaky"
    reason = "a race"

    [[expect]]
    check = "kv/new#payload"
    kind = "crash"
    reason = "new here"

    # The end.
    "#);
    // What was written expects what was seen.
    let again = Baseline::parse(&update.text).unwrap();
    let seen = seen(&rows);
    let applied = again.apply(&seen, Date::from_ymd_opt(2026, 11, 20).unwrap());
    assert!(applied.stale.is_empty() && applied.problems.is_empty(), "{applied:?}");
    assert_eq!(applied.expected(), 4);
}

#[test]
fn a_changed_kind_moves_with_its_reason() {
    let rows = [
        ("cmp/bomb/a@0.4", "rejects", Outcome::Crash),
        ("hdr/a@0.4", "rejects", Outcome::Fail),
        ("kv/sometimes@0.4", "payload", Outcome::Fail),
    ];
    let update = updated(&rows);
    let again = Baseline::parse(&update.text).unwrap();
    let moved = again.entries.last().unwrap();
    assert_eq!((moved.kind, moved.reason.as_str()), (Kind::Crash, "no limit"));
    assert!(update.text.starts_with("# Deviations of the example"), "{}", update.text);
}

#[test]
fn what_was_not_run_is_left_alone() {
    let today = Date::from_ymd_opt(2026, 11, 20).unwrap();
    let keys = ["cmp/bomb/a@0.4", "hdr/a@0.4", "kv/sometimes@0.4"].map(str::to_owned);
    let seen = seen(&[("hdr/b@0.4", "rejects", Outcome::Pass)]).with_unselected(keys);
    assert_eq!(update(FILE, &seen, &[], today).unwrap().text, FILE);
}

#[test]
fn a_heading_outlives_the_last_entry() {
    let today = Date::from_ymd_opt(2026, 11, 20).unwrap();
    let bad = [("hdr/a@0.4", "rejects", Outcome::Fail)];
    let good = [("hdr/a@0.4", "rejects", Outcome::Pass)];
    let filled = update("# mine\n", &seen(&bad), &deviations(&bad), today).unwrap().text;
    let emptied = update(&filled, &seen(&good), &[], today).unwrap().text;
    assert_eq!(emptied, "# mine\n", "{filled}");
}

#[test]
fn an_empty_file_becomes_a_baseline() {
    let rows = [("hdr/a@0.4", "rejects", Outcome::Fail)];
    let today = Date::from_ymd_opt(2026, 11, 20).unwrap();
    for empty in ["", "expect = []\n", "# mine\n"] {
        let update = update(empty, &seen(&rows), &deviations(&rows), today).unwrap();
        assert!(!empty.starts_with('#') || update.text.starts_with(empty), "{}", update.text);
        let entries = Baseline::parse(&update.text).unwrap().entries;
        assert_eq!(entries.len(), 1, "{}", update.text);
        assert_eq!(entries[0].patterns[0].as_str(), "hdr/a#rejects");
    }
}
