use insta::assert_snapshot;

use super::*;
use crate::{
    baseline::{Baseline, Date, Seen},
    tally::{Tally, sample},
};

#[test]
fn a_run_with_failures() {
    let tally = sample::tally();
    assert_snapshot!(render(&Subject::new(&tally), &Layout::default(), false));
}

#[test]
fn a_run_against_a_baseline() {
    let tally = sample::tally();
    let baseline = Baseline::parse(
        r#"
        [[expect]]
        check = "hdr/metadata-longer-than-payload"
        kind = "fail"
        reason = "lengths are not checked"
        issue = "https://example.org/1"
        [[expect]]
        check = "kv/header"
        kind = "crash"
        reason = "no limits"
        [[expect]]
        check = "hdr/magic-swapped#rejects"
        kind = "fail"
        reason = "long gone"
        "#,
    )
    .unwrap();
    let seen = Seen::new(&tally.cases);
    let applied = baseline.apply(&seen, Date::from_ymd_opt(2026, 11, 20).unwrap());
    let subject = Subject { baseline: Some(&applied), ..Subject::new(&tally) };
    let text = render(&subject, &Layout { color: false, width: 80 }, false);
    for wanted in [
        "baseline: 2 deviations as listed, 2 not listed, 1 listed that are gone",
        "expected: lengths are not checked (https://example.org/1)",
        "unexpected: listed as crash, and now it is a timeout",
        "hdr/magic-swapped@0.4#rejects passes now; take its entry out (long gone)",
    ] {
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(wanted), "{wanted}\n{text}");
    }
}

#[test]
fn a_clean_run_is_short_and_says_conformant() {
    let mut start = sample::start();
    start.requirements.retain(|brief| brief.id == "AVP-HDR-001");
    let tally = Tally::new(sample::stream(start, vec![sample::cases().remove(0)])).unwrap();
    assert_snapshot!(render(&Subject::new(&tally), &Layout::default(), false));
}

#[test]
fn no_line_runs_over_except_the_command_to_copy() {
    let tally = sample::tally();
    for width in [70, 80, 100, 200] {
        let text = render(&Subject::new(&tally), &Layout { color: false, width }, true);
        for line in text.lines().filter(|line| !line.contains("avp-conformance run")) {
            assert!(line.chars().count() <= width.min(120), "{width}: {line}");
        }
    }
}

#[test]
fn colours_are_only_there_when_asked_for() {
    let tally = sample::tally();
    let subject = Subject::new(&tally);
    assert!(!render(&subject, &Layout { color: false, width: 80 }, true).contains('\x1b'));
    let painted = render(&subject, &Layout { color: true, width: 80 }, true);
    assert!(painted.contains("\x1b[1;31mNOT CONFORMANT\x1b[0m"));
}
