//! Tables: expectation × answer → checks.

use serde_json::{Map, Value, json};

use super::*;
use crate::adapter::Blob;
use crate::case::{EncodedExpect, ExpectPart, PartContent, Relation, SectionLen, Source, Spec};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn step(op: &str, expect: Expect) -> Step {
    Step { op: op.into(), args: Map::new(), parts: Vec::new(), expect, rss_growth_mib: None }
}

fn case_of(steps: Vec<Step>) -> Case {
    Case {
        id: "hdr/x".into(),
        spec: Spec::V04,
        requirements: vec!["AVP-HDR-002".into()],
        why: "w".into(),
        bug: None,
        level: None,
        ambiguity: None,
        requires: Vec::new(),
        steps,
        relation: None,
        timeout_ms: None,
        source: Source::Vector { rev: 1 },
        patched: Vec::new(),
    }
}

fn blob(name: &str, bytes: &[u8]) -> Blob {
    Blob { name: name.into(), dtype: None, shape: None, bytes: bytes.into() }
}

fn seen(reply: Reply) -> Observed {
    Observed { request: None, reply, rss_growth: None }
}

fn ok(content: Value, parts: Vec<Blob>) -> Observed {
    seen(Reply::Answered(Answer::Ok { ok: object(content), parts }))
}

fn err(code: &str) -> Observed {
    seen(Reply::Answered(Answer::Err { code: code.into(), detail: "because".into() }))
}

fn expect_ok(content: Value) -> Expect {
    Expect::Ok { ok: object(content), should: Map::new(), parts: Vec::new() }
}

fn run(case: &Case, observed: &[Observed]) -> Vec<Check> {
    judge(case, observed, Catalogue::embedded())
}

fn run_one(expect: Expect, observed: Observed) -> Vec<Check> {
    run(&case_of(vec![step("decode", expect)]), &[observed])
}

/// `name=outcome` of each check.
fn lines(checks: &[Check]) -> Vec<String> {
    checks.iter().map(|check| format!("{}={:?}", check.name, check.outcome)).collect()
}

#[test]
fn values_and_matchers() {
    for (expected, actual, holds) in [
        (json!(4), json!(4.0), true),
        (json!(4), json!(5), false),
        (json!(18446744073709551615u64), json!(18446744073709551614u64), false),
        (json!("a"), json!("a"), true),
        (json!([1, 2]), json!([1, 2]), true),
        (json!([1, 2]), json!([1, 2, 3]), false),
        (json!([1, 2]), json!([1]), false),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
        (json!({"a": 1}), json!({}), false),
        (json!({"a": 1, "b?": 2}), json!({"a": 1}), true),
        (json!({"a": 1, "b?": 2}), json!({"a": 1, "b": null}), true),
        (json!({"a": 1, "b?": 2}), json!({"a": 1, "b": 3}), false),
        (json!({"$subset": {"a": 1}}), json!({"a": 1, "b": 2}), true),
        (json!({"$subset": {"a": 1}}), json!({"b": 2}), false),
        (json!([{"$subset": {"a": 1}}]), json!([{"a": 1, "b": 2}]), true),
        (json!({"$re": "^[0-9a-f]{4}$"}), json!("00ff"), true),
        (json!({"$re": "^[0-9a-f]{4}$"}), json!("00fg"), false),
        (json!({"$re": "x"}), json!(1), false),
        (json!({"$re": "("}), json!("("), false),
        (json!({"$any": [1, {"$re": "^a"}]}), json!("ab"), true),
        (json!({"$any": [1, 2]}), json!(3), false),
        (json!({"$absent": true}), json!(null), true),
        (json!({"$absent": true}), json!(""), true),
        (json!({"$absent": true}), json!(0), false),
        (json!({"$missing": true}), json!(null), false),
        (json!({"$nonempty": true}), json!([1]), true),
        (json!({"$nonempty": true}), json!(""), false),
        (json!({"$json": {"a": {"$any": [1, 2]}}}), json!("{\"a\": 2}"), true),
        (json!({"$json": {"a": 1}}), json!("{\"a\": 2}"), false),
        (json!({"$json": {"a": 1}}), json!("{"), false),
        (json!({"$contains": ["x"]}), json!(["y", "x"]), true),
        (json!({"$contains": ["x", "z"]}), json!(["y", "x"]), false),
        (json!({"$contains": "bc"}), json!("abcd"), true),
        (json!({"$unordered": [1, 2, 2]}), json!([2, 1, 2]), true),
        (json!({"$unordered": [1, 2, 2]}), json!([2, 1, 1]), false),
        // An item that fits both must not be given away to the first.
        (json!({"$unordered": [{"$any": [1, 2]}, 1]}), json!([1, 2]), true),
        (json!({"$unordered": [{"$nonempty": true}, {"$re": "a"}]}), json!(["a", "b"]), true),
        (json!({"$close": {"value": 1.5, "abs": 1e-6}}), json!(1.5000001), true),
        (json!({"$close": {"value": 1.5, "abs": 1e-6}}), json!(1.51), false),
        (json!({"$close": {"value": 100, "rel": 0.01}}), json!(100.9), true),
        (json!({"$close": {"value": 100, "rel": 0.01}}), json!("100"), false),
        (json!({"$unheard": 1}), json!(1), false),
    ] {
        let checks = run_one(expect_ok(json!({"x": expected})), ok(json!({"x": actual}), Vec::new()));
        assert_eq!(checks[1].outcome == Outcome::Pass, holds, "{expected} against {actual}: {checks:?}");
    }
}

