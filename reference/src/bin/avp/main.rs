//! `avp`: look at messages, make them, and ask what two agents could agree on.

mod decode;
mod encode;
mod files;
#[cfg(feature = "model")]
mod generate;
#[cfg(feature = "http")]
mod handshake;
mod hash;
mod inspect;
mod json;
#[cfg(all(feature = "http", feature = "model"))]
mod log;
#[cfg(feature = "files")]
mod models;
#[cfg(any(feature = "files", feature = "http"))]
mod progress;
#[cfg(feature = "http")]
mod remote;
mod resolve;
#[cfg(feature = "model")]
mod runtime;
#[cfg(feature = "http")]
mod send;
#[cfg(all(feature = "http", feature = "model"))]
mod serve;
mod size;
mod style;
#[cfg(feature = "model")]
mod think;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  avp inspect message.avp                    every byte with its field
  avp decode message.avp --payload state.bin print the metadata, keep the payload
  avp encode state.bin --metadata '{\"hidden_dim\": 4, \"tensor_shape\": [4]}' -o message.avp
  avp hash model config.json                 the model hash of a configuration
  avp resolve ours.json theirs.json          how two agents would talk
  avp size --preset qwen2.5-7b               what a transfer would take
  avp models pull smollm2-135m-instruct      fetch a model (feature files)
  avp think \"Plan it.\" -m MODEL -o plan.avp  latent steps, and a context for others (feature model)
  avp generate \"Do it.\" -m MODEL --context plan.avp
  avp handshake https://b.example --identity config.json   how we would talk (feature http)
  avp send plan.avp --to https://b.example --ask \"Do it.\"
  avp serve -m MODEL                         a model that other agents reach (features http, model)

A file named - is standard input or output.

Exit codes: 0 done, 1 the input, a model or a device was refused, 2 wrong arguments or an unreadable file.";

/// Tools for the Agent Vector Protocol.
#[derive(Parser)]
#[command(name = "avp", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(inspect::Args),
    Encode(encode::Args),
    Decode(decode::Args),
    Hash(hash::Args),
    Resolve(resolve::Args),
    Size(size::Args),
    #[cfg(feature = "files")]
    Models(models::Args),
    #[cfg(feature = "model")]
    Think(think::Args),
    #[cfg(feature = "model")]
    Generate(generate::Args),
    #[cfg(feature = "http")]
    Handshake(handshake::Args),
    #[cfg(feature = "http")]
    Send(send::Args),
    #[cfg(all(feature = "http", feature = "model"))]
    Serve(serve::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Hash(args) => hash::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Size(args) => size::run(&args),
        #[cfg(feature = "files")]
        Command::Models(args) => models::run(&args),
        #[cfg(feature = "model")]
        Command::Think(args) => think::run(&args),
        #[cfg(feature = "model")]
        Command::Generate(args) => generate::run(&args),
        #[cfg(feature = "http")]
        Command::Handshake(args) => handshake::run(&args),
        #[cfg(feature = "http")]
        Command::Send(args) => send::run(&args),
        #[cfg(all(feature = "http", feature = "model"))]
        Command::Serve(args) => serve::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

/// Says what went wrong on standard error, and with which exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(refused) = error.downcast_ref::<avp::Error>() {
        eprintln!("avp: refused ({}): {error:#}", refused.class.code());
        return ExitCode::from(1);
    }
    // Whoever read our output has seen enough.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("avp: {error:#}");
    ExitCode::from(2)
}
