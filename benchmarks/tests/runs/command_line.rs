//! What the commands say.

use std::fs;

use avp::weights::pocket::pocket;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Place, RUN, program, stderr, whole};

fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let output = program().args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn lists_and_audits() {
    let (code, arms) = said(&["list", "arms"]);
    assert_eq!(code, Some(0));
    for word in ["direct", "latent@N", "rosetta-mean@K:M", "oracle"] {
        assert!(arms.contains(word), "{arms}");
    }
    let (_, runs) = said(&["list", "runs", "--json"]);
    let runs: Value = serde_json::from_str(&runs).unwrap();
    let runs = runs.as_array().unwrap();
    // Of each table of the published results at least one, with what it needs.
    for start in ["pocket-quick", "smollm2-", "t1-", "t2-", "t3-", "t4-", "t5-", "t6-", "t8-", "t9-"] {
        let of_table = runs.iter().find(|run| run["name"].as_str().unwrap().starts_with(start)).unwrap();
        assert!(!start.ends_with('-') || of_table["about"].as_str().unwrap().contains("million tokens"));
    }
    let (_, tasks) = said(&["list", "tasks"]);
    for task in ["relay", "gsm8k-4agent", "hotpotqa-compat"] {
        assert!(tasks.contains(task), "{tasks}");
    }
    for run in ["pocket-quick", "smollm2-relay", "smollm2-text"] {
        let (code, text) = said(&["audit", run, "--json"]);
        let audits: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((code, audits[0]["empty"].as_u64()), (Some(0), Some(0)), "{run}: {text}");
        assert_eq!(audits[0]["gold"], audits[0]["items"], "{run}: {text}");
    }
}

#[test]
fn items_that_make_no_run_are_refused() {
    let run = RUN.replace("kind: relay", "kind: text\n    file: items.jsonl");
    let place = Place::new(&run);
    let item = |id: &str, answer: &str| {
        format!("{{\"id\":\"{id}\",\"context\":\"c\",\"question\":\"q\",\"answer\":\"{answer}\"}}\n")
    };
    fs::write(place.folder.path().join("items.jsonl"), item("1", "red") + &item("2", "red car")).unwrap();
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    // The answers may contain each other; the contexts may not all be one, where an arm takes another's.
    assert!(stderr(&output).contains("a second context for foreign@"), "{}", stderr(&output));
    fs::write(place.folder.path().join("items.jsonl"), item("1", "red") + &item("1", "blue")).unwrap();
    assert!(stderr(&place.run(&[])).contains("found \"1\" twice"));
    fs::write(place.folder.path().join("items.jsonl"), item("1", "red") + "{\"id\":\"2\"}\n").unwrap();
    assert!(stderr(&place.run(&[])).contains("line 2: "));
}

#[test]
fn run_files_are_read_to_the_letter() {
    for (from, to, expected) in [
        ("replicates: 1", "replicats: 1", "line 11, replicats: unknown; did you mean replicates?"),
        ("max_tokens: 12\n", "max_token: 12\n", "did you mean max_tokens?"),
        ("kind: relay", "kind: relays", "did you mean relay?"),
        ("latent_steps", "arms: [latnt@3]\nlatent_steps", "did you mean latent?"),
        ("latent_steps", "arms: [latent@0]\nlatent_steps", "`prefix`"),
        ("latent_steps", "arms: [rosetta@2:c]\nlatent_steps", "one of the models that do not answer"),
        ("device: cpu", "device: tpu", "device"),
        ("device: cpu", "dtype: float32", "auto, f32, f16 or bf16"),
        ("replicates: 1", "replicates: 0", "1 to 10000"),
        ("items: 4", "items: 0", "limits.items"),
        ("a: pocket-a", "a: pocket-z", "pocket-a, pocket-b"),
    ] {
        let run = RUN.replace(from, to);
        assert_ne!(run, RUN, "{from}");
        let output = Place::new(&run).run(&[]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{to}: {text}");
        assert!(text.contains(expected), "{to}: {text}");
    }
}

#[test]
fn the_record_says_everything() {
    let text = fs::read_to_string(whole().out().join("record.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let run = &record["run"];
    for (key, value) in [("answerer", "\"a\""), ("dtype", "\"auto\""), ("seed", "1"), ("rosetta_steps", "0")]
    {
        assert_eq!(run[key].to_string(), value);
    }
    assert_eq!(run["tasks"][0]["decoding"]["temperature"], 0.0);
    assert_eq!(run["tasks"][0]["count"], 500);
    let arms = record["arms"].as_array().unwrap();
    assert_eq!(run["arms"].as_array().unwrap().len(), arms.len());
    assert_eq!(arms[2]["label"], "Latent, 3 steps");
    assert_eq!(record["items"], 4);
    assert_eq!(record["audits"][0]["gold"], 4);
    let models = &record["provenance"]["models"];
    let weights = Sha256::digest(pocket("pocket-a").unwrap().weights);
    let sum: String = weights.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(models["a"]["weights_sha256"], sum);
    assert!(models["b"]["projection"].is_string());
    assert_eq!(record["provenance"]["data"]["relay"].as_str().unwrap().len(), 64);
}

#[test]
fn a_finished_run_prints_its_table() {
    let output = whole().run(&["--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["results"]["results_sha256"], whole().hash());
    let rows = value["summary"]["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["arm"] == "latent@3" && row["layout"] == "withheld"));
    let output = whole().run(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("relay, repeated") && text.contains("The harness itself took"), "{text}");
}
