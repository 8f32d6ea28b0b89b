//! A shard: traces appended by one process, an item at a time.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result, at, broken};
use crate::trace::Trace;

/// Longest line that is read back. A trace of two agents with long texts has some kilobytes.
const MAX_LINE: usize = 16 << 20;
/// Shards of a run at most: an item each is the most that makes sense.
pub(super) const MAX_SHARDS: u32 = 1_000_000;

/// What makes a trace one.
type Key = (String, String, String, String, u32);

/// The end of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) traces: u64,
}

/// Ending of the file that says that the oracle arm disagreed.
const CONDEMNED: &str = "oracle";

/// Why a run counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condemned {
    why: String,
}

/// A shard, open in one process alone.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    file: File,
    index: u32,
    of: u32,
    done: BTreeSet<Key>,
}

/// To which of `of` shards an item belongs, from 1: by a hash, so that neighbours, which are often alike, are spread.
#[must_use]
pub fn shard_of(task: &str, item: &str, of: u32) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(task.as_bytes());
    hasher.update([0]);
    hasher.update(item.as_bytes());
    let hash = hasher.finalize();
    let number = hash[..8].iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    (number % u64::from(of.max(1))) as u32 + 1
}

/// Index and count of a shard's file name, such as `3-of-7.jsonl`.
pub(super) fn parse_name(name: &str, ending: &str) -> Option<(u32, u32)> {
    let (index, of) = name.strip_suffix(ending)?.split_once("-of-")?;
    let numbers = (index.parse().ok()?, of.parse().ok()?);
    (numbers.0 >= 1 && numbers.0 <= numbers.1 && numbers.1 <= MAX_SHARDS).then_some(numbers)
}

/// Refuses a folder in which the oracle arm disagreed: what stands in it was made by a hand-over that does not work.
pub(super) fn refuse_condemned(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.extension().is_some_and(|ending| ending == CONDEMNED) {
            let why: Condemned = super::read(&path)?;
            return Err(broken(
                &path,
                format!("no number of this run can be trusted: {}; take another folder", why.why),
            ));
        }
    }
    Ok(())
}

impl Shard {
    /// Shard `index` of `of` in the folder of shards. A last line that a killed process left unfinished is cut off.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it; [`Error::Broken`] for lines that are no traces, and for a folder that is
    /// divided into another number of shards or in which the oracle arm disagreed.
    pub(super) fn open(folder: &Path, index: u32, of: u32) -> Result<Self> {
        if index == 0 || index > of || of > MAX_SHARDS {
            return Err(broken(folder, format!("shards are 1/N to N/N, found {index}/{of}")));
        }
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let name = entry.map_err(at(folder))?.file_name();
            if let Some((_, other)) = parse_name(&name.to_string_lossy(), ".jsonl").filter(|(_, n)| *n != of)
            {
                let what = format!("the run was begun in {other} shards, this is one of {of}");
                return Err(broken(folder, what));
            }
        }
        refuse_condemned(folder)?;
        let path = folder.join(format!("{index}-of-{of}.jsonl"));
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        let mut shard = Self { path, file, index, of, done: BTreeSet::new() };
        let (traces, whole) = read_lines(&shard.path, &shard.file)?;
        shard.file.set_len(whole).map_err(at(&shard.path))?;
        for trace in &traces {
            let (task, layout, item, arm, replicate) = trace.key();
            shard.done.insert((task.into(), layout.into(), item.into(), arm.into(), replicate));
        }
        Ok(shard)
    }

    /// Its number, from 1.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub fn of(&self) -> u32 {
        self.of
    }

    /// Traces that are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Traces that are there, read again.
    ///
    /// # Errors
    /// For a file that cannot be read.
    pub fn traces(&self) -> Result<Vec<Trace>> {
        Ok(read_lines(&self.path, &self.file)?.0)
    }

    /// Whether a trace is there.
    #[must_use]
    pub fn has(&self, (task, layout, item, arm, replicate): (&str, &str, &str, &str, u32)) -> bool {
        self.done.contains(&(task.into(), layout.into(), item.into(), arm.into(), replicate))
    }

    /// Writes traces behind the others, and waits until the disk has them.
    ///
    /// # Errors
    /// For a file that cannot be written.
    pub fn append(&mut self, traces: &[Trace]) -> Result<()> {
        let mut lines = Vec::new();
        for trace in traces {
            serde_json::to_writer(&mut lines, trace)
                .map_err(|error| broken(&self.path, error.to_string()))?;
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        let path = &self.path;
        self.file.write_all(&lines).and_then(|()| self.file.sync_data()).map_err(at(path))?;
        for trace in traces {
            let (task, layout, item, arm, replicate) = trace.key();
            self.done.insert((task.into(), layout.into(), item.into(), arm.into(), replicate));
        }
        Ok(())
    }

    /// Says that the oracle arm disagreed: nothing is added to this run, and nothing read from it, any more. The traces stay
    /// for whoever looks for the reason.
    ///
    /// # Errors
    /// For a file that cannot be written.
    pub(crate) fn condemn(&self, why: &str) -> Result<()> {
        super::write(&self.path.with_extension(CONDEMNED), &Condemned { why: why.to_owned() })
    }

    /// Says that nothing is lacking.
    ///
    /// # Errors
    /// For a file that cannot be written.
    pub fn finish(&self) -> Result<()> {
        super::write(&self.path.with_extension("done"), &Done { traces: self.done.len() as u64 })
    }
}

/// The traces of a file and the length of its whole lines.
pub(super) fn read_lines(path: &Path, file: &File) -> Result<(Vec<Trace>, u64)> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(at(path))?;
    let (mut traces, mut whole, mut line) = (Vec::new(), 0, Vec::new());
    loop {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        let read = std::io::Read::take(&mut reader, limit).read_until(b'\n', &mut line).map_err(at(path))?;
        if line.last() != Some(&b'\n') {
            if read > MAX_LINE {
                let what = format!("line {} of more than {MAX_LINE} bytes", traces.len() + 1);
                return Err(broken(path, what));
            }
            return Ok((traces, whole));
        }
        let trace = serde_json::from_slice(&line)
            .map_err(|error| broken(path, format!("a trace on line {}, found {error}", traces.len() + 1)))?;
        traces.push(trace);
        whole += read as u64;
    }
}
