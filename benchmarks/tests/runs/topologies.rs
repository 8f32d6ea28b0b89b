//! Tasks with more than two agents, on pocket models: every topology end to end.

use std::fs;

use serde_json::Value;

use super::{Place, assert_done, stderr};

/// A chain of three before the last one, with items of the test's own.
const CHAIN: &str = r#"name: chain
models: {a: pocket-a, b: pocket-b}
device: cpu
threads: 1
tasks:
  - kind: custom
    file: items.jsonl
    descriptor:
      name: chain
      about: Three read before the last one.
      scorer: gsm8k
      agents:
        - {role: one, prompt: "{{ context }} First."}
        - {role: two, prompt: "{{ context }} Then what follows."}
        - {role: three, prompt: "Then the rest of it."}
      last: {role: last, withheld: "{{ question }}", repeated: "{{ context }} {{ question }}"}
      direct: "{{ context }} {{ question }}"
      note: "[{{ role }}] {{ text }}"
      noted: "{{ notes }} {{ prompt }}"
layouts: [withheld]
arms: [all, sequential@3, sequential@0]
latent_steps: [3]
rosetta_vectors: [2]
decoding: {max_tokens: 8, note_tokens: 6}
"#;

/// Items of the form of `text`.
const ITEMS: &str = r#"{"id": "1", "context": "Ann has 3 red cups.", "question": "How many cups?", "answer": "3"}
{"id": "2", "context": "The box holds 12 pens.", "question": "How many pens?", "answer": "12"}
{"id": "3", "context": "There are 7 birds here.", "question": "How many birds?", "answer": "7"}
"#;

fn played(run: &str) -> (Place, Vec<Value>) {
    let place = Place::new(run);
    fs::write(place.folder.path().join("items.jsonl"), ITEMS).unwrap();
    assert_done(&place.run(&[]));
    let traces = place.traces();
    (place, traces)
}

fn of<'a>(traces: &'a [Value], arm: &str) -> Vec<&'a Value> {
    let found: Vec<_> = traces.iter().filter(|trace| trace["arm"] == arm).collect();
    assert_eq!(found.len(), 3, "{arm}");
    found
}

fn agent(trace: &Value, index: usize, what: &str) -> u64 {
    trace["agents"][index]["ledger"][what].as_u64().unwrap()
}

#[test]
fn a_chain_hands_on_what_its_arm_says() {
    let (place, traces) = played(CHAIN);
    assert!(traces.iter().all(|trace| trace["outcome"] != "error"), "{traces:?}");
    for trace in of(&traces, "latent@3") {
        let roles: Vec<_> = trace["agents"].as_array().unwrap().iter().map(|agent| &agent["role"]).collect();
        assert_eq!(roles, ["one", "two", "three", "last"]);
        // Each reads on where the one before it stopped.
        for index in 1..4 {
            let before = index - 1;
            let whole = agent(trace, before, "reused") + agent(trace, before, "prefill") + 3;
            assert_eq!(agent(trace, index, "reused"), whole);
            assert!(agent(trace, index, "wire_bytes") > 0);
        }
        assert!((0..3).all(|index| agent(trace, index, "latent") == 3));
    }
    for trace in of(&traces, "sequential@3") {
        for index in 1..4 {
            assert_eq!(agent(trace, index, "reused"), agent(trace, index - 1, "prefill") + 3);
        }
    }
    for trace in of(&traces, "latent-only@3") {
        let kept: Vec<_> = (0..4).map(|index| agent(trace, index, "reused")).collect();
        assert_eq!(kept, [0, 3, 6, 9]);
    }
    for trace in of(&traces, "prefix") {
        assert!((0..3).all(|index| agent(trace, index, "latent") == 0));
    }
    for trace in of(&traces, "text") {
        // Each is given what all before it wrote.
        let pasted: Vec<_> = (0..4).map(|index| agent(trace, index, "pasted")).collect();
        assert_eq!(pasted[0], 0);
        assert!(pasted.windows(2).all(|pair| pair[0] <= pair[1]) && pasted[3] > 0, "{pasted:?}");
        assert!((0..3).all(|index| agent(trace, index, "decoded") <= 6));
    }
    for trace in of(&traces, "rosetta@2") {
        assert_eq!((agent(trace, 3, "latent"), trace["agents"][0]["model"].as_str()), (2, Some("b")));
    }
    // The same in two parts.
    let parts = Place::new(CHAIN);
    fs::write(parts.folder.path().join("items.jsonl"), ITEMS).unwrap();
    for shard in ["1/2", "2/2"] {
        assert_done(&parts.run(&["--shard", shard]));
    }
    let merged = super::program().current_dir(parts.folder.path()).args(["merge", "out"]).output().unwrap();
    assert_done(&merged);
    assert_eq!(parts.hash(), place.hash());
}

