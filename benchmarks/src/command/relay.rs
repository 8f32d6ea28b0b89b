//! `avp-bench relay`.

use std::fmt::Write as _;
use std::process::ExitCode;

use avp_bench::relay::{Generator, Split};
use clap::ValueEnum;

const EXAMPLES: &str = "\
Examples:
  avp-bench relay --split test --seed 1 --count 500     the bundled test split
  avp-bench relay --split validation --seed 7 --count 5

An item depends on split, seed and its number alone. Splits are disjoint for any seeds.";

/// Items of the relay task, a JSON object a line.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which part of the item space.
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,
    /// Another seed, other items.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 500, value_name = "N")]
    count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitName {
    Train,
    Validation,
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let generator = Generator { split: args.split.into(), seed: args.seed };
    let mut text = String::new();
    for number in 0..args.count {
        let _ = writeln!(text, "{}", serde_json::to_string(&generator.item(number))?);
        // Millions of items are a stream, not a text.
        if text.len() > 1 << 20 || number + 1 == args.count {
            super::print(&text)?;
            text.clear();
        }
    }
    Ok(ExitCode::SUCCESS)
}
