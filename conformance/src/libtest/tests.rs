use serde_json::{Value, json};

use super::*;
use crate::adapter::{Answer, InProcessLauncher, Request};

/// Declares 0.4 and `kv_decode`, and refuses every payload with one class; what has to be accepted fails.
fn refuses(request: &Request) -> Answer {
    match request.op.as_str() {
        "hello" => {}
        "kv_decode" => return Answer::Err { code: "decode".into(), detail: "no".into(), status: None },
        other => return Answer::Unsupported(other.into()),
    }
    let Value::Object(ok) = json!({
        "acp": 1, "name": "refuser", "version": "1", "language": "rust", "specs": ["0.4"], "ops": ["kv_decode"],
        "features": {}, "nonce": request.args.get("nonce"),
    }) else {
        unreachable!("the literal above is an object")
    };
    Answer::Ok { ok, parts: Vec::new() }
}

fn suite() -> Suite {
    Suite::new(InProcessLauncher::new("refuser", || refuses)).areas(["KV"])
}

fn run(suite: Suite, args: &[&str]) -> Conclusion {
    let args = ["avp"].iter().chain(args).chain(&["--quiet"]);
    suite.run(&Arguments::from_iter(args)).unwrap()
}

#[test]
fn one_case_is_one_test() {
    let one = |key: &str| run(suite(), &["--exact", key]);
    let refused = one("kv/size-overflow/layers-of-nothing@0.4");
    assert_eq!((refused.num_passed, refused.num_failed, refused.num_ignored), (1, 0, 0));
    assert!(refused.num_filtered_out > 50);
    let accepted = suite().cases().unwrap().into_iter().find(|case| {
        case.spec == Spec::V04
            && case.steps[0].op == "kv_decode"
            && matches!(case.steps[0].expect, crate::case::Expect::Ok { .. })
    });
    let failed = one(&accepted.unwrap().key());
    assert_eq!((failed.num_passed, failed.num_failed), (0, 1));
    let undeclared = one("kv/size-overflow/layers-of-nothing@0.2");
    assert_eq!((undeclared.num_passed, undeclared.num_failed, undeclared.num_ignored), (0, 0, 1));
}

#[test]
fn filters_count_and_the_rest_runs_together() {
    let conclusion = run(suite().specs([Spec::V04]), &["kv/size-overflow", "--skip", "nothing"]);
    assert!(conclusion.num_passed > 0, "{conclusion:?}");
    let all = suite().specs([Spec::V04]).cases().unwrap();
    let named = all
        .iter()
        .filter(|case| case.key().contains("kv/size-overflow") && !case.key().contains("nothing"))
        .count();
    let ran = conclusion.num_passed + conclusion.num_failed + conclusion.num_ignored;
    assert_eq!(ran, named as u64);
    assert_eq!(conclusion.num_filtered_out, (all.len() - named) as u64);
}

#[test]
fn a_failure_is_told_with_its_bytes_and_how_to_repeat_it() {
    let case = suite().cases().unwrap().into_iter().find(|case| {
        case.spec == Spec::V04
            && case.steps[0].op == "kv_decode"
            && matches!(case.steps[0].expect, crate::case::Expect::Ok { .. })
    });
    let case = case.unwrap();
    let plan = |baseline: Option<&str>| Plan {
        launcher: suite().launcher,
        cases: vec![case.clone()],
        seed: 1,
        workers: 1,
        strict: false,
        baseline: baseline.map(|text| Baseline::parse(text).unwrap()),
    };
    let ended = outcomes(&plan(None)).unwrap();
    let Ended::Failed(told) = &ended[&case.key()] else { panic!("{ended:?}") };
    for wanted in [case.requirements[0].as_str(), "num_layers", "err decode", "-- --exact '"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert!(!told.contains("avp-conformance run"), "{told}");
    let listed = format!("[[expect]]\ncheck = \"{}\"\nkind = \"fail\"\nreason = \"known\"\n", case.id);
    let ended = outcomes(&plan(Some(&listed))).unwrap();
    assert_eq!(ended[&case.key()], Ended::Ignored("expected: known".into()));
}

#[test]
fn an_adapter_that_does_not_start_fails_every_test() {
    let suite = Suite::command("/nowhere/adapter", [""; 0]).areas(["HDR"]);
    let conclusion = run(suite, &["hdr/magic/swapped"]);
    assert!(conclusion.num_failed > 0);
    assert_eq!(conclusion.num_passed, 0);
}

#[test]
fn what_matches_nothing_is_an_error() {
    let suite = Suite::command("x", [""; 0]).areas(["NOPE"]);
    assert!(matches!(suite.run(&Arguments::from_iter(["avp"])), Err(SuiteError::Select(_))));
    let suite = Suite::command("x", [""; 0]).baseline("/nowhere.toml");
    let error = suite.run(&Arguments::from_iter(["avp"])).err().unwrap();
    assert!(error.to_string().contains("/nowhere.toml"), "{error}");
}
