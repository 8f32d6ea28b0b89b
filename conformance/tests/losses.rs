//! Runs against children that crash, hang, print and die: what is lost, and whom it is pinned on.

mod support;

use avp_conformance::case::Case;
use avp_conformance::case::Expect;
use avp_conformance::event::Event;
use avp_conformance::schedule::{DEATHS_IN_A_ROW, RunError};
use avp_conformance::verdict::Outcome;
use serde_json::json;
use support::run::{alive, exec, mirror, mirrors, run_on};
use support::{case, launcher, step};

#[test]
fn a_crash_among_others_in_flight_is_pinned_on_the_right_case() {
    let mut cases = mirrors(40);
    cases.extend([alive("crash/a", "crash"), alive("crash/b", "exit")]);
    let ran = run_on(&launcher(&json!({"hello": {"inflight": 8}})), cases, |_| {});
    let summary = ran.outcome.as_ref().unwrap();
    assert_eq!((summary.passed, summary.failed, summary.checks.crash), (40, 2, 2));
    let crash = ran.cases()["crash/a"];
    assert_eq!(crash.checks[0].outcome, Outcome::Crash);
    assert!(crash.checks[0].actual.as_str().unwrap().contains("signal: 11"));
    assert!(crash.stderr.contains("about to crash"));
    assert!(crash.first_try.is_some());
    // The death is explained; those that were in flight with it are not blamed.
    assert!(ran.cases().values().all(|case| case.checks.iter().all(|check| check.name != "steady")));
    let exits = ran.events.iter().filter(|event| matches!(event, Event::AdapterExit(_))).count();
    assert_eq!(exits, summary.children);
}

#[test]
fn a_hang_costs_its_own_case_only() {
    let mut cases = mirrors(20);
    cases.push(alive("hang/a", "hang"));
    let slow = case("slow/a", vec![step("slow", json!({"ms": 400}), Expect::Alive)]);
    cases.push(Case { timeout_ms: Some(5000), ..slow });
    let ran = run_on(&launcher(&json!({"hello": {"inflight": 4}})), cases, |options| {
        options.timeout_scale = 0.15;
    });
    // On a loaded machine a short limit may take others with it at first: alone, they pass.
    assert_eq!(ran.outcome("hang/a"), Outcome::Timeout);
    assert_eq!(ran.outcome("slow/a"), Outcome::Pass);
    assert!(ran.cases()["hang/a"].first_try.as_ref().unwrap().contains("no answer"));
}

#[test]
fn garbage_on_stdout_costs_its_own_case_only() {
    let mut cases = mirrors(10);
    for op in ["print", "claim", "cut", "stranger"] {
        cases.push(alive(&format!("garbage/{op}"), op));
    }
    cases.push(alive("fault/a", "fault"));
    cases.push(alive("lack/a", "lack"));
    let ran = run_on(&launcher(&json!({})), cases, |_| {});
    let summary = ran.outcome.as_ref().unwrap();
    assert_eq!((summary.passed, summary.failed), (10, 6));
    for op in ["print", "claim", "cut", "stranger"] {
        assert_eq!(ran.outcome(&format!("garbage/{op}")), Outcome::Crash, "{op}");
    }
    assert_eq!(ran.outcome("fault/a"), Outcome::Crash);
    // Declared, and then not answered: no way out of a case.
    assert_eq!(ran.outcome("lack/a"), Outcome::Fail);
}

#[test]
fn state_that_leaks_between_cases_is_told_from_a_failure() {
    let ran = run_on(&launcher(&json!({})), vec![mirror("a"), alive("b", "once")], |options| {
        options.in_order = true;
    });
    let case = ran.cases()["b"];
    assert!(case.first_try.as_ref().unwrap().contains("exit status: 9"));
    let [alive, steady] = &case.checks[..] else { panic!("{:?}", case.checks) };
    assert_eq!((alive.name.as_str(), alive.outcome), ("alive", Outcome::Pass));
    assert_eq!((steady.name.as_str(), steady.outcome), ("steady", Outcome::Fail));
    assert_eq!(ran.outcome.as_ref().unwrap().warned, 1);
}

#[test]
fn an_adapter_that_only_dies_ends_the_run_with_what_is_known() {
    let mut cases: Vec<Case> = (0..3).map(|n| alive(&format!("yes/{n}"), "yes")).collect();
    cases.extend((0..40).map(|n| alive(&format!("die/{n}"), "die")));
    let ran = run_on(&exec(), cases, |options| options.in_order = true);
    assert!(matches!(ran.outcome, Err(RunError::Deaths { deaths: DEATHS_IN_A_ROW, .. })));
    assert_eq!(ran.cases().len(), 3 + DEATHS_IN_A_ROW);
    assert_eq!(ran.outcome("yes/0"), Outcome::Pass);
    let Some(Event::Summary(summary)) = ran.events.last() else { panic!("no end") };
    assert!(!summary.complete && summary.stopped.contains("in a row"));
}

#[test]
fn a_death_in_hello_is_told_with_stderr() {
    let ran = run_on(&launcher(&json!({"die_at_hello": true})), mirrors(1), |_| {});
    let Err(RunError::Unusable { what, stderr }) = ran.outcome else { panic!("usable") };
    assert!(what.contains("exit status: 7"), "{what}");
    assert!(stderr.contains("no licence"), "{stderr}");
    let ran = run_on(&launcher(&json!({"hello": {"acp": 2}})), mirrors(1), |_| {});
    assert!(matches!(ran.outcome, Err(RunError::Unusable { what, .. }) if what.contains("ACP/2")));
}
