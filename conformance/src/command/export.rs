//! `export DIR`: the golden vectors for people with a test framework of their own.

use std::path::PathBuf;

use avp_conformance::{gate::Exit, vector::Dist};
use clap::Args;

use super::Ended;

/// Where to.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance export vectors-0.1/

Writes one manifest a dialect, the message bytes by digest, a JSON schema and a description.
")]
pub(super) struct ExportArgs {
    /// Folder to write to; made when it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs it.
pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let dist = Dist::embedded().map_err(|error| Ended::new(Exit::Integrity, error))?;
    let files = dist.export(&args.folder)?;
    eprintln!("{} vectors in {files} files under {}", dist.cases, args.folder.display());
    Ok(Exit::Ok)
}
