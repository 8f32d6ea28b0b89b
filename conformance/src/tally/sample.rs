//! A run as it might be, for tests of whatever reads events.

use serde_json::{Map, Value, json};

use crate::{
    adapter::Hello,
    case::{Level, PatchedRange, Source, Spec},
    dissect::Field,
    event::{
        AdapterExit, AnswerDump, CaseEvent, EVENTS_VERSION, Event, PartDump, Probe, RequirementBrief,
        RunStart, StepDump, Summary,
    },
    requirement::Catalogue,
    verdict::{Check, Outcome},
};

pub(crate) fn start() -> RunStart {
    let ids = [
        "AVP-HDR-001",
        "AVP-HDR-002",
        "AVP-HDR-003",
        "AVP-HDR-019",
        "AVP-KV-001",
        "AVP-KV-010",
        "AVP-SES-001",
        "AVP-JSON-001",
    ];
    RunStart {
        version: EVENTS_VERSION,
        suite: "0.1.0".into(),
        vectors: "5f2c".into(),
        started: 1_790_000_000,
        adapter: "python adapter.py".into(),
        repeat: "--adapter avp-python@0.6.2".into(),
        hello: Hello {
            name: "avp-python".into(),
            version: "0.6.2".into(),
            language: "python".into(),
            specs: vec![Spec::V04],
            ops: vec!["decode".into(), "encode".into()],
            inflight: 1,
            ..Hello::default()
        },
        seed: 1,
        selection: Vec::new(),
        specs: vec![Spec::V04],
        cases: 7,
        undeclared: 0,
        requirements: ids.iter().map(|id| brief(id)).collect(),
        unselected: Vec::new(),
    }
}

fn brief(id: &str) -> RequirementBrief {
    super::brief_of(Catalogue::embedded().get(id).unwrap())
}

pub(crate) fn check(name: &str, outcome: Outcome, level: Level, requirement: &str) -> Check {
    Check {
        name: name.into(),
        outcome,
        requirements: vec![requirement.into()],
        level,
        expected: Value::Null,
        actual: Value::Null,
        note: String::new(),
        step: 0,
    }
}

pub(crate) fn case(id: &str, requirement: &str, checks: Vec<Check>) -> CaseEvent {
    CaseEvent {
        key: format!("{id}@0.4"),
        id: id.into(),
        spec: Spec::V04,
        requirements: vec![requirement.into()],
        why: "A reader that believes what it was told reads what is not there.".into(),
        bug: None,
        ambiguity: None,
        source: Source::Vector { rev: 1 },
        ops: vec!["decode".into()],
        checks,
        duration_ms: 1.5,
        first_try: None,
        steps: Vec::new(),
        patched: Vec::new(),
        stderr: String::new(),
        ulp: Vec::new(),
    }
}

/// Seven cases, one of each kind of end.
pub(crate) fn cases() -> Vec<CaseEvent> {
    use Outcome::{Crash, Fail, Info, NotApplicable, Pass, Timeout};
    let mut length = case(
        "hdr/metadata-longer-than-payload",
        "AVP-HDR-019",
        vec![
            Check {
                expected: json!({"err": ["decode", "limit_exceeded"]}),
                actual: json!({"ok": {"consumed": 25}}),
                note: "accepted what had to be refused".into(),
                ..check("rejects", Fail, Level::Must, "AVP-HDR-019")
            },
            Check { note: "accepted".into(), ..check("code", Fail, Level::Should, "AVP-HDR-019") },
        ],
    );
    length.bug = Some("metadata-length-unchecked".into());
    length.ambiguity = Some("A-016".into());
    length.steps = vec![StepDump {
        step: 0,
        op: "decode".into(),
        args: Map::new(),
        parts: vec![message()],
        answer: AnswerDump::Ok {
            ok: json!({"consumed": 25}).as_object().unwrap().clone(),
            parts: Vec::new(),
        },
        rss_growth: None,
    }];
    length.patched = vec![PatchedRange { step: 0, part: "message".into(), start: 8, end: 12 }];

    let mut crash = case(
        "kv/giant-layer-count",
        "AVP-KV-010",
        vec![Check {
            note: "the adapter died: signal 9".into(),
            ..check("rejects", Crash, Level::Must, "AVP-KV-010")
        }],
    );
    crash.bug = Some("kv-count-unchecked".into());
    crash.stderr = "Traceback (most recent call last):\n  File \"adapter.py\", line 7\nMemoryError\n".into();

    let mut skipped =
        case("ses/expires", "AVP-SES-001", vec![check("applies", NotApplicable, Level::Must, "AVP-SES-001")]);
    skipped.ops = vec!["session_script".into()];
    skipped.checks[0].note = "the operation `session_script` is not declared".into();

    vec![
        case("hdr/magic", "AVP-HDR-001", vec![check("accepts", Pass, Level::Must, "AVP-HDR-001")]),
        case("hdr/magic-swapped", "AVP-HDR-002", vec![check("rejects", Pass, Level::Must, "AVP-HDR-002")]),
        case("hdr/magic-told", "AVP-HDR-003", vec![check("code", Info, Level::Should, "AVP-HDR-003")]),
        length,
        case("kv/header", "AVP-KV-001", vec![check("accepts", Timeout, Level::Must, "AVP-KV-001")]),
        crash,
        skipped,
    ]
}

/// 25 bytes with a `metadata_length` of 255.
fn message() -> PartDump {
    let field = |start: usize, end: usize, name: &str, value: &str, note: &str| Field {
        start,
        end,
        name: name.into(),
        value: value.into(),
        depth: 0,
        note: (!note.is_empty()).then(|| note.to_owned()),
    };
    PartDump {
        name: "message".into(),
        dtype: None,
        shape: None,
        len: 25,
        sha256: "00".repeat(32),
        hex: "415601000d000000ff00000028024a01020000803f00000040".into(),
        fields: vec![
            field(0, 2, "magic", "\"AV\"", ""),
            field(2, 3, "version", "1", ""),
            field(3, 4, "flags", "none", ""),
            field(4, 8, "payload_length", "13", ""),
            field(8, 12, "metadata_length", "255", "longer than payload_length"),
            field(12, 25, "metadata", "13 bytes", ""),
        ],
    }
}

/// The events of a run of `cases`.
pub(crate) fn stream(start: RunStart, cases: Vec<CaseEvent>) -> Vec<Event> {
    let mut summary = Summary {
        complete: true,
        selected: cases.len(),
        children: 2,
        duration_ms: 1234.0,
        ..Summary::default()
    };
    let mut events = vec![
        Event::RunStart(Box::new(start)),
        Event::Probe(Probe { name: "unknown-op".into(), passed: Some(true), note: String::new() }),
    ];
    // As a run does: not in the order of their names.
    for case in cases.into_iter().rev() {
        summary.add(&case);
        events.push(Event::Case(Box::new(case)));
    }
    events.push(Event::AdapterExit(AdapterExit {
        why: "end of run".into(),
        status: Some("exit status: 0".into()),
        stderr: String::new(),
    }));
    events.push(Event::Summary(summary));
    events
}

/// The sample run put together.
pub(crate) fn tally() -> super::Tally {
    super::Tally::new(stream(start(), cases())).unwrap()
}
