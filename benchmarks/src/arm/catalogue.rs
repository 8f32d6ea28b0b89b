//! Every arm in words, for `avp-bench list arms` and for reports.

use super::{Arm, Cache, CacheKind, RosettaKind};
use crate::record::ArmKind;

/// An arm, whatever its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id, with N for latent steps, K for vectors and M for a model's name.
    pub form: &'static str,
    /// For a table.
    pub label: &'static str,
    /// What it is for.
    pub kind: ArmKind,
    /// One sentence.
    pub about: &'static str,
}

/// Every arm, in the order of reports.
pub const CATALOGUE: [Entry; 20] = [
    Entry {
        form: "direct",
        label: "Direct",
        kind: ArmKind::Direct,
        about: "One agent reads everything and answers.",
    },
    Entry {
        form: "prompt-matched",
        label: "Direct, last prompt",
        kind: ArmKind::Direct,
        about: "One agent answers the last agent's prompt, given in it what the first agent reads; where a task's last prompt is its direct one, this repeats Direct.",
    },
    Entry {
        form: "latent@N",
        label: "Latent",
        kind: ArmKind::Latent,
        about: "Every agent before the last one reads and takes N latent steps; its KV-cache goes to the next agent by AVP. Caches of agents that read each for itself are put together.",
    },
    Entry {
        form: "sequential@N",
        label: "Latent, own positions",
        kind: ArmKind::Latent,
        about: "Of its KV-cache each agent hands on what it added, without what it was given; for tasks with more than two agents in a chain.",
    },
    Entry {
        form: "chained@N",
        label: "Latent, chained",
        kind: ArmKind::Latent,
        about: "The agents of a fan-out read one after another on one growing KV-cache; for tasks with a fan-out.",
    },
    Entry {
        form: "text",
        label: "Text",
        kind: ArmKind::Text,
        about: "Every agent before the last one writes a note, which is pasted into the prompts of those that are given it.",
    },
    Entry {
        form: "text-cross:M",
        label: "Text",
        kind: ArmKind::Text,
        about: "Another model reads and writes the notes.",
    },
    Entry {
        form: "rosetta@K:M",
        label: "Rosetta",
        kind: ArmKind::Rosetta,
        about: "Another model reads; its last K hidden states, projected, stand before the last prompt (K of each agent that reads for itself).",
    },
    Entry {
        form: "no-context",
        label: "No context",
        kind: ArmKind::Control,
        about: "The last prompt alone.",
    },
    Entry {
        form: "prefix",
        label: "Prefix",
        kind: ArmKind::Control,
        about: "The KV-cache without latent steps: what caching a prefix gives.",
    },
    Entry {
        form: "latent-only@N",
        label: "Latent steps alone",
        kind: ArmKind::Control,
        about: "Of the KV-cache the positions of latent steps alone, those of all agents so far, moved to the front.",
    },
    Entry {
        form: "foreign@N",
        label: "Foreign cache",
        kind: ArmKind::Control,
        about: "The KV-cache of another item, of as many tokens.",
    },
    Entry {
        form: "shuffled@N",
        label: "Shuffled cache",
        kind: ArmKind::Control,
        about: "The positions of the KV-cache in random order, keys turned to where they now stand.",
    },
    Entry {
        form: "noise@N",
        label: "Noise",
        kind: ArmKind::Control,
        about: "Normal numbers in place of the KV-cache, with the mean and deviation of each layer and head.",
    },
    Entry {
        form: "zero@N",
        label: "Zeros",
        kind: ArmKind::Control,
        about: "Zeros in place of the KV-cache.",
    },
    Entry {
        form: "rosetta-mean@K:M",
        label: "Mean embedding",
        kind: ArmKind::Control,
        about: "K times the mean input embedding in place of projected states.",
    },
    Entry {
        form: "rosetta-random@K:M",
        label: "Random vectors",
        kind: ArmKind::Control,
        about: "K random vectors of an embedding's mean length in place of projected states.",
    },
    Entry {
        form: "rosetta-foreign@K:M",
        label: "Foreign states",
        kind: ArmKind::Control,
        about: "Projected states of another item, of as many tokens.",
    },
    Entry {
        form: "oracle",
        label: "Oracle",
        kind: ArmKind::Oracle,
        about: "All prompts as tokens in one pass, held against the cache that is handed on from prompt to prompt; its disagreement stops the run.",
    },
    Entry {
        form: "all",
        label: "All",
        kind: ArmKind::Control,
        about: "Stands for every arm that the run's models allow, but for sequential and chained, which not every task has.",
    },
];

/// An arm's entry.
pub(super) fn entry(arm: &Arm) -> &'static Entry {
    let index = match arm {
        Arm::Direct => 0,
        Arm::PromptMatched => 1,
        Arm::Cache(Cache { steps: 0, kind: CacheKind::Whole }) => 9,
        Arm::Cache(Cache { kind: CacheKind::Whole, .. }) => 2,
        Arm::Cache(Cache { kind: CacheKind::Sequential, .. }) => 3,
        Arm::Cache(Cache { kind: CacheKind::Chained, .. }) => 4,
        Arm::Text(None) => 5,
        Arm::Text(Some(_)) => 6,
        Arm::Rosetta(rosetta) => match rosetta.kind {
            RosettaKind::Projected => 7,
            RosettaKind::Mean => 15,
            RosettaKind::Random => 16,
            RosettaKind::Foreign => 17,
        },
        Arm::NoContext => 8,
        Arm::Cache(Cache { kind: CacheKind::LatentOnly, .. }) => 10,
        Arm::Cache(Cache { kind: CacheKind::Foreign, .. }) => 11,
        Arm::Cache(Cache { kind: CacheKind::Shuffled, .. }) => 12,
        Arm::Cache(Cache { kind: CacheKind::Noise, .. }) => 13,
        Arm::Cache(Cache { kind: CacheKind::Zero, .. }) => 14,
        Arm::Oracle => 18,
    };
    &CATALOGUE[index]
}
