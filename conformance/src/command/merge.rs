//! `merge EVENTS…`: the parts of a run → the whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use avp_conformance::{
    event::{Event, EventWriter},
    gate::Exit,
    tally,
};
use clap::Args;

use super::report;

/// Which parts.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance run --shard 0/2 --events part-0.ndjson
  avp-conformance run --shard 1/2 --events part-1.ndjson
  avp-conformance merge part-0.ndjson part-1.ndjson -o run.ndjson
  avp-conformance report run.ndjson
")]
pub(super) struct MergeArgs {
    /// Events of every part
    #[arg(required = true, value_name = "EVENTS")]
    parts: Vec<PathBuf>,
    /// Where to write the events of the whole [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs it.
pub(super) fn merge(args: &MergeArgs) -> anyhow::Result<Exit> {
    let parts = args.parts.iter().map(|path| report::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let events = tally::merge(parts)?;
    match &args.output {
        Some(path) => {
            let file = File::create(path).with_context(|| path.display().to_string())?;
            write(file, &events)?;
        }
        None => write(io::stdout().lock(), &events)?,
    }
    Ok(Exit::Ok)
}

fn write(out: impl Write, events: &[Event]) -> io::Result<()> {
    let mut writer = EventWriter::new(out);
    events.iter().try_for_each(|event| writer.write(event))
}
