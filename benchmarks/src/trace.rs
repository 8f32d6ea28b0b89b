//! What a run writes down: one line for each item under each arm, flushed as it is done.
//!
//! Everything but [`Times`], energy and the peak of memory is a function of the run file, the models and the data. The results' hash
//! leaves those out, so that it is the same for every order, shard and resumption.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How an answer came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The scorer took it.
    Correct,
    /// An answer was found, another one.
    Wrong,
    /// No answer was found in what the model wrote.
    NoAnswer,
    /// The last token that was allowed came before an answer.
    Truncated,
    /// The model, the codec or the machine failed; says nothing about the arm.
    Error,
}

/// One item under one arm, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Of which task the item is.
    pub task: String,
    /// Whether the last agent's prompt repeats what the first one read: `repeated` or `withheld`.
    pub layout: String,
    /// The item's id; items are the clusters of every statistic.
    pub item: String,
    /// The arm's id, such as `latent@10`.
    pub arm: String,
    /// From 0.
    pub replicate: u32,
    /// How it came out.
    pub outcome: Outcome,
    /// What failed, where the outcome is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the scorer took for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What it should be.
    pub gold: String,
    /// Further marks of the answer by name, each from 0 to 1: `compat` by the upstream project's scorer, `f1` of words, and so on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, f64>,
    /// Negative log-likelihood of the gold answer behind the last agent's prompt, teacher-forced, in nats over all of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nll: Option<f64>,
    /// Tokens of the gold answer.
    #[serde(default)]
    pub nll_tokens: u32,
    /// Tokens of the item's prompt to a single agent: what accuracy is shown against.
    pub prompt_tokens: u32,
    /// In the order of their turns; the last one answers.
    pub agents: Vec<AgentTrace>,
    /// From the first agent's prompt to the last token, in milliseconds. Left out: scoring, the teacher-forced pass, and what a
    /// control does to a context, which nobody would do.
    pub wall_ms: f64,
    /// The part of that in which neither a model nor the codec worked: the harness itself, in milliseconds.
    pub overhead_ms: f64,
    /// Joules over the same time, by counter: `package-0` of the processor, `card-0`. All that the package or the card used then,
    /// whoever used it. Empty where none can be read; the run's record says why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub energy_j: BTreeMap<String, f64>,
    /// Resident memory at its highest since the run began, in bytes; 0 where it can't be read.
    pub peak_memory: u64,
}

/// One agent's turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTrace {
    /// The role, such as `reader`.
    pub role: String,
    /// Which of the run's models.
    pub model: String,
    /// SHA-256 of the prompt's tokens, each as four little-endian bytes, in hex: what the model read, whatever rendered it.
    pub prompt_sha256: String,
    /// What the agent wrote; empty where it only thought.
    pub text: String,
    /// Tokens and bytes.
    pub ledger: Ledger,
    /// Where the time went.
    pub times: Times,
}

/// Where an agent's tokens came from, and what went over the wire to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Positions computed from the prompt's tokens, pasted ones included.
    pub prefill: u64,
    /// Of those, the tokens of text that another agent wrote.
    pub pasted: u64,
    /// Positions of the received KV-cache: attended to, not computed.
    pub reused: u64,
    /// Positions computed from vectors rather than tokens: latent steps, and what another model's states were projected to.
    pub latent: u64,
    /// Tokens written.
    pub decoded: u64,
    /// Bytes of the message that brought the context or the text; 0 where nothing was sent.
    pub wire_bytes: u64,
}

/// Milliseconds of an agent's phases; a phase that did not happen took none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Reading the prompt.
    pub prefill_ms: f64,
    /// Latent steps.
    pub latent_ms: f64,
    /// Making the message, a projection onto another model included.
    pub encode_ms: f64,
    /// Reading it again.
    pub decode_ms: f64,
    /// Writing text, the first token included.
    pub generate_ms: f64,
    /// From the start of this agent's prefill to its first token.
    pub first_token_ms: f64,
}

impl Trace {
    /// What makes it one: no two lines of a run share it, and merged runs are sorted by it.
    #[must_use]
    pub fn key(&self) -> (&str, &str, &str, &str, u32) {
        (&self.task, &self.layout, &self.item, &self.arm, self.replicate)
    }

    /// Joules over all counters; nothing where none was read.
    #[must_use]
    pub fn energy_j(&self) -> Option<f64> {
        (!self.energy_j.is_empty()).then(|| self.energy_j.values().sum())
    }

    /// Bytes over all hops.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.agents.iter().fold(0, |sum, agent| sum.saturating_add(agent.ledger.wire_bytes))
    }
}
