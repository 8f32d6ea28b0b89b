//! An arm's items → its line in the tables.

use serde::Serialize;

use super::paired::Samples;
use super::sample::{Phases, Sample, Tokens};
use crate::record::{ArmKind, ArmRecord};
use crate::stats::{Bootstrap, Interval, mean, median, paired_t, wilson};
use crate::trace::{Outcome, Trace};

/// An arm on a task in a layout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// As traces have it.
    pub arm: String,
    /// As tables have it.
    pub label: String,
    /// What it is for.
    pub kind: ArmKind,
    /// Latent steps, where it has some.
    pub latent_steps: Option<u32>,
    /// Items with an answer.
    pub items: u64,
    /// Answers by outcome.
    pub outcomes: Outcomes,
    /// Share of right answers with Wilson's interval, an item counting once.
    pub accuracy: Interval,
    /// Tokens of an answer: means.
    pub tokens: Tokens,
    /// Milliseconds of an answer by phase: means.
    pub phases: Phases,
    /// Milliseconds of an answer: the median.
    pub wall_ms: f64,
    /// Milliseconds of an answer: the mean, which phases add up to.
    pub mean_wall_ms: f64,
    /// Milliseconds from the last agent's prompt to its first token: the median.
    pub first_token_ms: f64,
    /// Part of the time in which neither a model nor the codec worked.
    pub overhead: f64,
    /// Joules an answer, over all counters: the mean with its bootstrap interval, 95 %, where they were read for every item.
    pub energy_j: Option<Interval>,
    /// Bytes on the wire an answer: the mean.
    pub wire_bytes: f64,
    /// Messages an answer: the mean.
    pub hops: f64,
    /// Tokens that a single agent would read: the mean.
    pub prompt_tokens: f64,
    /// Nats a token of the gold answer.
    pub nll_a_token: Option<f64>,
    /// What the gold answer becomes likelier by than without a context, in bits an item, with Student's interval, 95 %.
    pub gained_bits: Option<Interval>,
    /// The same for each 1000 bytes on the wire.
    pub bits_a_kb: Option<f64>,
    /// Resident memory at its highest, in bytes.
    pub peak_memory: u64,
}

/// How many answers came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// The scorer took it.
    pub correct: u64,
    /// It did not.
    pub wrong: u64,
    /// There was none.
    pub no_answer: u64,
    /// It was cut.
    pub truncated: u64,
    /// The machine failed; left out of every share.
    pub error: u64,
}

impl Outcomes {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Correct => &mut self.correct,
            Outcome::Wrong => &mut self.wrong,
            Outcome::NoAnswer => &mut self.no_answer,
            Outcome::Truncated => &mut self.truncated,
            Outcome::Error => &mut self.error,
        } += 1;
    }
}

impl Summary {
    /// Sums an arm up: its traces, the items made of them, and those of the control without a context.
    #[must_use]
    pub fn of(
        arm: &ArmRecord,
        traces: &[&Trace],
        samples: &Samples<'_>,
        no_context: Option<&Samples<'_>>,
    ) -> Self {
        let mut outcomes = Outcomes::default();
        traces.iter().for_each(|trace| outcomes.count(trace.outcome));
        let items = samples.len() as u64;
        let average = |of: &dyn Fn(&Sample) -> f64| mean(samples.values().map(of));
        let share = average(&Sample::share);
        let (low, high) = wilson(share, items as f64);
        let mean_wall_ms = average(&|sample| sample.wall_ms);
        let wire_bytes = average(&|sample| sample.wire_bytes);
        let mut nll = (0.0, 0.0);
        for (nats, tokens) in samples.values().filter_map(|sample| Some((sample.nll?, sample.nll_tokens))) {
            nll = (nll.0 + nats, nll.1 + f64::from(tokens));
        }
        let gained_bits = no_context.and_then(|without| gained(samples, without));
        Self {
            arm: arm.id.clone(),
            label: arm.label.clone(),
            kind: arm.kind,
            latent_steps: arm.latent_steps,
            items,
            outcomes,
            accuracy: Interval { estimate: share, low, high },
            tokens: Tokens {
                fresh: average(&|sample| sample.tokens.fresh),
                pasted: average(&|sample| sample.tokens.pasted),
                latent: average(&|sample| sample.tokens.latent),
                decoded: average(&|sample| sample.tokens.decoded),
                reused: average(&|sample| sample.tokens.reused),
            },
            phases: Phases {
                prefill: average(&|sample| sample.phases.prefill),
                latent: average(&|sample| sample.phases.latent),
                encode: average(&|sample| sample.phases.encode),
                decode: average(&|sample| sample.phases.decode),
                generate: average(&|sample| sample.phases.generate),
            },
            wall_ms: median(samples.values().map(|sample| sample.wall_ms)),
            mean_wall_ms,
            first_token_ms: median(samples.values().map(|sample| sample.first_token_ms)),
            overhead: average(&|sample| sample.overhead_ms) / mean_wall_ms,
            energy_j: energy(samples),
            wire_bytes,
            hops: average(&|sample| sample.hops),
            prompt_tokens: average(&|sample| f64::from(sample.prompt_tokens)),
            nll_a_token: (nll.1 > 0.0).then(|| nll.0 / nll.1),
            gained_bits,
            bits_a_kb: gained_bits
                .filter(|_| wire_bytes > 0.0)
                .map(|bits| bits.estimate / (wire_bytes / 1000.0)),
            peak_memory: traces.iter().map(|trace| trace.peak_memory).max().unwrap_or(0),
        }
    }

    /// Milliseconds in which a model worked, or the harness: all but the codec.
    #[must_use]
    pub fn compute_ms(&self) -> f64 {
        (self.wall_ms - self.phases.codec()).max(0.0)
    }
}

fn energy(samples: &Samples<'_>) -> Option<Interval> {
    let joules: Option<Vec<f64>> = samples.values().map(|sample| sample.energy_j).collect();
    joules.filter(|joules| !joules.is_empty()).map(|joules| Bootstrap::default().mean(&joules))
}

/// Bits by which the gold answer is likelier than without a context.
fn gained(samples: &Samples<'_>, without: &Samples<'_>) -> Option<Interval> {
    let bits = |(item, sample): (&&str, &Sample)| {
        Some((without.get(*item)?.nll? - sample.nll?) / std::f64::consts::LN_2)
    };
    let gained: Vec<f64> = samples.iter().filter_map(bits).collect();
    Some(paired_t(&gained)?.interval(0.95))
}
