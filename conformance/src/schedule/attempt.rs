//! One case in one child: its steps in order.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tempfile::TempDir;

use super::starter::{Child, scaled};
use super::tamper::tamper;
use super::{CASE_LIMIT, RunOptions};
use crate::adapter::{Blob, Lost, Request};
use crate::case::{Case, PartData, SCRATCH, Step};
use crate::http::{Peer, is_peer_op};
use crate::judge::{Observed, Reply, Took, resolve_from};

/// Most files of a case's own folder that are listed: a case asks for a handful.
const MAX_FILES: usize = 1000;

/// How long an answer may take to what only claims to be large, unless half of the case's own time limit is less. Whoever
/// looks at the claim answers in microseconds, an interpreter in milliseconds, and what may be inflated until a limit of
/// 64 MiB in a tenth of a second; whoever works through what is claimed needs seconds.
pub const AT_ONCE: Duration = Duration::from_secs(1);

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

    /// Whether an answer came, and took longer than it may.
    pub(super) fn slow(&self) -> bool {
        self.observed.iter().any(|seen| seen.took.is_some_and(Took::too_long))
    }
}

/// Asks the steps of a case in order. It ends with the first that gets no answer or can't be sent.
pub(super) fn attempt(case: &Case, child: &mut Child, options: &RunOptions<'_>) -> Attempt {
    let limit = limit_of(case, options);
    let started = Instant::now();
    let mut observed: Vec<Observed> = Vec::with_capacity(case.steps.len());
    // A fresh one for every attempt, gone with it.
    let scratch = case.steps.iter().any(Step::uses_scratch).then(TempDir::new).transpose();
    let mut peer = Peer::new(options.timeout_scale);
    for step in &case.steps {
        let request = match &scratch {
            Ok(scratch) => {
                let folder = scratch.as_ref().map(TempDir::path);
                let tampered = folder.map_or(Ok(()), |folder| tamper(folder, &step.tamper));
                tampered.and_then(|()| request_of(case, step, &observed, folder))
            }
            Err(error) => Err(format!("no folder for the case: {error}")),
        };
        let request = match request {
            Ok(request) => request,
            Err(why) => {
                let reply = Reply::NotSent(why);
                observed.push(Observed { request: None, reply, rss_growth: None, took: None, files: None });
                break;
            }
        };
        let before = step.rss_growth_mib.and_then(|_| {
            child.instance.reset_peak();
            child.instance.peak_rss()
        });
        let asked = Instant::now();
        let reply = if is_peer_op(&request.op) {
            let taken = peer.answer(&request, &child.instance.stderr_tail());
            taken.map_or_else(Reply::NotSent, Reply::Answered)
        } else {
            let reply = child.instance.exchange(&request, limit);
            if let Ok(answer) = &reply {
                peer.learn(&request, answer);
            }
            reply.map_or_else(Reply::Lost, Reply::Answered)
        };
        let time = asked.elapsed();
        let took =
            step.rss_growth_mib.map(|_| Took { time, limit: limit.min(scaled(AT_ONCE * 2, options)) / 2 });
        let after = before.and_then(|_| child.instance.peak_rss());
        let rss_growth = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        let over = !matches!(reply, Reply::Answered(_));
        let folder = step.files.is_some().then_some(scratch.as_ref().ok().and_then(Option::as_ref)).flatten();
        let files = folder.and_then(|folder| {
            let mut files = Vec::new();
            list_files(folder.path(), "", &mut files).ok().map(|()| files)
        });
        observed.push(Observed { request: Some(request), reply, rss_growth, took, files });
        if over {
            break;
        }
    }
    Attempt { observed, took: started.elapsed() }
}

/// Time limit of each step of a case.
pub(super) fn limit_of(case: &Case, options: &RunOptions<'_>) -> Duration {
    scaled(case.timeout_ms.map_or(CASE_LIMIT, Duration::from_millis), options)
}

/// Paths of all files under a folder, sorted, with `/` between their parts.
fn list_files(folder: &Path, name: &str, into: &mut Vec<String>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if into.len() >= MAX_FILES {
            break;
        }
        let path = format!("{name}{}", entry.file_name().to_string_lossy());
        // Links are listed, not followed.
        match entry.file_type()?.is_dir() {
            true => list_files(&entry.path(), &format!("{path}/"), into)?,
            false => into.push(path),
        }
    }
    Ok(())
}

/// The value with the paths of the case's own folder filled in.
fn with_paths(value: Value, scratch: Option<&Path>) -> Result<Value, String> {
    Ok(match value {
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| with_paths(item, scratch)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => match map.get(SCRATCH).and_then(Value::as_str) {
            Some(name) => {
                let folder = scratch.ok_or("the case has no folder of its own")?;
                Value::String(folder.join(name).to_string_lossy().into_owned())
            }
            None => {
                let member = |(key, value)| Ok((key, with_paths(value, scratch)?));
                Value::Object(map.into_iter().map(member).collect::<Result<_, String>>()?)
            }
        },
        other => other,
    })
}

/// The request of a step, with what it takes from earlier answers, and paths in the case's own folder.
///
/// # Errors
/// A sentence when an earlier answer lacks what is needed.
pub(super) fn request_of(
    case: &Case,
    step: &Step,
    observed: &[Observed],
    scratch: Option<&Path>,
) -> Result<Request, String> {
    let member = |(key, value): (&String, &Value)| {
        Ok((key.clone(), with_paths(resolve_from(value, observed)?, scratch)?))
    };
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
