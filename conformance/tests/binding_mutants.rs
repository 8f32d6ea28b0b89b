//! The test of the checks of the HTTP binding: a server and a client that are right, and the same with one thing wrong at
//! a time. One that is not caught by a check for the requirement that it breaks fails the test.
#![cfg(feature = "reference")]
#![expect(clippy::unwrap_used, reason = "what prepares a test may end it too")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use avp_conformance::case::{Case, Level};
use avp_conformance::kill::{Bench, Group, Mutant, Switchboard, Trial, mutants, try_all};
use avp_conformance::vector;

const MUTANT: &str = env!("CARGO_BIN_EXE_avp-mutant");

/// Children side by side: most of their time they wait.
const AT_A_TIME: usize = 4;

fn switches() -> Vec<Mutant> {
    mutants().unwrap().into_iter().filter(|mutant| mutant.group == Group::Binding).collect()
}

fn cases() -> impl Iterator<Item = Case> {
    let of_the_binding = |case: &Case| case.id.starts_with("http/") || case.id.starts_with("sec/");
    vector::cases().unwrap().into_iter().filter(of_the_binding)
}

#[test]
fn every_switch_is_listed_with_what_it_breaks() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants/binding.py");
    let list = Command::new("python3").arg(script).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let listed: BTreeSet<&str> = list.lines().collect();
    let switches = switches();
    assert_eq!(listed, switches.iter().map(|switch| switch.name.as_str()).collect());
    assert!(listed.len() >= 25, "{} switches", listed.len());
}

#[test]
fn every_requirement_of_the_binding_has_a_switch() {
    let switches = switches();
    let broken: BTreeSet<&String> = switches.iter().flat_map(Mutant::breaks).collect();
    let tested: BTreeSet<String> = cases().flat_map(|case| case.requirements).collect();
    let binding = |id: &&String| id.starts_with("AVP-HTTP") || id.starts_with("AVP-SEC");
    let left: Vec<_> = tested.iter().filter(binding).filter(|id| !broken.contains(*id)).collect();
    // A signature that nobody has to look at can't be wrong.
    assert_eq!(left, ["AVP-SEC-015"]);
}

/// What is right, the control, misses nothing, and whatever is wrong is caught.
#[test]
fn no_switch_survives() {
    let switches = switches();
    let bench = Bench::new(Switchboard::open(Path::new(MUTANT)).unwrap(), &switches).unwrap();
    assert_eq!(bench.control(), &BTreeSet::new(), "what is right misses nothing");
    let trials = try_all(&bench, &switches, AT_A_TIME, &|_| {}).unwrap();
    let escaped: Vec<String> = trials.iter().filter_map(Trial::complaint).collect();
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
}

#[test]
fn levels_are_those_of_the_requirements() {
    let raised = cases().filter(|case| case.level == Some(Level::Must));
    assert_eq!(raised.map(|case| case.id).collect::<Vec<_>>(), Vec::<String>::new());
}
