//! `vectors check` and `vectors generate`.

use std::path::PathBuf;

use avp_conformance::{
    coverage::Coverage,
    gate::Exit,
    vector::{FolderError, VectorFolder},
};
use clap::{Args, Subcommand};

use super::{Ended, console, suite};

/// The vectors of a clone.
#[derive(Subcommand)]
pub(super) enum VectorsCommand {
    /// Regenerate the golden vectors in memory and compare, and prove that every refusal has one fault (exit code 6 when
    /// anything differs or is not proven)
    #[command(
        after_help = "Examples:\n  avp-conformance vectors check\n  avp-conformance vectors check --twins   what proves each refusal\n"
    )]
    Check(CheckArgs),
    /// Write vectors/dist and vectors/ids.lock as the recipes make them
    #[command(after_help = "Examples:\n  avp-conformance vectors generate\n")]
    Generate(FolderArgs),
}

/// What is checked.
#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// List every refusal with what proves that it has one fault: the harness's own reader, or an accepted twin and the
    /// place in which that differs
    #[arg(long)]
    twins: bool,
}

/// Which folder.
#[derive(Args)]
pub(super) struct FolderArgs {
    /// The folder vectors/ of a clone [default: here or above]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs it.
pub(super) fn vectors(command: &VectorsCommand) -> anyhow::Result<Exit> {
    match command {
        VectorsCommand::Check(args) => check(args),
        VectorsCommand::Generate(args) => generate(args),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<Exit> {
    let folder = VectorFolder::new(folder(&args.folder)?);
    let differences = folder.check().map_err(broken)?;
    let proof = folder.proof().map_err(broken)?;
    if args.twins {
        let list: String = proof.refusals.iter().map(|refusal| format!("{refusal}\n")).collect();
        console::print(&list)?;
    }
    let unproven = proof.wrong();
    let mut told: String = unproven.iter().map(|line| format!("{line}\n")).collect();
    for difference in &differences {
        told.push_str(&format!("{difference}\n"));
    }
    let cases = suite::vectors()?;
    let coverage = Coverage::embedded()?;
    for gap in coverage.gaps() {
        told.push_str(&format!("{gap}\n"));
    }
    if told.is_empty() {
        let count = coverage.count(|_| true);
        let vectors = cases.len();
        let proven = proof.count();
        console::print(&format!(
            "{vectors} vectors are what the recipes make\none fault: {proven}\nrequirements: {count}\n"
        ))?;
        return Ok(Exit::Ok);
    }
    console::print(&format!("{told}one fault: {}\n", proof.count()))?;
    if told.lines().count() == unproven.len() {
        return Err(Ended::new(Exit::Integrity, "some refusals are not proven to have one fault")
            .hint("vectors/README.md, \"One fault\"")
            .into());
    }
    Err(Ended::new(Exit::Integrity, "the golden vectors are not what the recipes make")
        .hint("avp-conformance vectors generate, and review the difference before it is committed")
        .into())
}

fn generate(args: &FolderArgs) -> anyhow::Result<Exit> {
    let made = VectorFolder::new(folder(args)?).generate().map_err(broken)?;
    for difference in &made.changed {
        eprintln!("{difference}");
    }
    eprintln!("{} vectors, {} places changed", made.cases, made.changed.len());
    Ok(Exit::Ok)
}

fn broken(error: FolderError) -> anyhow::Error {
    match error {
        FolderError::Io { .. } => error.into(),
        other => Ended::new(Exit::Integrity, other).into(),
    }
}

fn folder(args: &FolderArgs) -> anyhow::Result<PathBuf> {
    args.folder.clone().or_else(|| suite::project_folder("vectors")).ok_or_else(|| {
        Ended::new(Exit::Usage, "there is no folder vectors/ here or above").hint("--folder DIR").into()
    })
}
