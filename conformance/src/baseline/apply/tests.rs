use super::*;

fn seen(rows: &[(&str, &str, Outcome)]) -> Seen {
    let mut seen = Seen::default();
    for (key, check, outcome) in rows {
        seen.cases.entry((*key).to_owned()).or_default().insert((*check).to_owned(), *outcome);
    }
    seen
}

fn entry(check: &str, kind: Kind) -> Entry {
    Entry {
        patterns: vec![Pattern::new(check)],
        kind,
        reason: "because".into(),
        issue: None,
        max: None,
        until: None,
    }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

const TODAY: &str = "2026-11-20";

#[test]
fn each_outcome_under_each_kind() {
    use Outcome::{Crash, Fail, Info, NotApplicable, Pass, Timeout};
    // (kind, outcome) → e expected, o other kind, s stale, - nothing to say
    let table = [
        (
            Kind::Fail,
            [(Pass, 's'), (Info, 's'), (Fail, 'e'), (Crash, 'o'), (Timeout, 'o'), (NotApplicable, '-')],
        ),
        (
            Kind::Crash,
            [(Pass, 's'), (Info, 's'), (Fail, 'o'), (Crash, 'e'), (Timeout, 'o'), (NotApplicable, '-')],
        ),
        (
            Kind::Timeout,
            [(Pass, 's'), (Info, 's'), (Fail, 'o'), (Crash, 'o'), (Timeout, 'e'), (NotApplicable, '-')],
        ),
        (
            Kind::Flaky,
            [(Pass, '-'), (Info, '-'), (Fail, 'e'), (Crash, 'e'), (Timeout, 'e'), (NotApplicable, '-')],
        ),
        (
            Kind::NotRun,
            [(Pass, 's'), (Info, 's'), (Fail, 's'), (Crash, 's'), (Timeout, 's'), (NotApplicable, 'e')],
        ),
    ];
    for (kind, row) in table {
        for (outcome, wanted) in row {
            let baseline = Baseline { entries: vec![entry("a/b#c", kind)] };
            let seen = seen(&[("a/b@0.4", "c", outcome)]);
            let applied = baseline.apply(&seen, day(TODAY));
            assert_eq!(applied.problems, [], "{kind:?} {outcome:?}");
            let found = match applied.standing("a/b@0.4", "c") {
                Standing::Expected(_) => 'e',
                Standing::OtherKind(_) => 'o',
                Standing::Expired(_) => 'x',
                Standing::Unexpected if !applied.stale.is_empty() => 's',
                Standing::Unexpected => '-',
            };
            assert_eq!(found, wanted, "{kind:?} {outcome:?}");
        }
    }
}

#[test]
fn a_pattern_without_a_check_is_stale_only_when_the_whole_case_passes() {
    let baseline = Baseline { entries: vec![entry("a/*", Kind::Fail)] };
    let one = seen(&[("a/b@0.4", "accepts", Outcome::Pass), ("a/b@0.4", "payload", Outcome::Fail)]);
    assert!(baseline.apply(&one, day(TODAY)).stale.is_empty());
    let two = seen(&[
        ("a/b@0.4", "payload", Outcome::Fail),
        ("a/c@0.4", "accepts", Outcome::Pass),
        ("a/c@0.4", "payload", Outcome::Pass),
    ]);
    let applied = baseline.apply(&two, day(TODAY));
    let stale: Vec<_> = applied.stale.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(stale, ["a/c@0.4"]);
}

#[test]
fn what_is_left_out_may_be_described_broadly() {
    let baseline = Baseline { entries: vec![entry("**", Kind::NotRun), entry("a/b", Kind::Fail)] };
    let rows = [
        ("a/b@0.4", "c", Outcome::Fail),
        ("a/d@0.4", "c", Outcome::Pass),
        ("a/e@0.4", "c", Outcome::NotApplicable),
    ];
    let seen = seen(&rows);
    let applied = baseline.apply(&seen, day(TODAY));
    assert_eq!((applied.expected(), applied.stale.len(), applied.problems.len()), (2, 0, 0));
    assert!(matches!(applied.standing("a/e@0.4", "c"), Standing::Expected(_)));
    assert_eq!(applied.standing("a/d@0.4", "c"), Standing::Unexpected);
}

#[test]
fn an_entry_ends_on_its_day() {
    let mut listed = entry("a/b", Kind::Fail);
    listed.until = Some(day("2027-01-01"));
    let baseline = Baseline { entries: vec![listed] };
    let seen = seen(&[("a/b@0.4", "c", Outcome::Fail)]);
    let standing = |today: &str| baseline.apply(&seen, day(today)).standing("a/b@0.4", "c");
    assert!(matches!(standing("2026-12-31"), Standing::Expected(_)));
    assert!(matches!(standing("2027-01-01"), Standing::Expired(_)));
}

#[test]
fn overlaps_and_too_many_are_problems() {
    let mut wide = entry("a/*", Kind::Fail);
    wide.max = Some(1);
    let baseline = Baseline { entries: vec![wide, entry("a/b#c", Kind::Fail)] };
    let seen = seen(&[("a/b@0.4", "c", Outcome::Fail), ("a/d@0.4", "c", Outcome::Fail)]);
    let applied = baseline.apply(&seen, day(TODAY));
    assert_eq!(
        applied.problems,
        [
            Problem::OverMax { pattern: "a/*".into(), max: 1, found: 2 },
            Problem::Overlap { check: "a/b@0.4#c".into(), entries: (1, 2) },
        ]
    );
}

#[test]
fn a_pattern_that_fits_nothing_names_its_nearest() {
    let baseline = Baseline { entries: vec![entry("a/magic-swaped#rejects", Kind::Fail)] };
    let seen = seen(&[("a/magic-swapped@0.4", "rejects", Outcome::Fail)]);
    let applied = baseline.apply(&seen, day(TODAY));
    assert_eq!(
        applied.problems,
        [Problem::Unmatched {
            pattern: "a/magic-swaped#rejects".into(),
            nearest: Some("a/magic-swapped#rejects".into()),
        }]
    );
    assert_eq!(baseline.unmatched_cases(["a/magic-swapped@0.4"]).len(), 1);
}

#[test]
fn a_narrow_run_does_not_blame_entries_for_what_was_not_asked() {
    let baseline = Baseline { entries: vec![entry("a/b#c", Kind::Fail), entry("a/gone#c", Kind::Fail)] };
    let seen = seen(&[("a/other@0.4", "c", Outcome::Pass)]).with_unselected(["a/b@0.4".to_owned()]);
    let applied = baseline.apply(&seen, day(TODAY));
    assert_eq!(applied.problems.len(), 1, "{:?}", applied.problems);
    assert!(applied.stale.is_empty());
}

#[test]
fn a_case_that_died_does_not_make_its_entries_wrong() {
    let baseline = Baseline { entries: vec![entry("a/b#payload", Kind::Fail)] };
    let seen = seen(&[("a/b@0.4", "answers", Outcome::Crash)]);
    let applied = baseline.apply(&seen, day(TODAY));
    assert_eq!(applied.problems, []);
    assert_eq!(applied.standing("a/b@0.4", "answers"), Standing::Unexpected);
}

#[test]
fn several_steps_count_by_the_worst() {
    let check = |outcome, step| Check {
        name: "accepts".into(),
        outcome,
        requirements: vec![],
        level: crate::case::Level::Must,
        expected: serde_json::Value::Null,
        actual: serde_json::Value::Null,
        note: String::new(),
        step,
    };
    let mut seen = Seen::default();
    seen.add("a/b@0.4", &[check(Outcome::Fail, 0), check(Outcome::Pass, 1)]);
    let baseline = Baseline { entries: vec![entry("a/b#accepts", Kind::Fail)] };
    assert_eq!(baseline.apply(&seen, day(TODAY)).expected(), 1);
}

proptest::proptest! {
    /// The cases that lie where a pattern begins are all those that it fits.
    #[test]
    fn a_pattern_finds_every_case_that_it_fits(
        pattern in "[ab/*?]{0,6}(@(0\\.4|\\*))?(#r)?",
        keys in proptest::collection::vec("[ab]{1,2}/[ab]{1,3}@0\\.[24]", 0..30),
    ) {
        let rows: Vec<_> = keys.iter().map(|key| (key.as_str(), "rejects", Outcome::Fail)).collect();
        let (seen, pattern) = (seen(&rows), Pattern::new(&pattern));
        let found: Vec<&String> = seen.fitting(&pattern).map(|(key, _)| key).collect();
        let fits: Vec<&String> = seen.cases.keys().filter(|key| pattern.fits_case(key)).collect();
        proptest::prop_assert_eq!(found, fits);
    }
}
