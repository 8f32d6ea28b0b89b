//! The same message in other forms: what the relations between answers catch, without any oracle.
#![cfg(feature = "reference")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use avp_conformance::adapter::{AdapterCommand, ProcessLauncher};
use avp_conformance::case::{Case, Expect, Spec};
use avp_conformance::check;
use avp_conformance::event::Event;
use avp_conformance::schedule::{ProbePolicy, RunOptions, run};

/// So many cases of each property are enough to see a fault that is there in every message of its kind.
const CASES: usize = 12;

/// Cases that expect nothing but that answers mean the same.
fn cases() -> &'static [Case] {
    static CASES_OF_ALL: LazyLock<Vec<Case>> = LazyLock::new(make);
    &CASES_OF_ALL
}

fn make() -> Vec<Case> {
    let mut cases = Vec::new();
    for spec in [Spec::V02, Spec::V04] {
        let generated = check::generated(spec, 5, 500).into_iter();
        cases.extend(generated.filter(|case| {
            let index = case.id.rsplit('/').next().and_then(|index| index.parse().ok());
            case.id.starts_with("gen/same-") && index.is_some_and(|index: usize| index < CASES)
        }));
    }
    cases
}

/// The properties with a missed relation, and the requirements that it speaks for; panics on any other miss. Of the one
/// property, or of all.
fn missed(mutant: &str, property: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut cases = cases().to_vec();
    cases.retain(|case| property.is_empty() || case.id.split('/').nth(1) == Some(property));
    let (binary, args) = match mutant {
        "" => (env!("CARGO_BIN_EXE_avp-conformance"), "__reference"),
        name => (env!("CARGO_BIN_EXE_avp-mutant"), name),
    };
    let launcher = ProcessLauncher::new(AdapterCommand::new(binary, [args]));
    let mut options = RunOptions::new(5);
    options.workers = 1;
    options.probes = ProbePolicy::Record;
    let mut events: Vec<Event> = Vec::new();
    run(cases, &launcher, &options, &mut events).expect("a run");
    let (mut properties, mut requirements) = (BTreeSet::new(), BTreeSet::new());
    for event in &events {
        let Event::Case(case) = event else { continue };
        for check in case.checks.iter().filter(|check| check.missed()) {
            assert_eq!(check.name, "relation", "{mutant}: {}: {}", case.key, check.note);
            properties.insert(case.id.split('/').nth(1).unwrap_or_default().to_owned());
            requirements.extend(check.requirements.iter().cloned());
        }
    }
    (properties, requirements)
}

#[test]
fn no_oracle_has_a_say() {
    for case in cases() {
        assert!(case.relation.is_some(), "{}", case.id);
        assert!(case.steps.iter().all(|step| step.expect == Expect::Alive), "{}", case.id);
    }
}

#[test]
fn the_reference_says_the_same_of_every_form() {
    assert_eq!(missed("", ""), (BTreeSet::new(), BTreeSet::new()));
}

#[test]
fn whoever_is_led_astray_by_the_form_is_caught() {
    for (mutant, property, requirement) in [
        ("stream-header-in-pieces", "same-cut", "AVP-HDR-022"),
        ("stream-header-in-pieces", "same-cut-everywhere", "AVP-HDR-022"),
        ("stream-fields-carried-over", "same-back-to-back", "AVP-HDR-022"),
        ("decode-trailing-into-payload", "same-back-to-back", "AVP-HDR-022"),
        ("decode-first-value-wins", "same-repeated-field", "AVP-META-025"),
        ("decode-unknown-field-refused", "same-unknown-fields", "AVP-META-026"),
        ("decode-extra-ascending-only", "same-map-order", "AVP-META-018"),
        ("decode-longer-varint-refused", "same-longer-varints", "AVP-META-010"),
        ("decode-shape-packed-only", "same-packing", "AVP-META-010"),
        ("decode-size-required", "same-compressed", "AVP-CMP-005"),
        ("decode-compressed-without-source", "same-compressed", "AVP-HDR-008"),
    ] {
        let (properties, requirements) = missed(mutant, property);
        assert!(properties.contains(property), "{mutant}: {properties:?}");
        assert!(requirements.contains(requirement), "{mutant}: {requirements:?}");
    }
}
