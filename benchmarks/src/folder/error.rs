//! What can be wrong with a run's folder.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::run_file::Difference;

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Entries of a list that an error shows at most.
const SHOWN: usize = 10;

/// What can be wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds another run.
    #[error("{path} holds another run; take another folder, or the run file as it was:{}", listed(.differences))]
    Changed {
        /// The folder.
        path: PathBuf,
        /// Where the two differ.
        differences: Vec<Difference>,
    },
    /// Something in the folder is not what this program writes.
    #[error("{path}: {what}")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What was expected, and what was found.
        what: String,
    },
    /// Another process is at work on the same shard.
    #[error("{path}: another process is at work on this shard")]
    Locked {
        /// The shard's file.
        path: PathBuf,
    },
    /// Shards that make no whole.
    #[error("{path} is not a whole run:{}", listed(.gaps))]
    Gaps {
        /// The folder.
        path: PathBuf,
        /// What is missing, or there twice.
        gaps: Vec<String>,
    },
}

fn listed<T: std::fmt::Display>(entries: &[T]) -> String {
    let mut text = String::new();
    for entry in entries.iter().take(SHOWN) {
        let _ = write!(text, "\n  {entry}");
    }
    if entries.len() > SHOWN {
        let _ = write!(text, "\n  and {} more", entries.len() - SHOWN);
    }
    text
}

/// For `map_err` on what touches a file.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

pub(super) fn broken(path: &Path, what: impl Into<String>) -> Error {
    Error::Broken { path: path.to_owned(), what: what.into() }
}
