//! A run's folder: what it is of, and what was done so far.
//!
//! ```text
//!  record.json              the run file with every default, arms, provenance: written by whoever comes first
//!  shards/I-of-N.jsonl      traces, appended an item at a time
//!  shards/I-of-N.done       the number of traces, once all are there
//!  shards/I-of-N.oracle     why the run counts for nothing, where the oracle arm disagreed
//!  traces.jsonl             all shards together, sorted
//!  results.json             how many, and the results' hash
//! ```

mod error;
mod merge;
mod shard;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::record::RunRecord;
use crate::run_file::{Difference, differences};

pub use error::{Error, Result};
use error::{at, broken};
pub(crate) use merge::TRACES;
pub use merge::{Results, merge, read_results, read_traces, results_hash};
pub use shard::{Shard, shard_of};

/// The run's record.
const RECORD: &str = "record.json";
/// The shards' folder.
const SHARDS: &str = "shards";
/// Largest record or marker that is read. A record has some kilobytes.
const MAX_RECORD: u64 = 16 << 20;

/// A run's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of a run: made, or the one that this run was begun in.
    ///
    /// # Errors
    /// [`Error::Changed`] for the folder of another run file, other models, other data or another version of this program.
    pub fn open(path: &Path, record: &RunRecord) -> Result<Self> {
        let shards = path.join(SHARDS);
        fs::create_dir_all(&shards).map_err(at(&shards))?;
        let folder = Self { path: path.to_owned() };
        let file = path.join(RECORD);
        if !file.exists() && write_new(&file, record)? {
            return Ok(folder);
        }
        let held = folder.record()?;
        let differences = unlike(&held, record);
        if differences.is_empty() {
            return Ok(folder);
        }
        Err(Error::Changed { path: path.to_owned(), differences })
    }

    /// A folder that is there already.
    ///
    /// # Errors
    /// When it is no run's.
    pub fn existing(path: &Path) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        folder.record().map(|_| folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's record.
    ///
    /// # Errors
    /// For a file that is not there or no record.
    pub fn record(&self) -> Result<RunRecord> {
        read(&self.path.join(RECORD))
    }

    /// Shard `index` of `of`, from 1, for this process alone.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it; [`Error::Broken`] for lines that are no traces, and for a folder that is
    /// divided into another number of shards.
    pub fn shard(&self, index: u32, of: u32) -> Result<Shard> {
        Shard::open(&self.path.join(SHARDS), index, of)
    }
}

/// What two records must have in common, and where they differ.
fn unlike(was: &RunRecord, is: &RunRecord) -> Vec<Difference> {
    let part = |record: &RunRecord| {
        json!({
            "run": record.run,
            "models": record.provenance.models,
            "data": record.provenance.data,
            "versions": record.provenance.versions,
            "items": record.items,
            // What holds programs that models write decides which of them are right.
            "sandbox": record.provenance.machine.get("sandbox"),
        })
    };
    let (was_part, is_part) = (part(was), part(is));
    let mut found = differences(&was_part["run"], &is_part["run"]);
    for part in ["models", "data", "versions", "items", "sandbox"] {
        found.extend(differences(&was_part[part], &is_part[part]).into_iter().map(|mut difference| {
            let rest =
                if difference.path.is_empty() { String::new() } else { format!(".{}", difference.path) };
            difference.path = format!("{part}{rest}");
            difference
        }));
    }
    found
}

/// Writes JSON in full or not at all, unless the file is there already. Whether it was written.
fn write_new(path: &Path, value: &impl Serialize) -> Result<bool> {
    let file = written(path, value)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(at(path)(error.error)),
    }
}

/// Writes JSON in full or not at all.
fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    written(path, value)?.persist(path).map(|_| ()).map_err(|error| at(path)(error.error))
}

fn written(path: &Path, value: &impl Serialize) -> Result<tempfile::NamedTempFile> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut text = serde_json::to_string_pretty(value).map_err(|error| broken(path, error.to_string()))?;
    text.push('\n');
    fresh(folder, path, text.as_bytes())
}

/// A new file beside `path` with these bytes, on the disk.
fn fresh(folder: &Path, path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // As any new file of this user, not as a temporary one that nobody else may read.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at(path))?;
    Ok(file)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let length = fs::metadata(path).map_err(at(path))?.len();
    if length > MAX_RECORD {
        return Err(broken(path, format!("at most {MAX_RECORD} bytes, found {length}")));
    }
    let text = fs::read_to_string(path).map_err(at(path))?;
    serde_json::from_str(&text).map_err(|error| broken(path, error.to_string()))
}