#[test]
fn keys_that_are_missing() {
    for (key, expected, outcome) in [
        ("x", json!(1), Outcome::Fail),
        ("x?", json!(1), Outcome::NotApplicable),
        ("x", json!({"$absent": true}), Outcome::Pass),
        ("x", json!({"$missing": true}), Outcome::Pass),
        ("x", json!({"$nonempty": true}), Outcome::Fail),
        ("x", json!({"$any": [{}, {"$missing": true}]}), Outcome::Pass),
    ] {
        let checks = run_one(expect_ok(json!({ key: expected })), ok(json!({}), Vec::new()));
        assert_eq!(checks[1].outcome, outcome, "{key}: {expected}");
        assert_eq!(checks[1].name, "x");
    }
}

#[test]
fn metadata_is_compared_after_defaults() {
    for (expected, actual, holds) in [
        (json!({}), json!({}), true),
        (json!({}), json!({"session_id": "", "extra": {}, "tensor_shape": [], "compression": null}), true),
        (json!({}), json!({"mode": "LATENT", "payload_checksum": 7, "unheard_of": 1}), true),
        (json!({}), json!({"mode": "JSON"}), false),
        (json!({}), json!({"extra": {"a": "1"}}), false),
        (json!({"mode": "JSON"}), json!({}), false),
        (json!({"hidden_dim": 0}), json!({}), true),
        (json!({"hidden_dim": 4}), json!({"hidden_dim": 4.0}), true),
        (json!({"compression": "zstd"}), json!({}), false),
        (json!({"compression": null}), json!({"compression": ""}), true),
        (json!({"compression": ""}), json!({"compression": "zstd"}), false),
        (json!({}), json!({"compression": "zstd"}), false),
        (json!({"payload_checksum": 7}), json!({"payload_checksum": 7}), true),
        (json!({"payload_checksum": 7}), json!({}), false),
        (json!({"payload_checksum?": 7}), json!({}), true),
        (json!({"payload_checksum": {"$absent": true}}), json!({"payload_checksum": 0}), false),
        (json!({"confidence_score": 0.1}), json!({"confidence_score": 0.10000000149011612}), true),
        (json!({"confidence_score": 0.1}), json!({"confidence_score": 0.2}), false),
        (json!({"$subset": {"hidden_dim": 0}}), json!({"model_id": "m"}), true),
        (json!({"$subset": {"hidden_dim": 1}}), json!({"model_id": "m"}), false),
    ] {
        let checks =
            run_one(expect_ok(json!({"metadata": expected})), ok(json!({"metadata": actual}), vec![]));
        assert_eq!(checks[1].outcome == Outcome::Pass, holds, "{expected} against {actual}: {checks:?}");
        // The same inside a list of messages.
        let list = |metadata: &Value| json!({"messages": [{"metadata": metadata}]});
        let checks = run_one(expect_ok(list(&expected)), ok(list(&actual), vec![]));
        assert_eq!(checks[1].outcome == Outcome::Pass, holds, "{expected} against {actual} in a list");
    }
}

