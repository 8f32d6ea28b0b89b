//! Kinds of answers, and what they weigh.

use super::*;

#[test]
fn an_answer_of_the_wrong_kind_fails_the_primary_check_alone() {
    let expect = || expect_ok(json!({"x": 1}));
    let lost = |lost: Lost| seen(Reply::Lost(lost));
    let limit = Duration::from_secs(2);
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
fn a_status_is_a_check_of_its_own() {
    let with = |status| {
        let detail = String::new();
        seen(Reply::Answered(Answer::Err { code: "transport".into(), detail, status }))
    };
    for (observed, expected) in [
        (with(Some(503)), vec!["rejects=Pass", "code=Pass", "status=Pass"]),
        (with(Some(500)), vec!["rejects=Pass", "code=Pass", "status=Fail"]),
        (with(None), vec!["rejects=Pass", "code=Pass", "status=Fail"]),
        (ok(json!({"status": 503}), vec![]), vec!["rejects=Fail"]),
    ] {
        let checks = run_one(Expect::Refused { codes: vec!["transport".into()], status: 503 }, observed);
        assert_eq!(lines(&checks), expected);
        assert!(checks.iter().all(|check| check.name != "status" || check.level == Level::Must));
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
fn time_is_a_check_of_its_own() {
    let mut case = case_of(vec![step("decode", Expect::Reject(vec!["decode".into()]))]);
    case.steps[0].rss_growth_mib = Some(16);
    let limit = Duration::from_secs(1);
    for (time, outcome) in [(limit / 2, Outcome::Pass), (limit * 2, Outcome::Fail)] {
        let observed = Observed { took: Some(Took { time, limit }), ..err("decode") };
        let checks = run(&case, &[observed]);
        assert_eq!(checks.iter().find(|check| check.name == "time").unwrap().outcome, outcome);
        assert_eq!(checks.iter().find(|check| check.name == "rejects").unwrap().outcome, Outcome::Pass);
    }
    let unmeasured = run(&case, &[err("decode")]);
    assert!(unmeasured.iter().all(|check| check.name != "time"));
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
