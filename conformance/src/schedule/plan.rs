//! Which cases are asked, in which order, and which of them share a window.

use std::cmp::Reverse;

use serde_json::Value;

use super::RunOptions;
use crate::adapter::Hello;
use crate::build::SplitMix64;
use crate::case::{Case, PartData, Source, Step};
use crate::http::is_peer_op;

/// Most cases in one unit: a stop by hand waits for a unit.
const UNIT: usize = 64;

/// Windows that a unit fills, so that the pipe runs dry only once in a while.
const WINDOWS: usize = 4;

/// What a worker takes at a time: indices of cases.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unit {
    /// Single-step cases, one request each.
    Together(Vec<usize>),
    /// A case that wants the child for itself.
    Alone(usize),
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// What failed before stands first, then cases with servers and clients: some of them wait for seconds, and others can
    /// be asked meanwhile.
    pub(super) units: Vec<Unit>,
    /// How many of the units are of these two kinds.
    pub(super) peers: usize,
    /// Cases that are not asked, and why.
    pub(super) not_applicable: Vec<(usize, String)>,
}

impl Plan {
    pub(super) fn new(cases: &[Case], hello: &Hello, options: &RunOptions<'_>) -> Self {
        let mut asked = Vec::with_capacity(cases.len());
        let mut not_applicable = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            match hello.reason_to_skip(case) {
                Some(why) => not_applicable.push((index, why)),
                None => asked.push(index),
            }
        }
        if !options.in_order {
            SplitMix64::new(options.seed).shuffle(&mut asked);
        }
        // What failed before is asked first: whoever fixed it waits for that alone.
        let failed_before = |index: &usize| cases[*index].source == Source::Counterexample;
        asked.sort_by_key(|index| !failed_before(index));
        let most = (hello.inflight * WINDOWS).min(UNIT);
        let mut units = Vec::new();
        let mut peers: Vec<usize> = Vec::new();
        if !options.in_order {
            let with_peers = |index: &usize| {
                failed_before(index) || cases[*index].steps.iter().any(|step| is_peer_op(&step.op))
            };
            (peers, asked) = asked.into_iter().partition(with_peers);
            // Who waits longest begins first.
            peers.sort_by_key(|index| (!failed_before(index), Reverse(waits(&cases[*index]))));
            units.extend(peers.iter().map(|index| Unit::Alone(*index)));
        }
        let mut together = Vec::new();
        for index in asked {
            if !shares(&cases[index]) {
                units.push(Unit::Alone(index));
                continue;
            }
            together.push(index);
            if together.len() == most {
                units.push(Unit::Together(std::mem::take(&mut together)));
            }
        }
        if !together.is_empty() {
            units.push(Unit::Together(together));
        }
        Self { units, peers: peers.len(), not_applicable }
    }
}

/// Milliseconds that a case spends waiting because it says so.
fn waits(case: &Case) -> u64 {
    let of = |step: &Step| {
        let within = step.args.get("within_ms").and_then(Value::as_u64).filter(|_| step.op == "peer_wait");
        let timeout = step.args.get("timeout_s").and_then(Value::as_f64).filter(|_| step.op == "call");
        within.unwrap_or_else(|| timeout.map_or(0, |seconds| (seconds * 1000.0) as u64))
    };
    case.steps.iter().map(of).sum()
}

/// Whether a case is one request that may be in flight among others.
fn shares(case: &Case) -> bool {
    let [step] = &case.steps[..] else { return false };
    case.timeout_ms.is_none()
        && !is_peer_op(&step.op)
        && step.rss_growth_mib.is_none()
        && !step.uses_scratch()
        && step.parts.iter().all(|part| matches!(part.data, PartData::Bytes(_)))
}