#[test]
fn an_answer_of_the_wrong_kind_fails_the_primary_check_alone() {
    let expect = || expect_ok(json!({"x": 1}));
    let lost = |lost: Lost| seen(Reply::Lost(lost));
    let limit = std::time::Duration::from_secs(2);
    for (observed, outcome, level) in [
        (err("decode"), Outcome::Fail, Level::Must),
        (seen(Reply::Answered(Answer::Unsupported("no".into()))), Outcome::Fail, Level::Must),
        (seen(Reply::NotSent("no value".into())), Outcome::Fail, Level::Must),
        (seen(Reply::Answered(Answer::Fault("caught".into()))), Outcome::Crash, Level::Must),
        (lost(Lost::Died { status: "signal: 11".into() }), Outcome::Crash, Level::Must),
        (lost(Lost::Protocol { what: "text".into() }), Outcome::Crash, Level::Must),
        (lost(Lost::Timeout { limit }), Outcome::Timeout, Level::Must),
    ] {
        for (expect, name) in [
            (expect(), "accepts"),
            (Expect::Encoded(Box::default()), "accepts"),
            (Expect::Reject(vec!["limit_exceeded".into()]), "rejects"),
            (Expect::Either(vec![("a".into(), expect())]), "either"),
            (Expect::Alive, "alive"),
        ] {
            let legal = matches!(observed.reply, Reply::Answered(Answer::Err { .. }));
            if legal && matches!(name, "rejects" | "alive") {
                continue;
            }
            let checks = run_one(expect, observed.clone());
            assert_eq!(lines(&checks), [format!("{name}={outcome:?}")], "{observed:?}");
            assert_eq!(checks[0].level, level);
            let safety = checks[0].requirements.iter().any(|id| id == MEMORY_SAFETY);
            assert_eq!(safety, matches!(outcome, Outcome::Crash | Outcome::Timeout));
        }
    }
}

#[test]
fn refusals() {
    for (codes, observed, expected) in [
        (vec!["decode"], err("decode"), vec!["rejects=Pass", "code=Pass"]),
        (vec!["decode", "invalid_magic"], err("invalid_magic"), vec!["rejects=Pass", "code=Pass"]),
        (vec!["decode"], err("limit_exceeded"), vec!["rejects=Pass", "code=Pass"]),
        (vec!["limit_exceeded"], err("decode"), vec!["rejects=Pass", "code=Info"]),
        (vec!["decode"], err("session"), vec!["rejects=Pass", "code=Fail"]),
        (vec!["decode"], err("ValueError"), vec!["rejects=Pass", "code=Fail"]),
        (vec!["decode"], ok(json!({}), vec![]), vec!["rejects=Fail"]),
    ] {
        let codes = codes.into_iter().map(str::to_owned).collect();
        let checks = run_one(Expect::Reject(codes), observed);
        assert_eq!(lines(&checks), expected);
        assert!(checks.iter().all(|check| check.name != "code" || check.level == Level::Should));
        assert!(checks.iter().all(|check| check.name != "rejects" || check.level == Level::Must));
    }
}

#[test]
fn should_keys_warn() {
    let expect = Expect::Ok {
        ok: object(json!({"x": 1})),
        should: object(json!({"y": 1, "z?": 1, "x": {"$close": {"value": 2, "abs": 0}}})),
        parts: Vec::new(),
    };
    let checks = run_one(expect, ok(json!({"x": 1}), vec![]));
    assert_eq!(lines(&checks), ["accepts=Pass", "x=Pass", "y=Fail", "z=NotApplicable", "x-should=Fail"]);
    assert_eq!(checks[1].level, Level::Must);
    assert!(checks[2..].iter().all(|check| check.level == Level::Should));
}

