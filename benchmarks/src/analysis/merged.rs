//! FOLDER → TRACES: what `merge` left, checked.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::mark::MAX_MARKS;
use crate::folder::{self, Folder, TRACES};
use crate::record::RunRecord;
use crate::trace::Trace;

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A report's file that cannot be written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A record, traces or results that are not there or are none.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// Traces that are not those which were merged.
    #[error("{path}: {what}")]
    Other {
        /// Which file.
        path: PathBuf,
        /// What was expected, and what was found.
        what: String,
    },
    /// A trace that has no place in the run.
    #[error("{path}, line {line}: {what}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::File { path: path.to_owned(), error }
    }
}

/// A merged run.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What was run, and on what.
    pub record: RunRecord,
    /// Sorted by [`Trace::key`], no key twice, no arm that the record does not name.
    pub traces: Vec<Trace>,
    /// SHA-256 of all traces without times, energy and memory, where `merge` left it.
    pub results_sha256: Option<String>,
}

impl Merged {
    /// Reads the folder that `merge` wrote.
    ///
    /// # Errors
    /// [`Error`] for files that are missing, and for lines that are no traces, are not in order, or are of no arm of the record.
    pub fn open(folder: &Path) -> Result<Self> {
        let record = Folder::existing(folder)?.record()?;
        let traces = folder::read_traces(folder)?;
        check(&folder.join(TRACES), &record, &traces)?;
        let results_sha256 = match folder::read_results(folder) {
            Ok(results) => Some(results.results_sha256),
            Err(folder::Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let found = folder::results_hash(&traces);
        if let Some(other) = results_sha256.as_ref().filter(|sum| **sum != found) {
            let what =
                format!("traces with the results' hash {other}, found {found}; merge the shards again");
            return Err(Error::Other { path: folder.join(TRACES), what });
        }
        Ok(Self { record, traces, results_sha256 })
    }

    /// A run that is held already.
    #[must_use]
    pub fn new(record: RunRecord, mut traces: Vec<Trace>) -> Self {
        traces.sort_by(|a, b| a.key().cmp(&b.key()));
        Self { record, traces, results_sha256: None }
    }
}

/// Largest time in milliseconds, thirty years, largest likelihood in nats and largest energy in joules. Sums and squares of more would leave the numbers
/// that tables and axes are made of.
const MOST: f64 = 1e12;

/// Energy counters of a trace at most: as many as a run reads.
const MAX_COUNTERS: usize = 64;

fn is_plausible(trace: &Trace) -> bool {
    let fits = |value: f64| value.abs() <= MOST;
    let agents = trace.agents.iter().all(|agent| {
        let t = &agent.times;
        [t.prefill_ms, t.latent_ms, t.encode_ms, t.decode_ms, t.generate_ms, t.first_token_ms]
            .into_iter()
            .all(fits)
    });
    let energy = trace.energy_j.len() <= MAX_COUNTERS && trace.energy_j.values().all(|&joules| fits(joules));
    let marks = trace.marks.len() <= MAX_MARKS && trace.marks.values().all(|mark| (0.0..=1.0).contains(mark));
    agents && energy && marks && trace.nll.is_none_or(fits) && fits(trace.wall_ms) && fits(trace.overhead_ms)
}

/// Whether the traces are of the record's arms, in order, none twice, with numbers that tables can hold.
fn check(path: &Path, record: &RunRecord, traces: &[Trace]) -> Result<()> {
    let arms: BTreeSet<&str> = record.arms.iter().map(|arm| arm.id.as_str()).collect();
    let mut last: Option<&Trace> = None;
    for (line, trace) in (1..).zip(traces) {
        let wrong = |what: String| Err(Error::Content { path: path.to_owned(), line, what });
        if !is_plausible(trace) {
            return wrong(format!(
                "times, likelihoods and energies of at most {MOST:e} either way, and few marks from 0 to 1"
            ));
        }
        if !arms.contains(trace.arm.as_str()) {
            return wrong(format!("an arm of the record, found {:?}", trace.arm));
        }
        if last.is_some_and(|last| last.key() >= trace.key()) {
            return wrong("traces sorted by task, layout, item, arm and replicate, none twice".to_owned());
        }
        last = Some(trace);
    }
    Ok(())
}
