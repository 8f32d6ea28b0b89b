//! The matrix of runs as they might be.

use super::*;
use crate::case::Level;
use crate::event::CaseEvent;
use crate::tally::sample;
use crate::verdict::Outcome as Ended;

/// What a browser must never see as markup.
const HOSTILE: &str = "\"><script>alert(1)</script><!-- | ``` \u{202e}[x](javascript:1) &lt; '";

fn run(name: &str, version: &str, cases: Vec<CaseEvent>) -> Tally {
    let mut start = sample::start();
    start.hello.name = name.into();
    start.hello.version = version.into();
    Tally::new(sample::stream(start, cases)).unwrap()
}

/// The sample's cases with the magic's check ended so.
fn with_magic(outcome: Ended) -> Vec<CaseEvent> {
    let mut cases = sample::cases();
    cases[0].checks = vec![sample::check("accepts", outcome, Level::Must, "AVP-HDR-001")];
    cases
}

fn matrix(runs: &[Tally]) -> Matrix {
    let mut collection = Collection::default();
    runs.iter().for_each(|tally| collection.add(tally));
    collection.finish(None)
}

#[test]
fn releases_stand_in_their_order_and_implementations_as_they_came() {
    let runs = ["0.10.0", "0.2.0", "0.9.1"].map(|version| run("sdk", version, sample::cases()));
    let mut collection = Collection::default();
    collection.add(&run("mine", "1", sample::cases()));
    runs.iter().for_each(|tally| collection.add(tally));
    collection.add_absent(Entry::absent("sdk", "0.3.0", "no such release"));
    collection.add(&run("mine", "1", sample::cases()));
    let labels: Vec<String> = collection.finish(None).entries.into_iter().map(|entry| entry.label).collect();
    assert_eq!(labels, ["mine 1", "mine 1 (run 2)", "sdk 0.2.0", "sdk 0.3.0", "sdk 0.9.1", "sdk 0.10.0"]);
}

#[test]
fn what_differs_comes_first_and_what_holds_everywhere_last() {
    let matrix = matrix(&[run("a", "1", with_magic(Ended::Pass)), run("a", "2", with_magic(Ended::Fail))]);
    assert!(matrix.differs("AVP-HDR-001"));
    assert!(!matrix.differs("AVP-HDR-019"), "missed by both");
    let order: Vec<&str> = matrix.by_interest().iter().map(|brief| brief.id.as_str()).collect();
    let place = |id: &str| order.iter().position(|known| *known == id).unwrap();
    assert_eq!(place("AVP-HDR-001"), 0);
    assert!(place("AVP-HDR-019") < place("AVP-HDR-002"), "{order:?}");
}

#[test]
fn a_step_tells_what_broke_and_what_was_mended() {
    let matrix = matrix(&[
        run("a", "1", with_magic(Ended::Pass)),
        run("a", "2", with_magic(Ended::Fail)),
        run("a", "3", with_magic(Ended::Pass)),
        run("a", "4", with_magic(Ended::NotApplicable)),
        run("b", "5", with_magic(Ended::Fail)),
    ]);
    let steps = steps(&matrix.entries);
    let told: Vec<_> = steps.iter().map(|step| (step.to.as_str(), step.moves.as_slice())).collect();
    let magic = || vec!["AVP-HDR-001".to_owned()];
    assert_eq!(
        told,
        [
            ("a 2", &[(Move::Broken, magic())][..]),
            ("a 3", &[(Move::Mended, magic())]),
            ("a 4", &[(Move::NoLongerRun, magic())]),
        ]
    );
}

#[test]
fn operations_that_come_and_go_are_told() {
    let with_ops = |version: &str, ops: &[&str]| {
        let mut start = sample::start();
        start.hello.version = version.into();
        start.hello.ops = ops.iter().map(|op| (*op).to_owned()).collect();
        Tally::new(sample::stream(start, sample::cases())).unwrap()
    };
    let matrix = matrix(&[with_ops("1", &["decode", "encode"]), with_ops("2", &["decode", "inspect"])]);
    let step = &steps(&matrix.entries)[0];
    assert_eq!(
        (step.gained.as_slice(), step.dropped.as_slice()),
        (&["inspect".to_owned()][..], &["encode".to_owned()][..])
    );
}

