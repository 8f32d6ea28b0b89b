//! Two implementations are asked the same: who is wrong is told rightly, whichever side it stands on.
#![cfg(feature = "reference")]

use std::sync::LazyLock;

use avp_conformance::adapter::{AdapterCommand, ProcessLauncher};
use avp_conformance::case::{Case, PartData, Spec};
use avp_conformance::check;
use avp_conformance::differential::{Differences, Pair, Sort};
use avp_conformance::schedule::RunOptions;
use avp_conformance::vector;

/// Golden vectors of messages, and a few generated cases of every property.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let mut cases = vector::cases().expect("the recipes");
    cases.retain(|case| ["hdr/", "meta/", "hs/", "ses/"].iter().any(|area| case.id.starts_with(area)));
    for spec in [Spec::V02, Spec::V04] {
        cases.extend(check::first(spec, 3, 4));
    }
    cases
});

fn launcher(name: &str) -> ProcessLauncher {
    match name {
        "" => {
            ProcessLauncher::new(AdapterCommand::new(env!("CARGO_BIN_EXE_avp-conformance"), ["__reference"]))
        }
        name => ProcessLauncher::new(AdapterCommand::new(env!("CARGO_BIN_EXE_avp-mutant"), [name])),
    }
}

/// What two of them disagree in, over cases that use the operation; all cases when it is empty.
fn differences(a: &str, b: &str, op: &str) -> Differences {
    let of_op = |case: &&Case| op.is_empty() || case.steps.iter().any(|step| step.op == op);
    differences_over(a, b, CASES.iter().filter(of_op).cloned().collect())
}

fn differences_over(a: &str, b: &str, cases: Vec<Case>) -> Differences {
    let (a, b) = (launcher(a), launcher(b));
    let mut options = RunOptions::new(3);
    // Nothing here hangs but what hangs for ever.
    options.timeout_scale = 2.0;
    Pair::new(&a, &b, &options).expect("both start").differences(cases, |_| {}).expect("both stay")
}

#[test]
fn the_reference_agrees_with_itself() {
    let found = differences("", "", "");
    assert!(found.asked > 1000, "{}", found.asked);
    assert!(found.groups.is_empty(), "{:?}", found.groups);
    assert!(!found.somebody_is_wrong());
}

#[test]
fn whoever_is_wrong_is_found_on_either_side() {
    for (mutant, op, requirement) in [
        ("decode-any-version", "decode", "AVP-HDR-005"),
        ("decode-first-value-wins", "decode", "AVP-META-025"),
        ("encode-crc-of-compressed", "encode", "AVP-CMP-013"),
        ("stream-fields-carried-over", "decode_stream", "AVP-HDR-022"),
        ("decode-claim-allocated", "decode", "AVP-HDR-025"),
        ("decode-error-as-fault", "decode", "AVP-HDR-002"),
    ] {
        for (a, b, sort) in [(mutant, "", Sort::WrongA), ("", mutant, Sort::WrongB)] {
            let found = differences(a, b, op);
            assert!(found.somebody_is_wrong(), "{mutant}");
            assert!(found.groups.iter().all(|group| group.sort == sort), "{mutant}: {:?}", found.groups);
            let named =
                found.groups.iter().any(|group| group.requirements.iter().any(|id| id == requirement));
            assert!(named, "{mutant}: {:?}", found.groups);
        }
    }
}

#[test]
fn one_that_hangs_is_wrong_and_the_rest_is_asked_all_the_same() {
    let found = differences("decode-hangs-on-long-metadata", "", "decode");
    assert!(found.groups.iter().all(|group| group.sort == Sort::WrongA), "{:?}", found.groups);
    assert!(found.groups.iter().any(|group| group.example.parting.a == "hangs"), "{:?}", found.groups);
}

#[test]
fn two_that_are_wrong_in_their_own_ways_are_told_apart() {
    let found = differences("decode-any-version", "decode-magic-unchecked", "decode");
    let sorts: Vec<Sort> = found.groups.iter().map(|group| group.sort).collect();
    assert!(sorts.contains(&Sort::WrongA) && sorts.contains(&Sort::WrongB), "{sorts:?}");
}

#[test]
fn a_generated_example_is_made_small() {
    let generated = CASES.iter().filter(|case| case.id.starts_with("gen/same-repeated-field/"));
    let found = differences_over("decode-first-value-wins", "", generated.cloned().collect());
    assert!(!found.groups.is_empty());
    for example in found.groups.iter().map(|group| &group.example) {
        assert!(example.runs > 0, "{}", example.case.id);
        let parts = example.case.steps[example.parting.step].parts.iter();
        let sent: usize = parts
            .map(|part| match &part.data {
                PartData::Bytes(bytes) => bytes.len(),
                PartData::FromStep { .. } => 0,
            })
            .sum();
        assert!(sent < 200, "{sent} bytes in {}", example.case.id);
    }
}
