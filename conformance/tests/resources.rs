//! Memory and time are verdicts of their own: who refuses rightly and takes too much of either is caught by that alone.
#![cfg(feature = "reference")]

use std::collections::BTreeSet;

use avp_conformance::adapter::{AdapterCommand, ProcessLauncher};
use avp_conformance::case::{Case, Spec};
use avp_conformance::check;
use avp_conformance::event::Event;
use avp_conformance::schedule::{ProbePolicy, RunOptions, run};
use avp_conformance::vector;
use avp_conformance::verdict::Outcome;

/// Cases whose answer must come at once and without memory: length claims and bombs.
fn cases() -> Vec<Case> {
    let mut cases = vector::cases().expect("the recipes");
    for spec in [Spec::V02, Spec::V04] {
        cases.extend(check::first(spec, 1, 3));
    }
    cases.retain(|case| case.steps.iter().any(|step| step.rss_growth_mib.is_some()));
    cases
}

/// The names of the missed checks of a mutant, and of all that were made.
fn checks(mutant: &str, cases: Vec<Case>) -> (BTreeSet<String>, BTreeSet<String>) {
    let launcher = ProcessLauncher::new(AdapterCommand::new(env!("CARGO_BIN_EXE_avp-mutant"), [mutant]));
    let mut options = RunOptions::new(1);
    options.workers = 1;
    options.probes = ProbePolicy::Record;
    let mut events: Vec<Event> = Vec::new();
    run(cases, &launcher, &options, &mut events).expect("a run");
    let (mut missed, mut made) = (BTreeSet::new(), BTreeSet::new());
    for event in &events {
        let Event::Case(case) = event else { continue };
        for check in &case.checks {
            if check.missed() {
                missed.insert(check.name.clone());
            }
            if check.outcome != Outcome::NotApplicable {
                made.insert(check.name.clone());
            }
        }
    }
    (missed, made)
}

#[test]
fn every_claim_and_bomb_is_measured() {
    let cases = cases();
    for bug in [
        "decompression-unbounded",
        "allocation-by-claim",
        "kv-size-wraps",
        "kv-giant-header",
        "shape-product-wraps",
    ] {
        assert!(cases.iter().any(|case| case.bug.as_deref() == Some(bug)), "{bug}");
    }
}

#[test]
fn too_much_memory_or_time_is_all_that_is_wrong() {
    for (mutant, op, name) in [
        ("decode-bomb-inflated", "decode", "memory"),
        ("decode-claim-pondered", "decode", "time"),
        ("kv-claim-allocated", "kv_decode", "memory"),
    ] {
        let mut cases = cases();
        cases.retain(|case| case.steps[0].op == op && (op == "decode" || case.timeout_ms.is_some()));
        if name == "time" {
            // Each costs as long as it takes, several times.
            cases.retain(|case| case.id.starts_with("hdr/claims"));
        }
        let (missed, made) = checks(mutant, cases);
        assert_eq!(missed.iter().map(String::as_str).collect::<Vec<_>>(), [name], "{mutant}");
        for name in ["rejects", "memory", "time"] {
            assert!(made.contains(name), "{mutant}: {made:?}");
        }
    }
}
