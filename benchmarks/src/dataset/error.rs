//! Why there are no items, and what to do.

use std::path::PathBuf;

use super::Unfetched;

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why there are no items of a data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such data set.
    #[error("data set {name:?}: unknown; {meant}known here: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name that was probably meant, as a sentence; empty where there is none.
        meant: String,
        /// All names.
        known: String,
    },
    /// None of a data set's files is there.
    #[error(
        "data set {name}: expected {}, found none in {}; fetch it with `avp-bench data fetch {name}`, or say where it lies with --data DIR",
        files.join(" or "),
        shown(folders)
    )]
    Absent {
        /// Of which data set.
        name: String,
        /// Names of its files.
        files: Vec<String>,
        /// Where was looked.
        folders: Vec<PathBuf>,
    },
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that no source gave.
    #[error("{0}")]
    Fetch(Box<Unfetched>),
    /// A file that is too large.
    #[error("{}: expected at most {limit} bytes, found {length}; no data set known here is that large, fetch it anew", path.display())]
    Large {
        /// Which.
        path: PathBuf,
        /// In bytes.
        limit: u64,
        /// In bytes.
        length: u64,
    },
    /// Another file than the descriptor's.
    #[error(
        "{}: expected sha256 {expected}, found {found}; results are compared by this sum: fetch the file again with `avp-bench data fetch {name}`, or say where the right one lies with --data DIR",
        path.display()
    )]
    Sum {
        /// Of which data set.
        name: String,
        /// The file.
        path: PathBuf,
        /// The descriptor's sum.
        expected: String,
        /// The file's.
        found: String,
    },
    /// A record that is not as it should be.
    #[error(
        "{}, {place}, {field}: expected {expected}, found {found}; fetch the file again with `avp-bench data fetch {name}`, or say where the right one lies with --data DIR",
        path.display()
    )]
    Record {
        /// Of which data set.
        name: String,
        /// The file.
        path: PathBuf,
        /// `line 7` or `record 7`, from 1.
        place: Box<str>,
        /// Which field; `json` for the whole.
        field: Box<str>,
        /// What should be there.
        expected: Box<str>,
        /// What is.
        found: Box<str>,
    },
    /// A descriptor that comes with the program and is wrong.
    #[error("descriptor {name}: {what}")]
    Descriptor {
        /// Of which data set.
        name: String,
        /// What is wrong.
        what: String,
    },
}

fn shown(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    if folders.is_empty() { "no folder at all".to_owned() } else { folders.join(", ") }
}