#[test]
fn parts_are_compared_to_the_byte() {
    let wanted = |content| Expect::Ok {
        ok: Map::new(),
        should: Map::new(),
        parts: vec![ExpectPart { name: "payload".into(), content }],
    };
    let bytes = || wanted(PartContent::Bytes(b"abcd"[..].into()));
    for (answer, outcome, word) in [
        (vec![blob("payload", b"abcd")], Outcome::Pass, ""),
        (vec![blob("payload", b"abXd")], Outcome::Fail, "byte 2"),
        (vec![blob("payload", b"abc")], Outcome::Fail, "3 bytes, expected 4"),
        (vec![blob("other", b"abcd")], Outcome::Fail, "no such part"),
    ] {
        let checks = run_one(bytes(), ok(json!({}), answer));
        assert_eq!(checks[1].outcome, outcome);
        assert!(checks[1].note.contains(word), "{}", checks[1].note);
    }
    let text = || wanted(PartContent::Json(json!({"a": {"$nonempty": true}, "b?": 1})));
    for (answer, outcome) in [
        (&b"{\"a\": 1}"[..], Outcome::Pass),
        (b"{\"a\": \"\"}", Outcome::Fail),
        (b"{\"a\": 1, \"c\": 1}", Outcome::Fail),
        (b"{", Outcome::Fail),
        (b"\xff", Outcome::Fail),
    ] {
        let checks = run_one(text(), ok(json!({}), vec![blob("payload", answer)]));
        assert_eq!(checks[1].outcome, outcome, "{answer:?}");
    }
}

#[test]
fn parts_can_be_those_of_an_earlier_step() {
    let same = |step, sent| Expect::Ok {
        ok: Map::new(),
        should: Map::new(),
        parts: vec![ExpectPart {
            name: "p".into(),
            content: PartContent::SameAs { step, part: "p".into(), sent },
        }],
    };
    let request = Request { op: "x".into(), spec: "0.4", args: Map::new(), parts: vec![blob("p", b"sent")] };
    let first = Observed { request: Some(request), ..ok(json!({}), vec![blob("p", b"answered")]) };
    for (sent, second, outcome) in [
        (true, &b"sent"[..], Outcome::Pass),
        (true, b"answered", Outcome::Fail),
        (false, b"answered", Outcome::Pass),
        (false, b"sent", Outcome::Fail),
    ] {
        let case = case_of(vec![step("x", expect_ok(json!({}))), step("x", same(0, sent))]);
        let checks = run(&case, &[first.clone(), ok(json!({}), vec![blob("p", second)])]);
        assert_eq!(checks[1].outcome, outcome, "sent: {sent}");
    }
    // Its own request.
    let case = case_of(vec![step("x", same(0, true))]);
    let mut own = first;
    own.reply = Reply::Answered(Answer::Ok { ok: Map::new(), parts: vec![blob("p", b"sent")] });
    assert_eq!(lines(&run(&case, &[own])), ["accepts=Pass", "p=Pass"]);
}

#[test]
fn either_records_the_branch_and_never_blames_it() {
    let expect = || {
        Expect::Either(vec![
            ("keeps".into(), expect_ok(json!({"x": 1}))),
            ("refuses".into(), Expect::Reject(vec!["decode".into()])),
        ])
    };
    for (observed, expected) in [
        (ok(json!({"x": 1}), vec![]), vec!["either=Pass", "branch=Info"]),
        (err("decode"), vec!["either=Pass", "branch=Info"]),
        (err("session"), vec!["either=Pass", "branch=Info"]),
        (ok(json!({"x": 2}), vec![]), vec!["either=Fail"]),
    ] {
        assert_eq!(lines(&run_one(expect(), observed)), expected);
    }
    let checks = run_one(expect(), err("decode"));
    assert_eq!(checks[1].actual, json!("refuses"));
}

#[test]
fn values_flow_from_step_to_step() {
    let case = case_of(vec![
        step("session_create", expect_ok(json!({"id": {"$nonempty": true}}))),
        step("session_get", expect_ok(json!({"id": {"$from": {"step": 0, "at": "/id"}}}))),
    ]);
    let first = ok(json!({"id": "s1", "deep": {"list": [1, 2]}}), vec![]);
    let pass = run(&case, &[first.clone(), ok(json!({"id": "s1"}), vec![])]);
    assert_eq!(lines(&pass), ["accepts=Pass", "id=Pass"]);
    let fail = run(&case, &[first.clone(), ok(json!({"id": "s2"}), vec![])]);
    assert_eq!(lines(&fail), ["accepts=Pass", "id=Fail"]);
    assert_eq!(fail[1].step, 1);

    let args = json!({"a": [{"$from": {"step": 0, "at": "/deep/list/1"}}], "b": "$from"});
    assert_eq!(resolve_from(&args, std::slice::from_ref(&first)), Ok(json!({"a": [2], "b": "$from"})));
    for bad in
        [json!({"step": 0, "at": "/nope"}), json!({"step": 1, "at": "/id"}), json!({"at": "/id"}), json!(7)]
    {
        assert!(resolve_from(&json!({"$from": bad}), std::slice::from_ref(&first)).is_err());
    }
}

