//! TRACES → an item under an arm: the mean of its replicates, the unit of every statistic.

use crate::trace::{Ledger, Outcome, Times, Trace};

/// An item under an arm, over its replicates. Traces that ended in an error say nothing about the arm, and are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Right answers.
    pub right: u32,
    /// Answers.
    pub of: u32,
    /// Nats over the gold answer's tokens.
    pub nll: Option<f64>,
    /// Tokens of the gold answer.
    pub nll_tokens: u32,
    /// What a single agent would read.
    pub prompt_tokens: u32,
    /// Of one answer.
    pub wall_ms: f64,
    /// Of that, the harness.
    pub overhead_ms: f64,
    /// Joules over all counters, where all traces have some.
    pub energy_j: Option<f64>,
    /// Over all agents.
    pub tokens: Tokens,
    /// Over all agents.
    pub phases: Phases,
    /// Over all hops.
    pub wire_bytes: f64,
    /// Agents that were sent something.
    pub hops: f64,
    /// Until the last agent's first token, from its own prompt on.
    pub first_token_ms: f64,
}

/// Where the tokens of one answer came from; no token counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Tokens {
    /// Computed from the agents' own prompts.
    pub fresh: f64,
    /// Computed from text that another agent wrote.
    pub pasted: f64,
    /// Latent steps and projected vectors.
    pub latent: f64,
    /// Written.
    pub decoded: f64,
    /// Attended to in a received cache, not computed.
    pub reused: f64,
}

impl Tokens {
    /// Positions that a model computed: everything but what was reused.
    #[must_use]
    pub fn computed(&self) -> f64 {
        self.fresh + self.pasted + self.latent + self.decoded
    }

    fn add(&mut self, ledger: &Ledger) {
        self.fresh += ledger.prefill.saturating_sub(ledger.pasted) as f64;
        self.pasted += ledger.pasted as f64;
        self.latent += ledger.latent as f64;
        self.decoded += ledger.decoded as f64;
        self.reused += ledger.reused as f64;
    }

    /// Each number times `factor`.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        let Self { fresh, pasted, latent, decoded, reused } = *self;
        Self {
            fresh: fresh * factor,
            pasted: pasted * factor,
            latent: latent * factor,
            decoded: decoded * factor,
            reused: reused * factor,
        }
    }
}

/// Milliseconds of one answer by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Phases {
    /// Reading prompts.
    pub prefill: f64,
    /// Latent steps.
    pub latent: f64,
    /// Making messages.
    pub encode: f64,
    /// Reading them.
    pub decode: f64,
    /// Writing text.
    pub generate: f64,
}

impl Phases {
    /// The codec's part.
    #[must_use]
    pub fn codec(&self) -> f64 {
        self.encode + self.decode
    }

    fn add(&mut self, times: &Times) {
        self.prefill += times.prefill_ms;
        self.latent += times.latent_ms;
        self.encode += times.encode_ms;
        self.decode += times.decode_ms;
        self.generate += times.generate_ms;
    }
}

impl Sample {
    /// The mean over traces of one item under one arm; `None` where all of them failed.
    #[must_use]
    pub fn of<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Option<Self> {
        let mut sum = Self::default();
        let (mut nll, mut nlls) = (0.0, 0_u32);
        let mut energy = Some(0.0);
        for trace in traces.into_iter().filter(|trace| trace.outcome != Outcome::Error) {
            sum.of += 1;
            sum.right += u32::from(trace.outcome == Outcome::Correct);
            if let Some(value) = trace.nll.filter(|value| value.is_finite()) {
                nll += value;
                nlls += 1;
                sum.nll_tokens = trace.nll_tokens;
            }
            sum.prompt_tokens = trace.prompt_tokens;
            sum.wall_ms += trace.wall_ms;
            sum.overhead_ms += trace.overhead_ms;
            energy = energy.zip(trace.energy_j()).map(|(sum, more)| sum + more);
            sum.wire_bytes += trace.wire_bytes() as f64;
            for agent in &trace.agents {
                sum.tokens.add(&agent.ledger);
                sum.phases.add(&agent.times);
                sum.hops += f64::from(u8::from(agent.ledger.wire_bytes > 0));
            }
            sum.first_token_ms += trace.agents.last().map_or(0.0, |agent| agent.times.first_token_ms);
        }
        if sum.of == 0 {
            return None;
        }
        let part = 1.0 / f64::from(sum.of);
        let Phases { prefill, latent, encode, decode, generate } = sum.phases;
        Some(Self {
            nll: (nlls > 0).then(|| nll / f64::from(nlls)),
            wall_ms: sum.wall_ms * part,
            overhead_ms: sum.overhead_ms * part,
            energy_j: energy.map(|joules| joules * part),
            tokens: sum.tokens.times(part),
            phases: Phases {
                prefill: prefill * part,
                latent: latent * part,
                encode: encode * part,
                decode: decode * part,
                generate: generate * part,
            },
            wire_bytes: sum.wire_bytes * part,
            hops: sum.hops * part,
            first_token_ms: sum.first_token_ms * part,
            ..sum
        })
    }

    /// Share of right answers.
    #[must_use]
    pub fn share(&self) -> f64 {
        f64::from(self.right) / f64::from(self.of)
    }
}
