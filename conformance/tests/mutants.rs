//! The test of the harness: implementations that are wrong in one thing each, run through the real pipe. One that is not
//! caught by a check for the requirement that it breaks fails the test.
#![cfg(feature = "reference")]
#![expect(clippy::unwrap_used, reason = "what prepares a test may end it too")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use avp_conformance::case::{Case, Level};
use avp_conformance::kill::{
    Bench, Group, Mutant, Redundancy, Switchboard, Trial, kills, must_vectors, mutants, stale, try_all,
};
use avp_conformance::vector;

const MUTANT: &str = env!("CARGO_BIN_EXE_avp-mutant");

/// Children side by side. The machines that run this have few cores, and a hang mutant sleeps most of its time.
const AT_A_TIME: usize = 3;

/// The same of servers and clients: most of their time they wait.
const SWITCHES_AT_A_TIME: usize = 4;

fn switchboard() -> Switchboard {
    Switchboard::open(Path::new(MUTANT)).unwrap()
}

/// The mutants of the switchboard.
fn of_the_switchboard() -> Vec<Mutant> {
    let all = mutants().unwrap().into_iter().filter(|mutant| mutant.group != Group::Binding);
    all.filter(|mutant| cfg!(feature = "model") || mutant.group != Group::Model).collect()
}

/// The mutants of the binding: a server and a client with one thing wrong at a time.
fn switches() -> Vec<Mutant> {
    mutants().unwrap().into_iter().filter(|mutant| mutant.group == Group::Binding).collect()
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

fn cases_of_the_binding() -> impl Iterator<Item = Case> {
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
    let tested: BTreeSet<String> = cases_of_the_binding().flat_map(|case| case.requirements).collect();
    let binding = |id: &&String| id.starts_with("AVP-HTTP") || id.starts_with("AVP-SEC");
    let left: Vec<_> = tested.iter().filter(binding).filter(|id| !broken.contains(*id)).collect();
    // A signature that nobody has to look at can't be wrong.
    assert_eq!(left, ["AVP-SEC-015"]);
}

/// What became of all of them, asked once for all tests here.
struct Table {
    /// Checks that what is right misses.
    control: BTreeSet<String>,
    trials: Vec<Trial>,
}

impl Table {
    /// Asks those of `mutants` whose names begin as `AVP_MUTANTS` says: of use while one is written.
    fn of(mutants: Vec<Mutant>, at_a_time: usize) -> Self {
        let wanted = wanted();
        let mutants: Vec<Mutant> =
            mutants.into_iter().filter(|mutant| mutant.name.starts_with(&wanted)).collect();
        let bench = Bench::new(switchboard(), &mutants).unwrap();
        let trials = try_all(&bench, &mutants, at_a_time, &|_| {}).unwrap();
        Self { control: bench.control().clone(), trials }
    }

    fn assert_none_escaped(&self) {
        assert_eq!(self.control, BTreeSet::new(), "a right implementation misses nothing");
        let escaped: Vec<String> = self.trials.iter().filter_map(Trial::complaint).collect();
        assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
    }
}

static OF_THE_SWITCHBOARD: LazyLock<Table> = LazyLock::new(|| Table::of(of_the_switchboard(), AT_A_TIME));
static SWITCHES: LazyLock<Table> = LazyLock::new(|| {
    // One after the other: timeouts of the binding mean something only on a machine that is not too busy.
    LazyLock::force(&OF_THE_SWITCHBOARD);
    Table::of(switches(), SWITCHES_AT_A_TIME)
});

fn wanted() -> String {
    std::env::var("AVP_MUTANTS").unwrap_or_default()
}

#[test]
fn no_mutant_survives() {
    OF_THE_SWITCHBOARD.assert_none_escaped();
}

/// What is right, the control, misses nothing, and whatever is wrong is caught.
#[test]
fn no_switch_survives() {
    SWITCHES.assert_none_escaped();
}

/// Every vector of weight MUST kills a mutant, or stands in the list of those that don't, with a reason; and nothing stands
/// there that kills.
#[test]
fn every_vector_kills_or_is_listed() {
    if !wanted().is_empty() {
        return;
    }
    let trials = [OF_THE_SWITCHBOARD.trials.as_slice(), SWITCHES.trials.as_slice()].concat();
    let wrong =
        Redundancy::embedded().unwrap().wrong(&must_vectors(&vector::cases().unwrap()), &kills(&trials));
    assert!(wrong.is_empty(), "vectors/redundant.yaml:\n{}", wrong.join("\n"));
}

#[test]
fn levels_of_the_binding_are_those_of_the_requirements() {
    let raised = cases_of_the_binding().filter(|case| case.level == Some(Level::Must));
    assert_eq!(raised.map(|case| case.id).collect::<Vec<_>>(), Vec::<String>::new());
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
