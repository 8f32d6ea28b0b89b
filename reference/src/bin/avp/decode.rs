//! `avp decode`.

use std::path::PathBuf;
use std::process::ExitCode;

use avp::wire::{Decoder, DialectChoice, Limits};

use crate::{files, inspect, json};

const EXAMPLES: &str = "\
Examples:
  avp decode message.avp
  avp decode message.avp --payload state.bin | jq .metadata.model_id
  avp decode message.avp --payload - > state.bin";

/// Prints header and metadata of a message as JSON, and keeps its payload.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The message.
    #[arg(default_value = "-")]
    message: PathBuf,
    /// Where the payload goes, decompressed. With - nothing else is printed.
    #[arg(long, short, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The dialect to read in: found out from the message, 0.2 or 0.4.
    #[arg(long, default_value = "auto", value_parser = inspect::dialect)]
    dialect: DialectChoice,
    /// Refuses what would otherwise be a diagnostic.
    #[arg(long)]
    strict: bool,
    /// Most bytes that the payload may have, decompressed.
    #[arg(long, default_value_t = Limits::default().max_payload, value_name = "BYTES")]
    max_payload: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let input = files::read(&args.message)?;
    let limits = Limits { max_payload: args.max_payload, ..Limits::default() };
    let decoder = Decoder::new().dialect(args.dialect).strict(args.strict).limits(limits);
    let message = decoder.decode(&input)?;
    if let Some(path) = &args.payload {
        files::write(path, &message.payload)?;
    }
    if !args.payload.as_deref().is_some_and(files::is_standard) {
        files::print(&json::text(&json::message(&message)))?;
    }
    Ok(ExitCode::SUCCESS)
}
