//! Implementations that are wrong on purpose × the checks that catch them: the test of the harness.
//!
//! Each mutant is wrong in one thing, and a table says which requirements that breaks. It is killed when a check that
//! speaks for one of them is missed; a check of another requirement that is missed as well is luck, and luck alone is not
//! enough. A right implementation, the control, is asked the same cases: what it misses catches nobody.

mod bench;
mod markdown;
mod mutant;
mod redundancy;
mod switchboard;
mod trial;

pub use self::bench::{Bench, try_all};
pub use self::markdown::{markdown, stale};
pub use self::mutant::{Fate, Group, Mutant, Stopped, mutants};
pub use self::redundancy::{Redundancy, Redundant, kills, must_vectors};
pub use self::switchboard::{PYTHON, SWITCHBOARD, Switchboard};
pub use self::trial::{Caught, Miss, Standing, Trial};

use std::io;
use std::path::PathBuf;

use crate::schedule::RunError;
use crate::vector::RecipesError;

/// Why mutants can't be tried.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// One of the tables is malformed.
    #[error("{table}: {error}")]
    Table {
        /// Its file.
        table: &'static str,
        /// What is wrong with it.
        error: serde_yaml::Error,
    },
    /// The switchboard does not start.
    #[error("{}: {error}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The switchboard and the tables are of different builds.
    #[error("{} has no mutant `{mutant}`: it is of another build than this program", program.display())]
    Unknown {
        /// The program.
        program: PathBuf,
        /// A mutant of the tables.
        mutant: String,
    },
    /// A folder for a certificate, or the certificate.
    #[error("the mutants' servers: {0}")]
    Certificate(String),
    /// The recipes can't be read.
    #[error(transparent)]
    Recipes(#[from] RecipesError),
    /// A run that says nothing about a mutant.
    #[error("{mutant}: {error}")]
    Run {
        /// The mutant.
        mutant: String,
        /// Why.
        error: RunError,
    },
}
