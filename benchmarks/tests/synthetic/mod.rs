//! Runs that never ran: traces with known answers, shaped like those of a pocket model on relay.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::path::Path;

use avp_bench::analysis::Merged;
use avp_bench::record::{ArmKind, ArmRecord, Provenance, RunRecord};
use avp_bench::trace::{AgentTrace, Ledger, Outcome, Times, Trace};

/// What an arm does in a synthetic run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: ArmKind,
    pub(crate) steps: Option<u32>,
    /// Right on how many of a hundred items, by layout: withheld, repeated.
    pub(crate) right: [u64; 2],
    /// Nats of the gold answer.
    pub(crate) nats: [f64; 2],
    /// Prefill, latent, decoded of the first agent; none for a single one.
    pub(crate) first: Option<[u64; 3]>,
    pub(crate) wire: u64,
    pub(crate) pasted: u64,
}

const fn made(id: &'static str, label: &'static str, kind: ArmKind) -> Made {
    Made { id, label, kind, steps: None, right: [98, 98], nats: [0.1, 0.1], first: None, wire: 0, pasted: 0 }
}

const fn cache(id: &'static str, label: &'static str, kind: ArmKind, steps: u32) -> Made {
    let first = Some([52, steps as u64, 0]);
    Made { steps: Some(steps), first, wire: 41_000 + 770 * steps as u64, ..made(id, label, kind) }
}

/// The arms of a whole run.
pub(crate) const ARMS: [Made; 19] = [
    made("direct", "Direct", ArmKind::Direct),
    made("prompt-matched", "Direct, last prompt", ArmKind::Direct),
    Made { right: [97, 96], ..cache("latent@5", "Latent, 5 steps", ArmKind::Latent, 5) },
    Made { right: [96, 97], ..cache("latent@10", "Latent, 10 steps", ArmKind::Latent, 10) },
    Made {
        right: [93, 97],
        nats: [0.4, 0.1],
        first: Some([52, 0, 34]),
        wire: 190,
        pasted: 34,
        ..made("text", "Text", ArmKind::Text)
    },
    Made {
        right: [88, 96],
        nats: [0.7, 0.1],
        first: Some([52, 0, 36]),
        wire: 201,
        pasted: 37,
        ..made("text-cross:b", "Text by b", ArmKind::Text)
    },
    Made {
        right: [7, 61],
        nats: [9.0, 2.1],
        first: Some([50, 1, 0]),
        wire: 2200,
        ..made("rosetta@1:b", "Rosetta, 1 vector of b", ArmKind::Rosetta)
    },
    Made {
        right: [9, 52],
        nats: [8.7, 2.6],
        first: Some([50, 4, 0]),
        wire: 5400,
        ..made("rosetta@4:b", "Rosetta, 4 vectors of b", ArmKind::Rosetta)
    },
    Made { right: [4, 95], nats: [9.6, 0.2], ..made("no-context", "No context", ArmKind::Control) },
    Made { right: [98, 98], ..cache("prefix", "Prefix", ArmKind::Control, 0) },
    Made {
        right: [11, 93],
        nats: [8.1, 0.3],
        wire: 7_800,
        ..cache("latent-only@10", "Latent steps alone, 10", ArmKind::Control, 10)
    },
    Made {
        right: [5, 71],
        nats: [12.4, 1.6],
        ..cache("foreign@10", "Foreign cache, 10 steps", ArmKind::Control, 10)
    },
    Made {
        right: [34, 88],
        nats: [5.2, 0.6],
        ..cache("shuffled@10", "Shuffled cache, 10 steps", ArmKind::Control, 10)
    },
    Made { right: [2, 9], nats: [15.3, 11.0], ..cache("noise@10", "Noise, 10 steps", ArmKind::Control, 10) },
    Made { right: [3, 80], nats: [10.2, 0.9], ..cache("zero@10", "Zeros, 10 steps", ArmKind::Control, 10) },
    Made {
        right: [4, 70],
        nats: [9.7, 1.4],
        first: Some([50, 1, 0]),
        wire: 2200,
        ..made("rosetta-mean@1:b", "Mean embedding, 1 of b", ArmKind::Control)
    },
    Made {
        right: [3, 58],
        nats: [10.1, 2.2],
        first: Some([50, 1, 0]),
        wire: 2200,
        ..made("rosetta-random@1:b", "Random vectors, 1 of b", ArmKind::Control)
    },
    Made {
        right: [6, 60],
        nats: [9.3, 2.2],
        first: Some([50, 1, 0]),
        wire: 2200,
        ..made("rosetta-foreign@1:b", "Foreign states, 1 of b", ArmKind::Control)
    },
    Made { right: [98, 98], ..made("oracle", "Oracle", ArmKind::Oracle) },
];

