//! Statements of conformance, written and checked by the binary.

use std::fs;

use super::{avp, avp_against};

#[test]
fn a_claim_is_written_and_verified_and_a_forged_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (events, bundle) = (file("run.ndjson"), file("run.claim.tar"));
    let args = ["run", "--vectors-only", "--timeout-scale=20", "--profile=kv", "--events", &events];
    avp(&args).assert_code(0);
    avp(&["claim", &events, "-o", &bundle, "--profile=kv"]).assert_code(5).assert_says("says nothing about");
    // A run without generated cases lets nobody claim that all is well; that something is not, it does.
    avp_against("fails-all", &args).assert_code(1);
    let claim = avp(&["claim", &events, "-o", &bundle, "--profile=kv"]);
    claim.assert_code(0).assert_says("not conformant (profile kv");
    let verified = avp(&["verify", &bundle]);
    verified.assert_code(0).assert_says("HOLDS").assert_says("avp-conformance run --seed 1 -- python3");
    let json = avp(&["verify", &bundle, "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["outcome"], "holds");
    assert_eq!(document["claim"]["verdict"], "not_conformant");

    // The same with some failures taken out of the events.
    let kept: String = fs::read_to_string(&events)
        .unwrap()
        .lines()
        .filter(|line| !line.contains("\"key\":\"kv/size-"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&events, kept).unwrap();
    let forged = file("forged.tar");
    let refused = avp(&["claim", &events, "-o", &forged, "--profile=kv"]);
    refused.assert_code(1).assert_says("these events make no claim");
    assert!(!folder.path().join("forged.tar").exists());
}

/// Generated cases are made again from the seed: a claim is written only when it verifies.
#[test]
fn a_claim_of_generated_cases_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (events, bundle) = (file("run.ndjson"), file("run.claim.tar"));
    let args = ["run", "--timeout-scale=20", "--profile=kv", "--cases=5", "--seed=9", "--events", &events];
    avp_against("fails-all", &args).assert_code(1);
    assert!(fs::read_to_string(&events).unwrap().contains("\"key\":\"gen/"));
    avp(&["claim", &events, "-o", &bundle, "--profile=kv"]).assert_code(0).assert_says("seed 9");
}

#[test]
fn what_is_no_bundle_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    fs::write(&path, "hello").unwrap();
    let path = path.to_str().unwrap();
    avp(&["verify", path]).assert_code(2).assert_says("avp-conformance claim EVENTS -o BUNDLE");
    avp(&["verify", "/nowhere.tar"]).assert_code(2).assert_says("/nowhere.tar");
}
