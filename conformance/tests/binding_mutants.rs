//! The test of the checks of the HTTP binding: a server and a client that are right, and the same with one thing wrong at
//! a time. One that is not caught by a check for the requirement that it breaks fails the test.
#![expect(clippy::unwrap_used, reason = "what prepares a test may end it too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use avp_conformance::adapter::{AdapterCommand, ProcessLauncher};
use avp_conformance::case::{Case, Level, Spec};
use avp_conformance::event::Event;
use avp_conformance::schedule::{RunOptions, run};
use avp_conformance::vector;
use tempfile::TempDir;

/// Children side by side: most of their time they wait.
const AT_A_TIME: usize = 4;

/// The machines that run this are busy, and a timeout must mean what a case is about. Not more: a switch that waits for
/// ever waits this much longer.
const TIMEOUT_SCALE: f64 = 2.0;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants/binding.py")
}

/// A certificate for the mutants' servers, in a folder.
fn certificate() -> TempDir {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    folder
}

/// Cases of the binding. Only what a dialect changes is asked in 0.2 too.
fn cases() -> Vec<Case> {
    let of_the_binding = |case: &Case| case.id.starts_with("http/") || case.id.starts_with("sec/");
    let old = |case: &Case| case.id == "http/old-path";
    let all = vector::cases().unwrap().into_iter().filter(of_the_binding);
    all.filter(|case| case.spec == Spec::V04 || old(case)).collect()
}

/// Requirement → checks that were missed for it.
fn missed(switch: Option<&str>, cases: Vec<Case>, tls: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut args = vec![script().into_os_string()];
    args.extend(switch.map(Into::into));
    let mut command = AdapterCommand::new("python3", args);
    command.env.push(("AVP_MUTANT_TLS".into(), tls.into()));
    let mut options = RunOptions::new(7);
    options.workers = 1;
    options.timeout_scale = TIMEOUT_SCALE;
    let mut events = Vec::new();
    run(cases, &ProcessLauncher::new(command), &options, &mut events).unwrap();
    let mut missed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events {
        let Event::Case(case) = event else { continue };
        for check in case.checks.iter().filter(|check| check.missed()) {
            for requirement in &check.requirements {
                let told = format!("{}#{}: {} {}", case.key, check.name, check.actual, check.note);
                missed.entry(requirement.clone()).or_default().insert(told);
            }
        }
    }
    missed
}

fn fates() -> BTreeMap<String, Vec<String>> {
    serde_yaml::from_str(include_str!("../mutants/binding.yaml")).unwrap()
}

#[test]
fn every_switch_is_listed_with_what_it_breaks() {
    let list = Command::new("python3").arg(script()).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let listed: BTreeSet<&str> = list.lines().collect();
    let fates = fates();
    assert_eq!(listed, fates.keys().map(String::as_str).collect());
    assert!(listed.len() >= 25, "{} switches", listed.len());
}

#[test]
fn what_is_right_passes() {
    let tls = certificate();
    let missed = missed(None, cases(), tls.path());
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_requirement_of_the_binding_has_a_switch() {
    let fates = fates();
    let broken: BTreeSet<&String> = fates.values().flatten().collect();
    let cases = cases();
    let tested: BTreeSet<&String> = cases.iter().flat_map(|case| &case.requirements).collect();
    let binding = |id: &&&String| id.starts_with("AVP-HTTP") || id.starts_with("AVP-SEC");
    let left: Vec<_> = tested.iter().filter(binding).filter(|id| !broken.contains(**id)).collect();
    // A signature that nobody has to look at can't be wrong.
    assert_eq!(left, [&"AVP-SEC-015"]);
}

#[test]
fn no_switch_survives() {
    let (tls, all) = (certificate(), cases());
    let queue = Mutex::new(fates().into_iter());
    let escaped = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some((switch, requirements)) = queue.lock().unwrap().next() else { break };
                    // Its own cases alone: what else a switch breaks is of no interest.
                    let asked = |case: &&Case| case.requirements.iter().any(|id| requirements.contains(id));
                    let cases: Vec<Case> = all.iter().filter(asked).cloned().collect();
                    let missed = missed(Some(&switch), cases, tls.path());
                    let survived = requirements.iter().filter(|id| !missed.contains_key(*id));
                    let told = survived.map(|id| format!("{switch}: nothing missed for {id}"));
                    escaped.lock().unwrap().extend(told.collect::<Vec<_>>());
                }
            });
        }
    });
    let escaped = escaped.into_inner().unwrap();
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
}

#[test]
fn levels_are_those_of_the_requirements() {
    let raised = cases().into_iter().filter(|case| case.level == Some(Level::Must));
    assert_eq!(raised.map(|case| case.id).collect::<Vec<_>>(), Vec::<String>::new());
}
