//! The test of the harness: implementations that are wrong in one thing each, run through the real pipe. One that is not
//! caught by a check for the requirement that it breaks fails the test.
#![cfg(feature = "reference")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::Mutex,
};

use avp_conformance::{
    adapter::{AdapterCommand, ProcessLauncher},
    case::{Case, Spec},
    check,
    event::Event,
    schedule::{ProbePolicy, RunError, RunOptions, run},
    vector,
};

const MUTANT: &str = env!("CARGO_BIN_EXE_avp-mutant");

/// Children side by side. The machines that run this have few cores, and a hang mutant sleeps most of its time.
const AT_A_TIME: usize = 3;

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Fate {
    /// Requirements that it breaks.
    Breaks(Vec<String>),
    /// A probe ends the run.
    Stopped(Stopped),
}

#[derive(Debug, serde::Deserialize)]
enum Stopped {
    #[serde(rename = "stopped")]
    ByProbe,
}

fn fates() -> BTreeMap<String, Fate> {
    let mut fates: BTreeMap<String, Fate> =
        serde_yaml::from_str(include_str!("../mutants/mutants.yaml")).expect("mutants.yaml");
    if cfg!(feature = "model") {
        let models = serde_yaml::from_str::<BTreeMap<_, _>>(include_str!("../mutants/model.yaml"));
        fates.extend(models.expect("model.yaml"));
    }
    fates
}

/// Operations that a mutant meddles with, by the first word of its name.
fn ops(name: &str) -> &'static [&'static str] {
    match name.split('-').next().unwrap_or_default() {
        "encode" => &["encode"],
        "decode" => &["decode"],
        "stream" => &["decode_stream"],
        "kv" => &["kv_encode", "kv_decode", "kv_size"],
        "hash" => &["model_hash", "tokenizer_hash"],
        "resolve" => &["resolve"],
        "identity" => &["identity_encode", "identity_extract"],
        "hello" => &["hello_encode", "hello_decode"],
        "session" => &["session_script", "session_stress"],
        "context" => &["context_to_bytes", "context_from_bytes"],
        "store" => &["store_script", "store_stress"],
        "transfer" => &["context_to_bytes", "kv_encode", "recommend_mode", "size_report"],
        "api" => &["easy_unpack", "error_catalog", "inspect", "model_hash"],
        "metrics" => &["codec_timings", "diagnostics", "metrics_catalog", "word_overlap"],
        "json" => &["json_encode", "json_decode"],
        "tensor" => &["encode_tensor", "decode_tensor"],
        "realign" => &["realign_matrix", "realign_cached", "realign_apply", "needs_realignment"],
        "norm" => &["target_norm", "normalize", "realign_apply"],
        "soft" => &["soft_embed"],
        "project" => &["project_vocab", "project_overlap", "project_linear", "vocab_overlap"],
        "validate" => &["validate_decide", "validate_cosine", "validate_ppl", "validation_texts"],
        "gate" => &["assess_transfer", "effective_rank"],
        "map" => &["map_id", "map_find", "map_save", "map_load", "map_import"],
        "calibrate" => &["calibrate"],
        "model" => &["think", "generate", "connector_info"],
        "crossing" => &["transfer"],
        "easy" => &["easy_script"],
        "loophole" => &["encode", "decode"],
        other => panic!("no operations for mutants that start with {other}"),
    }
}

fn cases_for(name: &str, all: &[Case]) -> Vec<Case> {
    let ops = ops(name);
    all.iter().filter(|case| case.steps.iter().any(|step| ops.contains(&step.op.as_str()))).cloned().collect()
}

fn judge(name: &str, cases: Vec<Case>, probes: ProbePolicy) -> (Result<(), RunError>, Vec<Event>) {
    let launcher = ProcessLauncher::new(AdapterCommand::new(MUTANT, [name]));
    let mut options = RunOptions::new(7);
    options.workers = 1;
    options.probes = probes;
    let mut events = Vec::new();
    let outcome = run(cases, &launcher, &options, &mut events).map(|_| ());
    (outcome, events)
}

/// Requirement → names of the missed checks that speak for it.
fn missed(events: &[Event]) -> BTreeMap<String, BTreeSet<String>> {
    let mut missed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events {
        let Event::Case(case) = event else { continue };
        for check in case.checks.iter().filter(|check| check.missed()) {
            for requirement in &check.requirements {
                missed.entry(requirement.clone()).or_default().insert(format!("{}#{}", case.key, check.name));
            }
        }
    }
    missed
}

/// What is wrong with the verdict on one mutant; empty when it was caught as it should be.
fn survived(name: &str, fate: &Fate, all: &[Case]) -> Vec<String> {
    // A probe may be the first to see a broken decoder; here it is the checks that are under test.
    let probes = if matches!(fate, Fate::Stopped(_)) { ProbePolicy::Stop } else { ProbePolicy::Record };
    let (outcome, events) = judge(name, cases_for(name, all), probes);
    match (fate, outcome) {
        (Fate::Stopped(_), Err(RunError::Dishonest(_))) => Vec::new(),
        (Fate::Stopped(_), other) => vec![format!("{name}: no probe stopped it: {other:?}")],
        (Fate::Breaks(_), Err(error)) => vec![format!("{name}: {error}")],
        (Fate::Breaks(requirements), Ok(())) => {
            let missed = missed(&events);
            requirements
                .iter()
                .filter(|requirement| !missed.contains_key(*requirement))
                .map(|requirement| {
                    let seen: Vec<_> =
                        missed.iter().map(|(id, checks)| (id, checks.first())).take(4).collect();
                    format!("{name}: nothing missed for {requirement}; missed: {seen:?}")
                })
                .collect()
        }
    }
}

#[test]
fn every_mutant_is_listed_with_what_it_breaks() {
    let list = Command::new(MUTANT).arg("--list").output().expect("the mutants list themselves");
    let list = String::from_utf8(list.stdout).expect("names are text");
    let listed: BTreeSet<&str> = list.lines().filter_map(|line| line.split('\t').next()).collect();
    let fates = fates();
    let described: BTreeSet<&str> = fates.keys().map(String::as_str).collect();
    assert_eq!(listed, described);
    assert!(listed.len() >= 100, "{} mutants", listed.len());
}

/// Whether a generated case is among the first of those that hold answers against each other.
fn first_of_a_relation(id: &str) -> bool {
    let index = id.rsplit('/').next().and_then(|index| index.parse().ok());
    id.starts_with("gen/same-") && index.is_some_and(|index: u32| index < 6)
}

#[test]
fn no_mutant_survives() {
    let mut all = vector::cases().expect("the recipes");
    // Models are in no recipe: they are made, and the oracle with them.
    let generated = check::first(Spec::V04, 7, 24);
    all.extend(generated.filter(|case| case.id.starts_with("gen/model-") || first_of_a_relation(&case.id)));
    // While one is written, only those whose names begin so.
    let wanted = std::env::var("AVP_MUTANTS").unwrap_or_default();
    let queue = Mutex::new(fates().into_iter().filter(|(name, _)| name.starts_with(&wanted)));
    let escaped = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some((name, fate)) = queue.lock().unwrap().next() else { break };
                    // What works without an engine is asked of those that have none; with models linked in, this one has.
                    if cfg!(feature = "model") && name == "api-hash-needs-an-engine" {
                        continue;
                    }
                    let wrong = survived(&name, &fate, &all);
                    escaped.lock().unwrap().extend(wrong);
                }
            });
        }
    });
    let escaped = escaped.into_inner().unwrap();
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
}