/// A number from 0 to 1 that depends on the words and nothing else.
pub(crate) fn noise(words: &[&str]) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in words.join("/").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// One trace of a synthetic arm.
pub(crate) fn trace(made: &Made, layout: &str, item: u64, right: bool) -> Trace {
    let name = format!("relay-test-1-{item:05}");
    let n = |what: &str| noise(&[&name, made.id, layout, what]);
    let at = usize::from(layout == "repeated");
    let gold = ["amber chalk", "41", "jam", "teal rope"][item as usize % 4];
    let wrong = ["plum wire", "14", "rice", "grey sand"][item as usize % 4];
    let answer = if right { gold } else { wrong };
    let decoded = 5 + item % 4;
    let mut agents = Vec::new();
    if let Some([prefill, latent, written]) = made.first {
        agents.push(AgentTrace {
            role: "reader".to_owned(),
            model: if made.id.ends_with(":b") { "b" } else { "a" }.to_owned(),
            prompt_sha256: "5e".repeat(32),
            text: if written > 0 {
                format!("box 7 {gold}; box 12 {wrong}; box 3 red paint")
            } else {
                String::new()
            },
            ledger: Ledger { prefill: prefill + item % 9, latent, decoded: written, ..Ledger::default() },
            times: Times {
                prefill_ms: 3.1 + n("a"),
                latent_ms: latent as f64 * (0.42 + 0.05 * n("b")),
                encode_ms: 0.0,
                decode_ms: 0.0,
                generate_ms: written as f64 * (0.45 + 0.04 * n("c")),
                first_token_ms: if written > 0 { 3.6 } else { 0.0 },
            },
        });
    }
    let own = if layout == "repeated" || made.first.is_none() && made.id != "no-context" { 60 } else { 12 };
    let generate_ms = decoded as f64 * (0.46 + 0.04 * n("d"));
    let reused = if made.wire > 6_000 { 52 + u64::from(made.steps.unwrap_or(0)) } else { 0 };
    agents.push(AgentTrace {
        role: "answerer".to_owned(),
        model: "a".to_owned(),
        prompt_sha256: "c0".repeat(32),
        text: answer.to_owned(),
        ledger: Ledger {
            prefill: own + made.pasted,
            pasted: made.pasted,
            reused,
            decoded,
            wire_bytes: made.wire,
            ..Ledger::default()
        },
        times: Times {
            prefill_ms: (own + made.pasted) as f64 * 0.05,
            encode_ms: made.wire as f64 * 2e-6,
            decode_ms: made.wire as f64 * 1.5e-6,
            generate_ms,
            first_token_ms: (own + made.pasted) as f64 * 0.05 + 0.5,
            ..Times::default()
        },
    });
    let spent: f64 = agents
        .iter()
        .map(|agent| {
            let t = &agent.times;
            t.prefill_ms + t.latent_ms + t.encode_ms + t.decode_ms + t.generate_ms
        })
        .sum();
    Trace {
        task: "relay".to_owned(),
        layout: layout.to_owned(),
        item: name.clone(),
        arm: made.id.to_owned(),
        replicate: 0,
        outcome: if right { Outcome::Correct } else { Outcome::Wrong },
        error: None,
        answer: Some(answer.to_owned()),
        gold: gold.to_owned(),
        marks: BTreeMap::new(),
        nll: Some(made.nats[at] * (0.7 + 0.6 * noise(&[&name, layout, "nll"]) + 0.1 * n("nll"))),
        nll_tokens: 5,
        prompt_tokens: 52 + (item % 9) as u32,
        agents,
        wall_ms: spent + 0.05 + 0.02 * n("e"),
        overhead_ms: 0.05,
        energy_j: BTreeMap::new(),
        peak_memory: 41_000_000,
    }
}

/// The record of a run of those arms.
pub(crate) fn record(name: &str, arms: &[Made], items: u64) -> RunRecord {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    RunRecord {
        run: serde_json::json!({"name": name, "models": {"a": "pocket-a"}, "seed": 1}),
        run_sha256: "ab".repeat(32),
        arms: arms
            .iter()
            .map(|made| ArmRecord {
                id: made.id.to_owned(),
                label: made.label.to_owned(),
                kind: made.kind,
                latent_steps: made.steps,
                about: "What it does.".to_owned(),
            })
            .collect(),
        items,
        audits: Vec::new(),
        provenance: Provenance {
            versions: map(&[("avp-bench", "0.1.0")]),
            machine: map(&[("processor", "two cores"), ("threads", "1")]),
            models: BTreeMap::from([("a".to_owned(), map(&[("name", "pocket-a"), ("device", "cpu")]))]),
            started: "2026-11-20T18:00:00Z".to_owned(),
            ..Provenance::default()
        },
    }
}

/// A run of all arms in both layouts, right as often as [`Made::right`] says.
pub(crate) fn whole(items: u64) -> Merged {
    let mut traces = Vec::new();
    for (at, layout) in ["withheld", "repeated"].into_iter().enumerate() {
        for made in &ARMS {
            for item in 0..items {
                // What is hard for one arm is hard for the others, mostly.
                let name = item.to_string();
                let luck = 0.7 * noise(&[&name, layout]) + 0.3 * noise(&[&name, layout, made.id]);
                traces.push(trace(made, layout, item, luck * 100.0 < made.right[at] as f64));
            }
        }
    }
    Merged::new(record("pocket-synthetic", &ARMS, items), traces)
}

/// A run of some arms in the withheld layout, with the outcomes that are given.
pub(crate) fn told(arms: &[(Made, &[bool])]) -> Merged {
    let items = arms.iter().map(|(_, right)| right.len()).max().unwrap_or(0) as u64;
    let made: Vec<Made> = arms.iter().map(|(made, _)| *made).collect();
    let traces = arms.iter().flat_map(|(made, outcomes)| {
        (0..).zip(*outcomes).map(|(item, &right)| trace(made, "withheld", item, right))
    });
    Merged::new(record("told", &made, items), traces.collect())
}

/// An arm of [`ARMS`].
pub(crate) fn arm(id: &str) -> Made {
    ARMS.into_iter().find(|made| made.id == id).unwrap_or(ARMS[0])
}

/// Writes a run as `merge` leaves it.
pub(crate) fn save(run: &Merged, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("record.json"), serde_json::to_vec_pretty(&run.record)?)?;
    let mut lines = Vec::new();
    for trace in &run.traces {
        serde_json::to_writer(&mut lines, trace)?;
        lines.push(b'\n');
    }
    std::fs::write(folder.join("traces.jsonl"), lines)
}
