//! SHARDS → ONE LIST OF TRACES: sorted, whole, and with a hash that says that two runs found the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result, at, broken};
use super::shard::{Done, parse_name, read_lines, refuse_condemned, shard_of};
use super::{Folder, SHARDS, fresh, read, write};
use crate::record::RunRecord;
use crate::run_file::hex;
use crate::trace::{Times, Trace};

/// All traces.
pub(crate) const TRACES: &str = "traces.jsonl";
/// What they come to.
const RESULTS: &str = "results.json";

/// What a merged run comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// How many.
    pub traces: u64,
    /// Shards that they came from.
    pub shards: u32,
    /// SHA-256 of all traces without times, energy and memory, in hex.
    pub results_sha256: String,
}

/// The results of a folder that was merged.
///
/// # Errors
/// When it was not.
pub fn read_results(folder: &Path) -> Result<Results> {
    read(&folder.join(RESULTS))
}

/// The traces of a folder that was merged.
///
/// # Errors
/// When it was not, and for lines that are no traces.
pub fn read_traces(folder: &Path) -> Result<Vec<Trace>> {
    let path = folder.join(TRACES);
    let file = File::open(&path).map_err(at(&path))?;
    let (traces, whole) = read_lines(&path, &file)?;
    let length = file.metadata().map_err(at(&path))?.len();
    // Merged traces are written in full or not at all: what is cut was not cut by a killed process.
    if whole != length {
        return Err(broken(
            &path,
            format!("a whole trace on line {}, found {} bytes of one", traces.len() + 1, length - whole),
        ));
    }
    Ok(traces)
}

/// Puts a run's shards together: writes the sorted traces and their results.
///
/// # Errors
/// [`Error::Broken`] where the oracle arm disagreed; [`Error::Gaps`] for shards that are missing or not done, traces that are
/// missing, and traces that are there twice.
pub fn merge(path: &Path) -> Result<(Results, Vec<Trace>)> {
    let record = Folder::existing(path)?.record()?;
    let (shards, mut traces) = collect(path)?;
    traces.sort_by(|a, b| a.key().cmp(&b.key()));
    let gaps = gaps(&record, &traces);
    if !gaps.is_empty() {
        return Err(Error::Gaps { path: path.to_owned(), gaps });
    }
    let results = Results { traces: traces.len() as u64, shards, results_sha256: results_hash(&traces) };
    let target = path.join(TRACES);
    let mut lines = Vec::new();
    for trace in &traces {
        serde_json::to_writer(&mut lines, trace).map_err(|error| broken(&target, error.to_string()))?;
        lines.push(b'\n');
    }
    let file = fresh(path, &target, &lines)?;
    file.persist(&target).map_err(|error| at(&target)(error.error))?;
    write(&path.join(RESULTS), &results)?;
    Ok((results, traces))
}

/// The traces of all shards, every one of which must be there and done.
fn collect(path: &Path) -> Result<(u32, Vec<Trace>)> {
    let folder = path.join(SHARDS);
    refuse_condemned(&folder)?;
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(at(&folder))? {
        let entry = entry.map_err(at(&folder))?;
        if let Some((index, of)) = parse_name(&entry.file_name().to_string_lossy(), ".jsonl") {
            found.insert((of, index), entry.path());
        }
    }
    let refused = |gaps| Err(Error::Gaps { path: path.to_owned(), gaps });
    let Some((&(of, _), _)) = found.first_key_value() else { return refused(vec!["no shards".to_owned()]) };
    if let Some((other, index)) = found.keys().find(|(other, _)| *other != of) {
        return refused(vec![format!("shard {index} of {other} beside shards of {of}")]);
    }
    let (mut gaps, mut all) = (Vec::new(), Vec::new());
    for index in 1..=of {
        let Some(file) = found.get(&(of, index)) else {
            gaps.push(format!("shard {index} of {of}: not begun"));
            continue;
        };
        let marker = file.with_extension("done");
        if !marker.exists() {
            gaps.push(format!("shard {index} of {of}: not done"));
            continue;
        }
        let done: Done = read(&marker)?;
        let (traces, _) = read_lines(file, &File::open(file).map_err(at(file))?)?;
        if done.traces != traces.len() as u64 {
            gaps.push(format!(
                "shard {index} of {of}: {} traces when it was done, {} now",
                done.traces,
                traces.len()
            ));
        }
        for trace in traces {
            if shard_of(&trace.task, &trace.item, of) != index {
                gaps.push(format!("{} is no item of shard {index} of {of}", trace.item));
            }
            all.push(trace);
        }
    }
    if gaps.is_empty() { Ok((of, all)) } else { refused(gaps) }
}

/// Traces that are there twice, and those that are missing beside others of their item.
fn gaps(record: &RunRecord, traces: &[Trace]) -> Vec<String> {
    let name = |trace: &Trace| {
        format!("{} {} {} {} {}", trace.task, trace.layout, trace.item, trace.arm, trace.replicate)
    };
    let pairs = traces.windows(2).filter(|pair| pair[0].key() == pair[1].key());
    let mut gaps: Vec<_> = pairs.map(|pair| format!("twice: {}", name(&pair[0]))).collect();
    let texts = |key: &str| -> Vec<&str> {
        record.run[key].as_array().into_iter().flatten().filter_map(|value| value.as_str()).collect()
    };
    let layouts = texts("layouts");
    let replicates = record.run["replicates"].as_u64().unwrap_or(1);
    let there: BTreeSet<_> = traces.iter().map(Trace::key).collect();
    let items: BTreeSet<_> = traces.iter().map(|trace| (trace.task.as_str(), trace.item.as_str())).collect();
    for (task, item) in &items {
        for layout in &layouts {
            for arm in &record.arms {
                for replicate in 0..u32::try_from(replicates).unwrap_or(u32::MAX) {
                    if !there.contains(&(*task, *layout, *item, arm.id.as_str(), replicate)) {
                        gaps.push(format!("missing: {task} {layout} {item} {} {replicate}", arm.id));
                    }
                }
            }
        }
    }
    if items.len() as u64 != record.items {
        gaps.push(format!("{} items of {}", items.len(), record.items));
    }
    gaps
}

/// SHA-256 over sorted traces without what depends on the clock and the machine, in hex: the same for every order, shard and
/// resumption of a run.
#[must_use]
pub fn results_hash(traces: &[Trace]) -> String {
    let mut sorted: Vec<_> = traces.iter().collect();
    sorted.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut hasher = Sha256::new();
    for trace in sorted {
        let mut trace = trace.clone();
        (trace.wall_ms, trace.overhead_ms, trace.peak_memory) = (0.0, 0.0, 0);
        trace.energy_j.clear();
        trace.agents.iter_mut().for_each(|agent| agent.times = Times::default());
        // Serialising what was read from JSON does not fail.
        hasher.update(serde_json::to_vec(&trace).unwrap_or_default());
        hasher.update(b"\n");
    }
    hex(&hasher.finalize())
}
