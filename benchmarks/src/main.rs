//! `avp-bench`: does latent hand-off pay?

mod command;

use std::process::ExitCode;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  avp-bench                                             the quick start: every arm on the pocket models
  avp-bench run pocket-quick --out runs/quick --limit 10
  avp-bench merge runs/mine
  avp-bench list arms
  avp-bench data fetch humaneval
  avp-bench train pocket-a --seed 1 --device auto --out runs/pocket-a
  avp-bench evaluate pocket-a
  avp-bench evaluate runs/pocket-a/model --items 50 --json
  avp-bench relay --split test --seed 1 --count 500
  avp-bench report runs/mine --out reports/mine
  avp-bench compare runs/mine runs/other
  avp-bench claims runs/mine                            which published figures hold

Exit codes: 0 done; 1 something went wrong and standard error says what; 2 wrong arguments; 3 the oracle arm of a run
disagreed; 130 interrupted, with what was done so far on disk.";

/// Does latent hand-off pay? Runs agents that hand over caches, vectors or text, with controls. Without a command: the quick start.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    Run(command::run::Args),
    Merge(command::merge::Args),
    List(command::list::Args),
    Audit(command::audit::Args),
    Data(command::data::Args),
    Train(command::train::Args),
    Evaluate(command::evaluate::Args),
    Card(command::card::Args),
    Relay(command::relay::Args),
    Report(command::report::Args),
    Compare(command::compare::Args),
    Claims(command::claims::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        None => command::quick::run(),
        Some(Command::Run(args)) => command::run::run(&args),
        Some(Command::Merge(args)) => command::merge::run(&args),
        Some(Command::List(args)) => command::list::run(&args),
        Some(Command::Audit(args)) => command::audit::run(&args),
        Some(Command::Data(args)) => command::data::run(&args),
        Some(Command::Train(args)) => command::train::run(&args),
        Some(Command::Evaluate(args)) => command::evaluate::run(&args),
        Some(Command::Card(args)) => command::card::run(&args),
        Some(Command::Relay(args)) => command::relay::run(&args),
        Some(Command::Report(args)) => command::report::run(&args),
        Some(Command::Compare(args)) => command::compare::run(&args),
        Some(Command::Claims(args)) => command::claims::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("avp-bench: {}", told_once(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes; a cause that the text before it has already is not said again.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}
