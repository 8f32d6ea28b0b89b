//! What can go wrong on the way to a model.

use std::io;
use std::path::{Path, PathBuf};

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe that cannot be followed.
    #[error("recipe: {0}")]
    Recipe(String),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A checkpoint that does not belong to this run, or is broken.
    #[error("checkpoint {path}: {reason}")]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The tokenizer library.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The loss is no number any more.
    #[error("the loss at step {step} is {loss}; try a smaller training.learning_rate")]
    Diverged {
        /// The step, counted from 1.
        step: usize,
        /// The loss.
        loss: f32,
    },
    /// The tensor library.
    #[error("tensors: {0}")]
    Engine(String),
    /// The loss curve could not be drawn.
    #[error("loss curve: {0}")]
    Curve(String),
}

/// For `map_err` on what touches a file.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}
