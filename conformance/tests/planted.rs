//! Bugs that nobody wrote a vector for are found by generated cases, made small, and told for what they are.
#![cfg(feature = "reference")]
#![allow(clippy::unwrap_used, reason = "a test")]

use avp_conformance::adapter::{AdapterCommand, ProcessLauncher};
use avp_conformance::case::Spec;
use avp_conformance::check;
use avp_conformance::event::{Counterexample, Event};
use avp_conformance::schedule::{ProbePolicy, RunOptions, Shrinking, run};
use avp_conformance::vector::case_of;
use avp_conformance::verdict::Outcome;

const MUTANT: &str = env!("CARGO_BIN_EXE_avp-mutant");

/// All events of a run of the generated cases of some properties.
fn events(name: &str, seed: u64, properties: &[&str], workers: usize) -> Vec<Event> {
    let launcher = ProcessLauncher::new(AdapterCommand::new(MUTANT, [name]));
    let mut options = RunOptions::new(seed);
    options.workers = workers;
    options.timeout_scale = 10.0;
    options.probes = ProbePolicy::Record;
    options.shrink = Some(Shrinking::default());
    let cases = [Spec::V02, Spec::V04].into_iter().flat_map(|spec| check::first(spec, seed, 24));
    let wanted = |id: &str| properties.iter().any(|property| id.starts_with(&format!("gen/{property}/")));
    let mut events = Vec::new();
    run(cases.filter(|case| wanted(&case.id)).collect(), &launcher, &options, &mut events).unwrap();
    events
}

fn counterexamples(events: &[Event]) -> Vec<&Counterexample> {
    let found = events.iter().filter_map(|event| match event {
        Event::Counterexample(found) => Some(&**found),
        _ => None,
    });
    found.collect()
}

fn missed(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Case(case) if case.missed())).count()
}

#[test]
fn a_bug_of_long_payloads_comes_down_to_the_border() {
    let events = events("planted-border", 1, &["decode-volume", "decode-message"], 2);
    let found = counterexamples(&events);
    let [found] = found[..] else { panic!("{} counterexamples, {} missed", found.len(), missed(&events)) };
    assert!(found.key.starts_with("gen/decode-volume/"), "{}", found.key);
    assert_eq!((found.check.as_str(), found.outcome), ("payload", Outcome::Fail));
    assert_eq!(found.requirements, ["AVP-HDR-016", "AVP-HDR-018"]);
    assert!(found.needs.is_empty() && found.settled);
    let [step] = &found.minimal.steps[..] else { panic!("{:?}", found.minimal.steps) };
    // A header and a payload of the length where it begins, without anything else.
    assert_eq!(step.parts[0].len, 12 + 65_536, "{}", found.story());
    assert!(
        step.parts[0].fields.iter().any(|field| field.name.contains("payload")),
        "{:?}",
        step.parts[0].fields
    );
    let again = case_of(found.recipe.as_ref().unwrap()).unwrap();
    assert_eq!(again.steps.len(), 1);
}

#[test]
fn a_bug_that_remembers_is_told_with_the_message_that_it_remembers() {
    let events = events("planted-memory", 1, &["decode-sequence"], 1);
    let found = counterexamples(&events);
    let found = found.iter().find(|found| found.check == "payload").unwrap();
    assert_eq!(found.needs.len(), 1, "{}: {}", found.key, found.story());
    assert_eq!(found.needs[0].op, "decode");
    assert_eq!(found.minimal.steps.len(), 2);
    let sent = |step: usize| &found.minimal.steps[step].parts[0];
    // A compressed message with something in it, then an empty one.
    assert!(sent(0).hex.starts_with("41560101") && sent(0).len < 64, "{}", sent(0).hex);
    assert_eq!(sent(1).hex, "415601000000000000000000");
    assert!(found.needed().starts_with("depends on an earlier message: fails only after step 1 (`decode`"));
}

/// No case of these properties has two messages: the one that is remembered is another case's.
#[test]
fn a_bug_that_remembers_is_found_across_cases_too() {
    let events = events("planted-memory", 1, &["decode-message"], 1);
    let all = counterexamples(&events);
    let found = all.iter().find(|found| found.check == "payload").unwrap();
    let [earlier] = &found.needs[..] else { panic!("{:?}", found.needs) };
    let key = earlier.key.as_ref().unwrap();
    assert!(key.starts_with("gen/decode-message/") && *key != found.key, "{key} {}", found.key);
    let sent = |step: usize| &found.minimal.steps[step].parts[0];
    assert!(sent(0).hex.starts_with("41560101") && sent(0).len < 64, "{}", sent(0).hex);
    assert_eq!(sent(1).len, 12);
    // Both are in the recipe, so that it fails by itself.
    assert_eq!(case_of(found.recipe.as_ref().unwrap()).unwrap().steps.len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_counterexamples() {
    let of = |workers| {
        let events = events("planted-border", 2, &["decode-volume", "magic"], workers);
        let found = counterexamples(&events).into_iter().cloned().map(|mut found| {
            found.minimal.duration_ms = 0.0;
            found
        });
        found.collect::<Vec<_>>()
    };
    let first = of(1);
    assert!(!first.is_empty());
    assert_eq!(first, of(2));
}
