//! The test of the harness: implementations that are wrong in one thing each, run through the real pipe. One that is not
//! caught by a check for the requirement that it breaks fails the test.
#![cfg(feature = "reference")]
#![expect(clippy::unwrap_used, reason = "what prepares a test may end it too")]

use std::collections::BTreeSet;
use std::path::Path;

use avp_conformance::kill::{Bench, Group, Mutant, Switchboard, Trial, mutants, stale, try_all};
use avp_conformance::vector;

const MUTANT: &str = env!("CARGO_BIN_EXE_avp-mutant");

/// Children side by side. The machines that run this have few cores, and a hang mutant sleeps most of its time.
const AT_A_TIME: usize = 3;

fn switchboard() -> Switchboard {
    Switchboard::open(Path::new(MUTANT)).unwrap()
}

/// The mutants of the switchboard; servers and clients have a test of their own.
fn of_the_switchboard() -> Vec<Mutant> {
    let all = mutants().unwrap().into_iter().filter(|mutant| mutant.group != Group::Binding);
    all.filter(|mutant| cfg!(feature = "model") || mutant.group != Group::Model).collect()
}

#[test]
fn every_mutant_is_listed_with_what_it_breaks() {
    let switchboard = switchboard();
    let listed: BTreeSet<&str> = switchboard.names().collect();
    let mutants = of_the_switchboard();
    let described: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    assert_eq!(listed, described);
    assert!(listed.len() >= 100, "{} mutants", listed.len());
}

#[test]
fn no_mutant_survives() {
    // While one is written, only those whose names begin so.
    let wanted = std::env::var("AVP_MUTANTS").unwrap_or_default();
    let mutants: Vec<Mutant> =
        of_the_switchboard().into_iter().filter(|mutant| mutant.name.starts_with(&wanted)).collect();
    let bench = Bench::new(switchboard(), &mutants).unwrap();
    assert_eq!(bench.control(), &BTreeSet::new(), "a right implementation misses nothing");
    let trials = try_all(&bench, &mutants, AT_A_TIME, &|_| {}).unwrap();
    let escaped: Vec<String> = trials.iter().filter_map(Trial::complaint).collect();
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
}

/// The committed matrix names the mutants, the requirements and the cases that there are. Its counts are not looked at:
/// they depend on the machine and on the build.
#[test]
fn the_committed_matrix_is_not_stale() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/conformance/kill-matrix.md");
    let page = std::fs::read_to_string(page).unwrap();
    let cases: BTreeSet<String> = vector::cases().unwrap().into_iter().map(|case| case.id).collect();
    let is_case = |id: &str| cases.contains(id) || id.starts_with("gen/");
    let stale = stale(&page, &mutants().unwrap(), &is_case);
    let how = "avp-conformance mutants --md reports/conformance/kill-matrix.md";
    assert!(stale.is_empty(), "{}\nmake it again: {how}", stale.join("\n"));
}
