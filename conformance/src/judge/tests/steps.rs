//! Cases of several steps.

use super::*;

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
        joined: None,
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
