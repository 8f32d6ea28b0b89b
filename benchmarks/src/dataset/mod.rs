//! PUBLISHED QUESTIONS → ITEMS: files as their authors publish them, checked and read.

mod choice;
mod code;
mod descriptor;
#[cfg(feature = "hub")]
mod download;
mod error;
mod fetch;
mod hotpotqa;
mod numbers;
mod place;
mod record;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::run_file::hex;
use crate::task::TaskItem;

pub use descriptor::{Descriptor, FileEntry, Source, all, descriptor};
pub use error::{Error, Result};
pub use fetch::{Fetched, Unfetched, fetch};
pub use place::{DATA_VARIABLE, cache};

/// Largest file that is read. The largest one known, HotpotQA's development split, has 46 MB; what a text file takes in memory
/// while it is read is a small multiple of this.
pub const MAX_BYTES: u64 = 64 << 20;

/// The items of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// In the file's order.
    pub items: Vec<TaskItem>,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
    /// The file.
    pub path: PathBuf,
}

/// The items of a data set. `folder` holds `<name>/<file>` or the file itself; without it, the folder that `AVP_BENCH_DATA`
/// names is looked in, then the cache that `avp-bench data fetch` fills.
///
/// # Errors
/// For a name that is not known, a file that is not there, too large or another one than the descriptor says, and a record
/// that is not as it should be; each says what to do next.
pub fn load(name: &str, folder: Option<&Path>) -> Result<Loaded> {
    let descriptor = descriptor(name)?;
    // Of a file that was asked for by its data set's name, what is wrong with it is said.
    let (path, entry) = find(descriptor, folder).or_else(|absent| bare(descriptor, folder).ok_or(absent))?;
    let (bytes, sha256) = checked(descriptor, entry, &path)?;
    let items = parse(name, &path, &bytes)?;
    Ok(Loaded { items, sha256, path })
}

/// The file of a data set that is there, and its entry: in each folder the descriptor's first one first. A file that lies in the
/// folder itself may be another data set's, since names such as `test.jsonl` are many's: it counts where its sum is right.
///
/// # Errors
/// Where there is none.
pub fn find<'a>(descriptor: &'a Descriptor, folder: Option<&Path>) -> Result<(PathBuf, &'a FileEntry)> {
    let folders = place::folders(folder);
    for folder in &folders {
        for entry in &descriptor.files {
            let (named, bare) = (folder.join(&descriptor.name).join(&entry.path), folder.join(&entry.path));
            if named.is_file() {
                return Ok((named, entry));
            }
            if bare.is_file() && checked(descriptor, entry, &bare).is_ok() {
                return Ok((bare, entry));
            }
        }
    }
    Err(Error::Absent {
        name: descriptor.name.clone(),
        files: descriptor.files.iter().map(|entry| entry.path.clone()).collect(),
        folders,
    })
}

/// A file in a folder itself that has the name of one of the data set's, and its entry.
fn bare<'a>(descriptor: &'a Descriptor, folder: Option<&Path>) -> Option<(PathBuf, &'a FileEntry)> {
    let of_folder = |folder: &PathBuf| {
        let mut files = descriptor.files.iter().map(|entry| (folder.join(&entry.path), entry));
        files.find(|(path, _)| path.is_file())
    };
    place::folders(folder).iter().find_map(of_folder)
}

/// The bytes of a file and their sum, which is the entry's.
///
/// # Errors
/// For a file that cannot be read, is too large, or is another one.
pub fn checked(descriptor: &Descriptor, entry: &FileEntry, path: &Path) -> Result<(Vec<u8>, String)> {
    let bytes = read(path)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    if sha256 != entry.sha256 {
        return Err(Error::Sum {
            name: descriptor.name.clone(),
            path: path.to_owned(),
            expected: entry.sha256.clone(),
            found: sha256,
        });
    }
    Ok((bytes, sha256))
}

/// The items in bytes of a data set's form; what their sum is, is not asked. `path` stands in errors.
///
/// # Errors
/// For a name that is not known, and for a record that is not as it should be.
pub fn parse(name: &str, path: &Path, bytes: &[u8]) -> Result<Vec<TaskItem>> {
    let descriptor = descriptor(name)?;
    let read: fn(&record::Record<'_>) -> Result<TaskItem> = match descriptor.name.as_str() {
        "gsm8k" => numbers::gsm8k,
        "math500" => numbers::math500,
        "humaneval" => code::humaneval,
        "debugbench" => code::debugbench,
        "classeval" => code::classeval,
        "hotpotqa" => hotpotqa::item,
        "strategyqa" => choice::strategyqa,
        "arc_challenge" => choice::arc_challenge,
        "medqa" => choice::medqa,
        _ => return Err(descriptor::unknown(name)),
    };
    record::each(&descriptor.name, path, bytes, read)
}

/// A file's bytes, as many as may be.
fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // A file may grow between a look at its length and the end of reading, or have none.
    File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let length = fs::metadata(path).map_or(MAX_BYTES + 1, |metadata| metadata.len());
        return Err(Error::Large { path: path.to_owned(), limit: MAX_BYTES, length });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