#[test]
fn both_forms_show_the_verdicts_the_examples_and_who_was_not_run() {
    let mut collection = Collection::default();
    collection.add(&run("sdk", "1", sample::cases()));
    collection.add_absent(Entry::absent("java", "1", "needs javac, which is not on the PATH"));
    let matrix = collection.finish(None);
    for text in [html::render(&matrix), markdown::render(&matrix)] {
        assert!(text.contains("not run: needs javac, which is not on the PATH"));
        assert!(text.contains("breaks 3 requirements"));
        assert!(text.contains("AVP-HDR-019"));
    }
    let page = html::render(&matrix);
    // The failing cell: why, what was expected, what came, its bytes, and how to repeat it.
    for piece in [
        "A reader that believes what it was told reads what is not there.",
        "limit_exceeded",
        "consumed",
        "metadata_length",
        "--id &#39;hdr/metadata-longer-than-payload@0.4&#39;",
    ] {
        assert!(page.contains(piece), "{piece}");
    }
}

#[test]
fn the_same_runs_make_the_same_bytes_whenever_they_were_made() {
    let at = |started: u64| {
        let mut start = sample::start();
        start.started = started;
        let mut cases = sample::cases();
        cases.iter_mut().for_each(|case| case.duration_ms = started as f64);
        matrix(&[Tally::new(sample::stream(start, cases)).unwrap()])
    };
    assert_eq!(html::render(&at(1)), html::render(&at(2)));
    assert_eq!(markdown::render(&at(1)), markdown::render(&at(2)));
}

#[test]
fn what_an_implementation_says_stays_text() {
    let mut cases = sample::cases();
    for case in &mut cases {
        case.stderr = HOSTILE.into();
        for check in &mut case.checks {
            check.note = HOSTILE.into();
            check.actual = HOSTILE.into();
        }
    }
    let mut start = sample::start();
    start.hello.name = HOSTILE.into();
    start.hello.version = HOSTILE.into();
    start.hello.language = HOSTILE.into();
    start.hello.ops = vec![HOSTILE.into()];
    let mut newer = start.clone();
    newer.hello.version = "2".into();
    newer.hello.ops = Vec::new();
    let runs = [start, newer].map(|start| Tally::new(sample::stream(start, cases.clone())).unwrap());
    let mut collection = Collection::default();
    runs.iter().for_each(|tally| collection.add(tally));
    collection.add_absent(Entry::absent(HOSTILE, "", HOSTILE));
    let spoken = reading::Participant {
        name: HOSTILE.into(),
        version: HOSTILE.into(),
        spec: crate::case::Spec::V04,
        auto: false,
        several: false,
        lacks: Vec::new(),
    };
    let readings = CrossReading {
        version: reading::READINGS_VERSION,
        participants: vec![spoken],
        messages: vec![reading::Message { kind: reading::meaning::Kind::Message, bytes: vec![0; 3] }],
        writings: vec![
            reading::Writing { writer: 0, meaning: "map".into(), written: reading::Written::Message(0) },
            reading::Writing {
                writer: 0,
                meaning: "kv".into(),
                written: reading::Written::Not(HOSTILE.into()),
            },
        ],
        readings: vec![reading::Reading {
            reader: 0,
            message: 0,
            read: reading::Read::Refused(HOSTILE.into()),
        }],
    };
    let matrix = collection.finish(Some(readings));
    let page = html::render(&matrix);
    assert_eq!(page.matches("<script").count(), 1, "its own");
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<!--") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown");
    let text = markdown::render(&matrix);
    assert!(!text.contains("<script") && !text.contains("<!--"));
    for line in text.lines().filter(|line| line.starts_with('|') && line.contains("alert")) {
        let cells = line.replace("\\|", "").matches('|').count();
        assert!(cells < 20, "a sign of theirs ended a cell: {line}");
    }
    assert!(!text.contains("[x](javascript"), "a link of theirs");
}

#[test]
fn a_recording_that_points_nowhere_is_left_aside() {
    let readings = |reader: usize, message: usize| CrossReading {
        version: reading::READINGS_VERSION,
        participants: Vec::new(),
        messages: Vec::new(),
        writings: Vec::new(),
        readings: vec![reading::Reading { reader, message, read: reading::Read::Refused(String::new()) }],
    };
    assert!(!readings(0, 0).is_sound());
    assert!(Collection::default().finish(Some(readings(7, 7))).readings.is_none());
}
