//! What stops a run.

use crate::{folder, run_file, sandbox, task};

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What stops a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The run file.
    #[error(transparent)]
    RunFile(#[from] run_file::Error),
    /// A task's items.
    #[error(transparent)]
    Task(#[from] task::Error),
    /// The run's folder.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// Programs to be run, and nothing that holds them.
    #[error("{0}; or give --unconfined, which the record will say")]
    Sandbox(#[from] sandbox::Error),
    /// A model that cannot be opened, or a map between two that cannot be made.
    #[error("model {name}: {source}")]
    Model {
        /// Its name in the run.
        name: String,
        /// What the runtime says.
        source: avp::Error,
    },
    /// A task whose scorer does not know right from wrong.
    #[error(
        "the scorer of task {} takes {} of {} right answers, {} empty ones, {} of {} answers to another item and {} of {} that only look like one; it must take all, 0, 0 and 0",
        .0.task, .0.gold, .0.items, .0.empty, .0.foreign, .0.foreign_of, .0.cheats, .0.cheats_of
    )]
    Audit(crate::record::Audit),
    /// The harness's own check found that a hand-over is not what it should be.
    #[error("the oracle arm disagrees on {item} ({layout}): {what}")]
    Oracle {
        /// The item.
        item: String,
        /// The layout.
        layout: String,
        /// Both numbers.
        what: String,
    },
    /// A card or a pool of threads that cannot be had.
    #[error("{0}")]
    Machine(String),
}
