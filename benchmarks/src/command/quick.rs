//! `avp-bench` with no argument.

use std::path::Path;
use std::process::ExitCode;

use avp_bench::run_file::RunFile;

use super::run::{Ended, ShardArg, drive, show};

/// The run.
const RUN: &str = "pocket-quick";
/// Its folder.
const FOLDER: &str = "runs/pocket-quick";

/// Runs the quick start, or shows it again.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let folder = Path::new(FOLDER);
    let file = RunFile::open(RUN)?;
    eprintln!("quick start: {RUN} into {FOLDER}; `avp-bench --help` for everything else");
    match drive(file, folder, ShardArg::WHOLE, None)? {
        Ended::Done(results) => {
            show(folder, results.as_ref(), ShardArg::WHOLE, false)?;
            super::print(&format!("{FOLDER}: record, traces and results of the run\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Ended::Interrupted => {
            eprintln!("interrupted; the same command goes on from here");
            Ok(ExitCode::from(130))
        }
    }
}
