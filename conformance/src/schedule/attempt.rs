//! One case in one child: its steps in order.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::starter::{Child, scaled};
use super::{CASE_LIMIT, RunOptions};
use crate::adapter::{Blob, Lost, Request};
use crate::case::{Case, PartData, Step};
use crate::judge::{Observed, Reply, resolve_from};

/// What came of a case in one child.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) observed: Vec<Observed>,
    pub(super) took: Duration,
}

impl Attempt {
    /// How the answer was lost, when it was.
    pub(super) fn lost(&self) -> Option<&Lost> {
        match &self.observed.last()?.reply {
            Reply::Lost(lost) => Some(lost),
            Reply::Answered(_) | Reply::NotSent(_) => None,
        }
    }
}

/// Asks the steps of a case in order. It ends with the first that gets no answer or can't be sent.
pub(super) fn attempt(case: &Case, child: &mut Child, options: &RunOptions<'_>) -> Attempt {
    let limit = limit_of(case, options);
    let started = Instant::now();
    let mut observed: Vec<Observed> = Vec::with_capacity(case.steps.len());
    for step in &case.steps {
        let request = match request_of(case, step, &observed) {
            Ok(request) => request,
            Err(why) => {
                observed.push(Observed { request: None, reply: Reply::NotSent(why), rss_growth: None });
                break;
            }
        };
        let before = step.rss_growth_mib.and_then(|_| {
            child.instance.reset_peak();
            child.instance.peak_rss()
        });
        let reply = child.instance.exchange(&request, limit);
        let after = before.and_then(|_| child.instance.peak_rss());
        let rss_growth = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        let lost = reply.is_err();
        let reply = reply.map_or_else(Reply::Lost, Reply::Answered);
        observed.push(Observed { request: Some(request), reply, rss_growth });
        if lost {
            break;
        }
    }
    Attempt { observed, took: started.elapsed() }
}

/// Time limit of each step of a case.
pub(super) fn limit_of(case: &Case, options: &RunOptions<'_>) -> Duration {
    scaled(case.timeout_ms.map_or(CASE_LIMIT, Duration::from_millis), options)
}

/// The request of a step, with what it takes from earlier answers.
///
/// # Errors
/// A sentence when an earlier answer lacks what is needed.
pub(super) fn request_of(case: &Case, step: &Step, observed: &[Observed]) -> Result<Request, String> {
    let member = |(key, value): (&String, &Value)| Ok((key.clone(), resolve_from(value, observed)?));
    let args: Map<String, Value> = step.args.iter().map(member).collect::<Result<_, String>>()?;
    let mut parts = Vec::with_capacity(step.parts.len());
    for part in &step.parts {
        let bytes = match &part.data {
            PartData::Bytes(bytes) => bytes.clone(),
            PartData::FromStep { step, part } => {
                let answered = observed.get(*step).and_then(|seen| seen.answered_part(part));
                let blob = answered.ok_or_else(|| format!("step {} gave no part `{part}`", step + 1))?;
                blob.bytes.clone()
            }
        };
        parts.push(Blob {
            name: part.name.clone(),
            dtype: part.dtype.map(|dtype| dtype.as_str().to_owned()),
            shape: part.shape.clone(),
            bytes,
        });
    }
    Ok(Request { op: step.op.clone(), spec: case.spec.as_str(), args, parts })
}