#[test]
fn a_fan_out_puts_branches_together_that_do_not_know_of_one_another() {
    let run = CHAIN
        .replace("scorer: gsm8k", "scorer: gsm8k\n      topology: fan_out")
        .replace("sequential@3, sequential@0", "chained@3");
    let (_, traces) = played(&run);
    assert!(traces.iter().all(|trace| trace["outcome"] != "error"), "{traces:?}");
    for (merged, chained) in of(&traces, "latent@3").into_iter().zip(of(&traces, "chained@3")) {
        let read = |trace: &Value| (0..3).map(|index| agent(trace, index, "prefill") + 3).sum::<u64>();
        assert_eq!(agent(merged, 3, "reused"), read(merged));
        assert_eq!(agent(chained, 3, "reused"), read(chained));
        // Branches are given nothing; in the published form each is given what stands before it.
        assert!((0..3).all(|index| agent(merged, index, "reused") == 0));
        assert!(agent(chained, 1, "reused") > 0 && agent(chained, 2, "reused") > agent(chained, 1, "reused"));
        assert_ne!(merged["nll"], chained["nll"], "what stands in the caches differs");
    }
    for trace in of(&traces, "text") {
        assert_eq!((agent(trace, 1, "pasted"), agent(trace, 2, "pasted")), (0, 0));
        assert!(agent(trace, 3, "pasted") > 0);
    }
    for trace in of(&traces, "rosetta@2") {
        // Two vectors of each branch.
        assert_eq!(agent(trace, 3, "latent"), 6);
    }
}

#[test]
fn arms_that_a_task_has_no_room_for_are_refused() {
    for (from, to, said) in [
        ("all, sequential@3, sequential@0", "chained@3", "each for itself"),
        ("scorer: gsm8k", "scorer: gsm8k\n      topology: fan_out", "a chain of two or more"),
        ("{role: two,", "{role: one,", "a role of its own"),
        ("{{ context }} First.", "{{ contexts }} First.", "a template"),
        ("{{ context }} First.", "{{ context First.", "prompts of chain"),
        ("scorer: gsm8k", "scorer: humaneval", "a scorer of words or numbers"),
        ("scorer: gsm8k", "scorer: gsm8k\n      data: gsm8k", "no data"),
    ] {
        let place = Place::new(&CHAIN.replace(from, to));
        fs::write(place.folder.path().join("items.jsonl"), ITEMS).unwrap();
        let output = place.run(&[]);
        assert_eq!(output.status.code(), Some(1), "{to}");
        assert!(stderr(&output).contains(said), "{to}: {}", stderr(&output));
    }
}

#[test]
fn a_dry_run_renders_every_prompt_without_a_model() {
    let run = CHAIN
        .replace("pocket-a", "no-such-model")
        .replace("direct: \"", "prompt_tokens: [8, 40]\n      direct: \"");
    let place = Place::new(&run);
    fs::write(place.folder.path().join("items.jsonl"), ITEMS).unwrap();
    let dry = |more: &[&str]| {
        let mut command = super::program();
        command
            .current_dir(place.folder.path())
            .args(["run", "run.yaml", "--dry-run"])
            .args(more)
            .output()
            .unwrap()
    };
    let output = dry(&["--json"]);
    assert_done(&output);
    let rehearsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let task = &rehearsed[0];
    assert_eq!((task["items"][0].as_u64(), task["counted"].as_str()), (Some(3), Some("pieces")));
    let names: Vec<_> =
        task["prompts"].as_array().unwrap().iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["direct", "one", "two", "three", "last, withheld", "last, withheld, text"]);
    assert_eq!(task["prompts"][0]["example"], "Ann has 3 red cups. How many cups?");
    assert!(String::from_utf8_lossy(&dry(&[]).stdout).contains("of at least the expected 8"));
    // With the model here, its own tokens and template are counted.
    fs::write(
        place.folder.path().join("run.yaml"),
        run.replace("no-such-model", "pocket-a").replace("[8, 40]", "[1, 2]"),
    )
    .unwrap();
    let output = dry(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let rehearsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rehearsed[0]["counted"], "tokenizer");
    assert_eq!(rehearsed[0]["unexpected"].as_array().unwrap().len(), 3);
}
