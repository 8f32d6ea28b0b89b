//! `avp-bench` with no argument.

use std::path::Path;
use std::process::ExitCode;

use avp_bench::engine::Setting;
use avp_bench::report;
use avp_bench::run_file::RunFile;

use super::run::{Ended, INTERRUPTED, ShardArg, drive, failed, show};

/// The run.
const RUN: &str = "pocket-quick";
/// Its folder.
const FOLDER: &str = "runs/pocket-quick";
/// Its report's.
const REPORT: &str = "reports/pocket-quick";

/// Runs the quick start, or shows it again.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let folder = Path::new(FOLDER);
    let file = RunFile::open(RUN)?;
    eprintln!("quick start: {RUN} into {FOLDER}; `avp-bench --help` for everything else");
    match drive(file, &Setting::default(), folder, ShardArg::WHOLE, None) {
        Ok(Ended::Done(results)) => {
            show(folder, results.as_ref(), ShardArg::WHOLE, false)?;
            let report = report::write(folder, Path::new(REPORT))?;
            super::print(&format!("\n{}\n", report.analysis.answer.headline))?;
            super::print(&format!(
                "\n{FOLDER}: record, traces and results of the run\n{REPORT}/index.html: its report\n"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ended::Interrupted) => {
            eprintln!("interrupted; the same command goes on from here");
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(error) => failed(error),
    }
}
