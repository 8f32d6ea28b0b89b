//! The record of a run: its file with every default written out, and what it ran on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Beside the traces of every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// The run file, every default printed.
    pub run: serde_json::Value,
    /// SHA-256 of that in canonical JSON: what a folder belongs to.
    pub run_sha256: String,
    /// Arms in the order of the run file, with what the reader should know of each.
    pub arms: Vec<ArmRecord>,
    /// Items of the run, all shards together.
    pub items: u64,
    /// What each task's scorer made of answers that are known, before the run.
    #[serde(default)]
    pub audits: Vec<Audit>,
    /// Where it ran.
    pub provenance: Provenance,
}

/// An arm as reports name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmRecord {
    /// As traces have it.
    pub id: String,
    /// For a table: `Latent, 10 steps`.
    pub label: String,
    /// What kind of arm it is.
    pub kind: ArmKind,
    /// Latent steps, where the arm has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent_steps: Option<u32>,
    /// One sentence.
    pub about: String,
}

/// What an arm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArmKind {
    /// One agent reads everything.
    Direct,
    /// KV-cache of the same model, by AVP.
    Latent,
    /// Text between agents.
    Text,
    /// Projected hidden states of another model.
    Rosetta,
    /// What a hand-off must beat, or must not: the same last prompt with less, other or destroyed context.
    Control,
    /// The harness's own check.
    Oracle,
}

/// A task's scorer, tried on answers that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The task.
    pub task: String,
    /// Its items.
    pub items: u64,
    /// Items whose own answer is taken: all, of a scorer that works.
    pub gold: u64,
    /// Items that an empty answer is right for: none.
    pub empty: u64,
    /// Items that the next item's answer is right for, where that is another one: none.
    pub foreign: u64,
    /// Items whose next one has another answer.
    pub foreign_of: u64,
    /// Replies that look like an answer and are none, and are taken for one: none.
    #[serde(default)]
    pub cheats: u64,
    /// Such replies.
    #[serde(default)]
    pub cheats_of: u64,
    /// A task of which some of the data's own answers are not right: their share is the ceiling of every arm.
    #[serde(default)]
    pub ceiling: bool,
    /// The upstream project's rules judge: what they take for right is shown, and stops nothing.
    #[serde(default)]
    pub shown_only: bool,
}

/// What a run ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Versions of this program, of the runtime and of the protocol.
    pub versions: BTreeMap<String, String>,
    /// The commit of the sources, where they are a checkout, as it stands when the run begins; with `+` behind it where they were
    /// changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Of each model: its name, the SHA-256 of its weights and of its tokenizer, element type, device.
    pub models: BTreeMap<String, BTreeMap<String, String>>,
    /// Of each task's data, and of its descriptor where it has one: SHA-256.
    pub data: BTreeMap<String, String>,
    /// Processor or card, threads, system.
    pub machine: BTreeMap<String, String>,
    /// When it began, UTC, RFC 3339.
    pub started: String,
}
