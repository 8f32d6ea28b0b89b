//! The oracle arm: agrees on every item, and finds what is broken.

use std::fs;

use super::{Place, RUN, assert_done, stderr, whole};

#[test]
fn the_oracle_agrees_and_says_what_the_prefix_arm_says() {
    let traces = whole().traces();
    let of = |arm: &str| -> Vec<_> {
        traces.iter().filter(|trace| trace["arm"] == arm).map(|trace| &trace["answer"]).collect()
    };
    assert_eq!(of("oracle").len(), 8);
    assert_eq!(of("oracle"), of("prefix"));
    assert!(traces.iter().all(|trace| trace["outcome"] != "error"), "{traces:?}");
}

/// Half precision rounds on the way; what it rounds to is within the tolerance, and faults are not.
#[test]
fn half_precision_agrees_and_faults_still_show() {
    for dtype in ["f16", "bf16"] {
        let run =
            RUN.replace("latent_steps", &format!("dtype: {dtype}\narms: [prefix, oracle]\nlatent_steps"));
        let place = Place::new(&run.replace("items: 4", "items: 20"));
        assert_done(&place.run(&[]));
        assert_eq!(place.traces().len(), 80);
        for fault in ["codec", "order", "prompt"] {
            let output = Place::new(&run).run(&["--break-on-purpose", fault]);
            assert_eq!(output.status.code(), Some(3), "{dtype}, {fault}: {}", stderr(&output));
        }
    }
}

#[test]
fn every_fault_stops_the_run() {
    for fault in ["codec", "order", "prompt"] {
        let place = Place::new(RUN);
        let output = place.run(&["--break-on-purpose", fault]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{fault}: {text}");
        assert!(text.contains("the oracle arm disagrees on relay-test"), "{fault}: {text}");
        assert!(text.contains("apart, at most") || text.contains("greedy answer"), "{fault}: {text}");
        // What was done before is kept, and the shard is not done.
        let file = fs::read_to_string(place.out().join("shards/1-of-1.jsonl")).unwrap();
        assert!(file.lines().count() > 5, "{fault}: {file}");
        assert!(!place.out().join("shards/1-of-1.done").exists());
        // Nothing goes on from there, with the fault or without.
        let again = place.run(&[]);
        assert_eq!(again.status.code(), Some(1), "{fault}");
        assert!(stderr(&again).contains("no number of this run can be trusted"), "{}", stderr(&again));
    }
}

/// Without an oracle arm nobody looks; so that the test above shows what stops the run.
#[test]
fn without_the_oracle_a_fault_goes_unseen() {
    let run = RUN.replace("latent_steps", "arms: [prefix]\nlatent_steps");
    let place = Place::new(&run);
    assert_done(&place.run(&["--break-on-purpose", "order", "--limit", "2"]));
    assert_eq!(place.traces().len(), 4);
}

#[test]
fn ledgers_say_where_tokens_came_from() {
    let traces = whole().traces();
    let of =
        |arm: &str| traces.iter().find(|trace| trace["arm"] == arm && trace["layout"] == "withheld").unwrap();
    let ledger =
        |arm: &str, agent: usize, key: &str| of(arm)["agents"][agent]["ledger"][key].as_u64().unwrap();
    let reader = ledger("latent@3", 0, "prefill");
    assert_eq!((ledger("latent@3", 0, "latent"), ledger("latent@3", 1, "reused")), (3, reader + 3));
    assert_eq!(ledger("latent-only@3", 1, "reused"), 3);
    for control in ["shuffled@3", "noise@3", "zero@3", "foreign@3"] {
        assert_eq!(ledger(control, 1, "reused"), reader + 3, "{control}");
        // A message of the same size: the metadata alone may differ.
        assert_eq!(ledger(control, 1, "wire_bytes"), ledger("latent@3", 1, "wire_bytes"), "{control}");
    }
    assert_eq!((ledger("rosetta@2", 1, "latent"), ledger("rosetta@2", 1, "reused")), (2, 0));
    assert!(ledger("text", 1, "pasted") > 0 && ledger("text", 1, "pasted") < ledger("text", 1, "prefill"));
    assert!(ledger("text", 1, "wire_bytes") > 0 && ledger("text", 1, "wire_bytes") < 1000);
    assert_eq!(ledger("direct", 0, "wire_bytes"), 0);
    for arm in ["prefix", "latent@3", "no-context", "noise@3", "rosetta@2", "oracle"] {
        let nll = of(arm)["nll"].as_f64().unwrap();
        assert!(nll.is_finite() && nll > 0.0 && of(arm)["nll_tokens"].as_u64().unwrap() > 0, "{arm}");
    }
    // What carries the facts tells the answer; what does not does not.
    let mean = |arm: &str| {
        let nlls = traces.iter().filter(|trace| trace["arm"] == arm && trace["layout"] == "withheld");
        let all: Vec<f64> = nlls.map(|trace| trace["nll"].as_f64().unwrap()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    assert!((mean("prefix") - mean("oracle")).abs() < 1e-2);
    for control in ["no-context", "noise@3", "zero@3", "foreign@3", "rosetta-random@2"] {
        assert!(mean(control) > mean("latent@3") + 1.0, "{control}: {}", mean(control));
    }
}

#[test]
fn times_add_up() {
    for trace in whole().traces() {
        let (wall, own) = (trace["wall_ms"].as_f64().unwrap(), trace["overhead_ms"].as_f64().unwrap());
        assert!(wall > 0.0 && own >= 0.0 && own < wall, "{trace}");
        for agent in trace["agents"].as_array().unwrap() {
            let times = &agent["times"];
            let of = |key: &str| times[key].as_f64().unwrap();
            assert!(of("prefill_ms") > 0.0, "{trace}");
            assert!(of("first_token_ms") <= of("prefill_ms") + of("generate_ms") + 0.01, "{trace}");
        }
    }
}