#[test]
fn checks_of_the_same_name_become_one() {
    let case = case_of((0..4).map(|_| step("x", expect_ok(json!({"x": 1})))).collect());
    let one = |x: u64| ok(json!({"x": x}), vec![]);
    let checks = run(&case, &[one(1), one(2), one(1), one(3)]);
    assert_eq!(lines(&checks), ["accepts=Pass", "x=Fail"]);
    assert_eq!(checks[1].step, 1);
    assert!(checks[1].note.contains("also missed in step 4"), "{}", checks[1].note);
    // A crash outweighs a failure, and the steps behind it are not blamed on their own.
    let died = seen(Reply::Lost(Lost::Died { status: "exit status: 1".into() }));
    let checks = run(&case, &[one(1), err("decode"), died]);
    assert_eq!(lines(&checks), ["accepts=Crash", "x=Pass"]);
}

#[test]
fn relations() {
    let relation = |equal: &[&[usize]], distinct, non_increasing, at: &str| Relation {
        at: at.into(),
        equal: equal.iter().map(|group| group.to_vec()).collect(),
        distinct,
        non_increasing,
    };
    let groups: &[&[usize]] = &[&[0, 1], &[2]];
    for (relation, values, outcome) in [
        (relation(groups, false, false, "/x"), [1, 1, 2], Outcome::Pass),
        (relation(groups, false, false, "/x"), [1, 2, 3], Outcome::Fail),
        (relation(groups, false, false, "/x"), [1, 1, 1], Outcome::Fail),
        (relation(&[], true, false, "/x"), [1, 2, 3], Outcome::Pass),
        (relation(&[], true, false, "/x"), [1, 2, 1], Outcome::Fail),
        (relation(&[], false, true, "/x"), [3, 3, 1], Outcome::Pass),
        (relation(&[], false, true, "/x"), [3, 4, 1], Outcome::Fail),
        (relation(&[], false, true, "len:p"), [3, 2, 1], Outcome::Pass),
        (relation(&[], false, true, "len:p"), [1, 2, 3], Outcome::Fail),
        (relation(groups, false, false, "part:p"), [2, 2, 1], Outcome::Pass),
        (relation(groups, false, false, "part:p"), [2, 3, 1], Outcome::Fail),
        (relation(groups, false, false, "part:long"), [2, 2, 1], Outcome::Pass),
        (relation(&[], true, false, "part:long"), [2, 1, 2], Outcome::Fail),
        (relation(&[], true, false, "/not-there"), [1, 2, 3], Outcome::NotApplicable),
        (relation(&[], true, false, "/first"), [1, 2, 3], Outcome::Fail),
    ] {
        let mut case = case_of((0..3).map(|_| step("x", expect_ok(json!({})))).collect());
        case.relation = Some(relation.clone());
        let observed = values.map(|n: usize| {
            let long = vec![n as u8; 5000];
            let content = if n == 1 { json!({"x": n, "first": n}) } else { json!({"x": n}) };
            ok(content, vec![blob("p", &vec![9; n]), blob("long", &long)])
        });
        let checks = run(&case, &observed);
        let check = checks.iter().find(|check| check.name == "relation").unwrap();
        assert_eq!(check.outcome, outcome, "{relation:?} on {values:?}: {}", check.note);
    }
}

#[test]
fn memory_is_a_check_of_its_own() {
    let mut case = case_of(vec![step("decode", Expect::Reject(vec!["decode".into()]))]);
    case.steps[0].rss_growth_mib = Some(16);
    for (growth, outcome) in [
        (Some(1024 * 1024), Outcome::Pass),
        (Some(17 * 1024 * 1024), Outcome::Fail),
        (None, Outcome::NotApplicable),
    ] {
        let observed = Observed { rss_growth: growth, ..err("decode") };
        let checks = run(&case, &[observed]);
        let memory = checks.iter().find(|check| check.name == "memory").unwrap();
        assert_eq!(memory.outcome, outcome);
    }
}

