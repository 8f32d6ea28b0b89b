//! Who is wrong, and what is no disagreement.

use serde_json::{Map, Value, json};

use super::*;
use crate::adapter::{Answer, Blob, Lost};
use crate::case::{Expect, Source, Spec, Step};
use crate::judge::Reply;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn case(expect: Expect) -> Case {
    Case {
        id: "hdr/x".into(),
        spec: Spec::V04,
        requirements: vec!["AVP-HDR-002".into()],
        why: "w".into(),
        bug: Some("magic-unchecked".into()),
        level: None,
        ambiguity: None,
        requires: Vec::new(),
        steps: vec![Step {
            op: "decode".into(),
            args: Map::new(),
            parts: Vec::new(),
            expect,
            rss_growth_mib: None,
            files: None,
            tamper: Vec::new(),
        }],
        relation: None,
        timeout_ms: None,
        source: Source::Vector { rev: 1 },
        patched: Vec::new(),
    }
}

fn expect(ok: Value) -> Expect {
    Expect::Ok { ok: object(ok), should: Map::new(), parts: Vec::new() }
}

fn seen(reply: Reply) -> Vec<Observed> {
    vec![Observed { request: None, reply, rss_growth: None, took: None, files: None }]
}

fn ok(content: Value, payload: &[u8]) -> Vec<Observed> {
    let part = Blob { name: "payload".into(), dtype: None, shape: None, bytes: payload.into() };
    seen(Reply::Answered(Answer::Ok { ok: object(content), parts: vec![part] }))
}

fn refused(code: &str) -> Vec<Observed> {
    seen(Reply::Answered(Answer::Err { code: code.into(), detail: String::new(), status: None }))
}

fn sorted(case: &Case, a: &[Observed], b: &[Observed]) -> Option<(Sort, String)> {
    judged(case, a, b, &Varying::default()).map(|found| (found.signature.sort, found.parting.at))
}

#[test]
fn the_suite_says_who_is_wrong() {
    let decoded = case(expect(json!({"metadata": {"session_id": "s"}})));
    let right = || ok(json!({"metadata": {"session_id": "s"}}), b"x");
    let wrong = || ok(json!({"metadata": {"session_id": "t"}}), b"x");
    let at = || "/messages/0/metadata/session_id".to_owned();
    assert_eq!(sorted(&decoded, &wrong(), &right()), Some((Sort::WrongA, at())));
    assert_eq!(sorted(&decoded, &right(), &wrong()), Some((Sort::WrongB, at())));
    let other = ok(json!({"metadata": {}}), b"x");
    assert_eq!(sorted(&decoded, &wrong(), &other), Some((Sort::BothWrong, at())));
    assert_eq!(sorted(&decoded, &wrong(), &wrong()), None);
    // A default may be told or not.
    let told = ok(json!({"metadata": {"session_id": "s", "mode": "LATENT", "hidden_dim": 0}}), b"x");
    assert_eq!(sorted(&decoded, &right(), &told), None);
    let hangs = seen(Reply::Lost(Lost::Timeout { limit: std::time::Duration::from_secs(2) }));
    assert_eq!(sorted(&decoded, &right(), &hangs), Some((Sort::WrongB, String::new())));
}

#[test]
fn where_nothing_is_required_nobody_is() {
    let mut open = case(Expect::Alive);
    let (one, other) = (ok(json!({"metadata": {}}), b"x"), ok(json!({"metadata": {}}), b"y"));
    assert_eq!(sorted(&open, &one, &other), Some((Sort::Silent, "/messages/0/payload".into())));
    assert_eq!(sorted(&open, &one, &refused("decode")), Some((Sort::Silent, String::new())));
    let silent = judged(&open, &one, &other, &Varying::default()).unwrap();
    assert_eq!(silent.ambiguity, None);
    open.ambiguity = Some("A-028".into());
    assert_eq!(judged(&open, &one, &other, &Varying::default()).unwrap().ambiguity.as_deref(), Some("A-028"));
}

#[test]
fn what_a_requirement_leaves_open_may_differ() {
    let id = case(expect(json!({"id": {"$re": "^[0-9a-f]+$"}})));
    assert_eq!(sorted(&id, &ok(json!({"id": "ab"}), b""), &ok(json!({"id": "cd"}), b"")), None);
    let wrong = sorted(&id, &ok(json!({"id": "ab"}), b""), &ok(json!({"id": "XY"}), b""));
    assert_eq!(wrong, Some((Sort::WrongB, "/id".into())));
    // What only one of them tells is an addition.
    let more = ok(json!({"id": "ab", "more": 1, "warnings": ["w"]}), b"");
    assert_eq!(sorted(&id, &ok(json!({"id": "ab"}), b""), &more), None);
}

#[test]
fn classes_of_one_kind_are_one() {
    let refusal = case(Expect::Reject(vec!["decode".into(), "limit_exceeded".into()]));
    assert_eq!(sorted(&refusal, &refused("decode"), &refused("limit_exceeded")), None);
    let other = sorted(&refusal, &refused("decode"), &refused("invalid_magic"));
    assert_eq!(other, Some((Sort::WrongB, "class".into())));
}

#[test]
fn of_each_cause_the_smallest_case_is_kept_and_causes_are_bounded() {
    let mut groups = Groups::default();
    let disagree = |bug: &str, len: usize| {
        let mut case = case(expect(json!({"x": 1})));
        case.bug = Some(bug.to_owned());
        // An operation of its own is a cause of its own.
        case.steps[0].op = bug.to_owned();
        case.steps[0].args = object(json!({ "filler": "y".repeat(len) }));
        let found =
            judged(&case, &ok(json!({"x": 1}), b""), &ok(json!({"x": 2}), b""), &Varying::default()).unwrap();
        (case, found)
    };
    for len in [30, 10, 20] {
        let (case, found) = disagree("one", len);
        groups.add(case, found);
    }
    for n in 0..MAX_GROUPS + 5 {
        let (case, found) = disagree(&format!("bug {n}"), 1);
        groups.add(case, found);
    }
    let (groups, beyond) = groups.into_sorted();
    assert_eq!((groups.len(), beyond), (MAX_GROUPS, 6));
    let first = &groups[0];
    assert_eq!((first.cases, first.cause.as_str()), (3, "one"));
    assert_eq!(first.example.case.steps[0].args["filler"], "y".repeat(10));
}
