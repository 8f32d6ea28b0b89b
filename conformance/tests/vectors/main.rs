//! The folder `vectors/`: what is generated is what the recipes say, and others can read it.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for such")]

mod coverage;
mod folder;
mod grammar;
mod manifest;
mod proof;
mod schema;

use std::path::PathBuf;

/// `vectors/` of this clone.
fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors")
}
