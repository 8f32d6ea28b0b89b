//! The subcommands, one file each.

mod adapter;
mod baseline;
mod claim;
mod console;
mod counterexamples;
mod diff;
mod doctor;
mod export;
mod fuzz;
mod github;
mod list;
mod matrix;
mod merge;
mod mutants;
mod record;
mod reference;
mod registry;
mod replay;
mod report;
mod run;
mod search;
mod selection;
mod show;
mod suite;
mod target;
mod vectors;

use std::fmt;
use std::process::ExitCode;

use avp_conformance::gate::Exit;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

const ABOUT: &str = "Judges implementations of the Agent Vector Protocol (AVP), requirement by requirement";

const EXAMPLES: &str = "\
Examples:
  avp-conformance                                   judge the built-in reference
  avp-conformance run -- python3 adapter.py         judge your own implementation
  avp-conformance run --url https://agents.test     judge a server that runs, without an adapter
  avp-conformance doctor -- python3 adapter.py      first steps with a new adapter
  avp-conformance adapter setup avp-python@0.6.2    prepare an adapter of the project
  avp-conformance run --adapter avp-python@0.6.2    and judge it
  avp-conformance show AVP-HDR-002                  what a requirement says, and what tests it
";

#[derive(Parser)]
#[command(version, about = ABOUT)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Judge an implementation (this is what happens without a subcommand)
    Run(Box<run::RunArgs>),
    /// List cases, requirements, areas or profiles
    List(list::ListArgs),
    /// Explain a requirement, a case or a check, with its bytes
    Show(show::ShowArgs),
    /// Walk through the first steps of a new adapter, with advice
    Doctor(doctor::DoctorArgs),
    /// Ask two implementations the same, and tell where they disagree and who is wrong
    Diff(Box<diff::DiffArgs>),
    /// Look for inputs that bring numeric answers far from what is right
    Search(Box<search::SearchArgs>),
    /// Run the missed cases of an earlier run, or counterexamples, again
    Replay(replay::ReplayArgs),
    /// Make a counterexample a permanent vector
    Promote(counterexamples::PromoteArgs),
    /// Make a report from recorded events
    Report(report::ReportArgs),
    /// Put the recorded events of several parts of a run together
    Merge(merge::MergeArgs),
    /// Put many runs on one page: implementations × areas, release to release, who understands whom
    Matrix(Box<matrix::MatrixArgs>),
    /// Write a statement of conformance: the verdict and all that it follows from, in one file
    Claim(claim::ClaimArgs),
    /// Check a statement of conformance, offline
    Verify(claim::VerifyArgs),
    /// Keep the list of known deviations of an implementation
    #[command(subcommand)]
    Baseline(baseline::BaselineCommand),
    /// List and prepare the adapters of the project
    #[command(subcommand)]
    Adapter(adapter::AdapterCommand),
    /// Check or regenerate the golden vectors
    #[command(subcommand)]
    Vectors(vectors::VectorsCommand),
    /// Try the harness on implementations that are wrong on purpose: who is caught, and by which check
    Mutants(mutants::MutantsArgs),
    /// Copy the golden vectors, for a test framework of your own
    Export(export::ExportArgs),
    /// The built-in reference as an adapter on stdin and stdout
    #[command(name = reference::NAME, hide = true)]
    Reference,
}

/// An end with a code of its own.
#[derive(Debug)]
struct Ended {
    exit: Exit,
    what: String,
    hint: Option<String>,
}

impl Ended {
    fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self { exit, what: what.to_string(), hint: None }
    }

    fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Ended {}

/// Runs the command line. What was asked for goes to stdout, everything else to stderr.
pub(crate) fn main() -> ExitCode {
    let matches = Cli::command().after_help(EXAMPLES).after_long_help(long_help()).get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let exit = match dispatch(cli.command) {
        Ok(exit) => exit,
        Err(error) => tell(&error),
    };
    ExitCode::from(exit.code())
}

fn dispatch(command: Option<Command>) -> anyhow::Result<Exit> {
    match command {
        None => run::run(&run::RunArgs::default_run()),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::List(args)) => list::list(&args),
        Some(Command::Show(args)) => show::show(&args),
        Some(Command::Doctor(args)) => doctor::doctor(&args),
        Some(Command::Diff(args)) => diff::diff(&args),
        Some(Command::Search(args)) => search::search(&args),
        Some(Command::Replay(args)) => replay::replay(&args),
        Some(Command::Promote(args)) => counterexamples::promote(&args),
        Some(Command::Report(args)) => report::report(&args),
        Some(Command::Merge(args)) => merge::merge(&args),
        Some(Command::Matrix(args)) => matrix::matrix(&args),
        Some(Command::Claim(args)) => claim::claim(&args),
        Some(Command::Verify(args)) => claim::verify(&args),
        Some(Command::Baseline(command)) => baseline::baseline(&command),
        Some(Command::Adapter(command)) => adapter::adapter(&command),
        Some(Command::Vectors(command)) => vectors::vectors(&command),
        Some(Command::Mutants(args)) => mutants::mutants(&args),
        Some(Command::Export(args)) => export::export(&args),
        Some(Command::Reference) => reference::serve(),
    }
}

/// Writes an error for a person and finds its code: what has none of its own is a mistake in what was asked for.
fn tell(error: &anyhow::Error) -> Exit {
    if error.chain().any(is_broken_pipe) {
        // Whoever reads has seen enough: `avp-conformance list | head`.
        return Exit::Ok;
    }
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
    let ended = error.downcast_ref::<Ended>();
    if let Some(hint) = ended.and_then(|ended| ended.hint.as_ref()) {
        eprintln!("\nhint: {hint}");
    }
    ended.map_or(Exit::Usage, |ended| ended.exit)
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

fn long_help() -> String {
    let mut text = format!("{EXAMPLES}\nExit codes:\n");
    for exit in Exit::ALL {
        text.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_examples() {
        let mut cli = Cli::command();
        cli.build();
        for command in
            cli.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
        {
            let leaves: Vec<_> = if command.has_subcommands() {
                command.get_subcommands().filter(|leaf| leaf.get_name() != "help").collect()
            } else {
                vec![command]
            };
            for leaf in leaves {
                let help = leaf.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:"), "{} {}", command.get_name(), leaf.get_name());
            }
        }
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        let help = long_help();
        for exit in Exit::ALL {
            assert!(help.contains(&format!("{:>3}  {}", exit.code(), exit.meaning())), "{help}");
        }
    }
}
