//! `avp-bench`: does latent hand-off pay?

mod command;

use std::process::ExitCode;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  avp-bench train pocket-a --seed 1 --device auto --out runs/pocket-a
  avp-bench evaluate pocket-a
  avp-bench evaluate runs/pocket-a/model --items 50 --json
  avp-bench relay --split test --seed 1 --count 500

Exit codes: 0 done; 1 something went wrong and standard error says what; 2 wrong arguments; 130 interrupted, with what was
done so far on disk.";

/// Does latent hand-off pay? Trains and measures models on the relay task.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Train(command::train::Args),
    Evaluate(command::evaluate::Args),
    Card(command::card::Args),
    Relay(command::relay::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Train(args) => command::train::run(&args),
        Command::Evaluate(args) => command::evaluate::run(&args),
        Command::Card(args) => command::card::run(&args),
        Command::Relay(args) => command::relay::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("avp-bench: {error:#}");
        ExitCode::FAILURE
    })
}