#[test]
fn a_case_can_weigh_less_than_its_requirement() {
    let mut case = case_of(vec![step("decode", expect_ok(json!({"x": 1})))]);
    case.level = Some(Level::May);
    let checks = run(&case, &[ok(json!({}), vec![])]);
    assert!(checks.iter().all(|check| check.level == Level::May));
    let crash = run(&case, &[seen(Reply::Lost(Lost::Died { status: "x".into() }))]);
    assert_eq!(crash[0].level, Level::Must);
    let none = not_applicable(&case, "no op", Catalogue::embedded());
    assert_eq!(lines(&none), ["accepts=NotApplicable"]);
}

#[test]
fn long_values_are_cut() {
    let long = "x".repeat(100_000);
    let checks = run_one(expect_ok(json!({"x": "y"})), ok(json!({"x": long}), vec![]));
    assert!(checks[1].actual.as_str().unwrap().len() < SHOWN + 100);
}

/// The published vector 2: shape [2], two floats.
const VECTOR: &str = "415601000d0000000500000028024a01020000803f00000040";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn encoders_are_judged_by_the_dissector() {
    let message = unhex(VECTOR);
    let payload: std::sync::Arc<[u8]> = unhex("0000803f00000040").into();
    let good = EncodedExpect {
        metadata: Some(object(json!({"hidden_dim": 2, "tensor_shape": [2]}))),
        payload: Some(payload),
        compressed: Some(false),
        flags: Some(0),
        bytes: vec![message.clone().into()],
        metadata_bytes: vec![unhex("28024a0102").into()],
        has_field: vec![(5, unhex("2802"))],
        lacks_field: vec![12],
        section_len: Some(SectionLen { min: Some(8), max: Some(8) }),
    };
    let encode = |expect: &EncodedExpect, bytes: &[u8]| {
        let case = case_of(vec![step("encode", Expect::Encoded(Box::new(expect.clone())))]);
        run(&case, &[ok(json!({}), vec![blob("message", bytes)])])
    };
    let checks = encode(&good, &message);
    assert!(checks.iter().all(|check| check.outcome == Outcome::Pass), "{checks:?}");
    let magic = checks.iter().find(|check| check.name == "magic").unwrap();
    assert_eq!(magic.requirements, ["AVP-HDR-001"]);

    type Spoil = fn(&mut EncodedExpect);
    let spoils: [(&str, Spoil); 9] = [
        ("metadata", |e| e.metadata = Some(object(json!({"hidden_dim": 3, "tensor_shape": [2]})))),
        ("payload", |e| e.payload = Some(b"other"[..].into())),
        ("compressed", |e| e.compressed = Some(true)),
        ("flags", |e| e.flags = Some(4)),
        ("bytes", |e| e.bytes = vec![b"AV"[..].into(), b"AW"[..].into()]),
        ("metadata-bytes", |e| e.metadata_bytes = vec![b"x"[..].into()]),
        ("has-field-5", |e| e.has_field = vec![(5, unhex("2803"))]),
        ("lacks-field-5", |e| e.lacks_field = vec![5]),
        ("section-length", |e| e.section_len = Some(SectionLen { min: Some(9), max: None })),
    ];
    for (name, spoil) in spoils {
        let mut expect = good.clone();
        spoil(&mut expect);
        let missed: Vec<Check> = encode(&expect, &message).into_iter().filter(Check::missed).collect();
        assert_eq!(lines(&missed), [format!("{name}=Fail")]);
    }

    // A wrong magic is found whatever was asked for; so is a message that can't be read at all.
    let mut swapped = message.clone();
    swapped[..2].reverse();
    let missed: Vec<Check> =
        encode(&EncodedExpect::default(), &swapped).into_iter().filter(Check::missed).collect();
    assert!(missed.iter().any(|check| check.name == "magic" && check.level == Level::Must), "{missed:?}");
    for cut in 0..message.len() {
        let missed = encode(&good, &message[..cut]).into_iter().filter(Check::missed).count();
        assert!(missed > 0, "cut at {cut}");
    }
    let case = case_of(vec![step("encode", Expect::Encoded(Box::new(good)))]);
    let checks = run(&case, &[ok(json!({}), vec![])]);
    assert_eq!(lines(&checks), ["accepts=Pass", "message=Fail"]);
}
