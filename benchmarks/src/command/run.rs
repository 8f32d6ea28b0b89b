//! `avp-bench run`.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use avp_bench::engine::{self, Engine, Mutation, Setting};
use avp_bench::folder::{self, Folder, Results, Shard};
use avp_bench::run_file::RunFile;
use avp_bench::stats::{DISCORDANCE, POWER, standard_mde};
use avp_bench::summary::Summary;
use serde_json::json;

use super::dry_run;
use super::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  avp-bench run pocket-quick --out runs/quick --limit 10
  avp-bench run my-run.yaml --out runs/mine
  avp-bench run my-run.yaml --out runs/mine --shard 2/8       one of eight processes
  avp-bench merge runs/mine                                   when all shards are done
  avp-bench run smollm2-gsm8k --dry-run                       data, scorers and prompts, without a model

A run that was interrupted or killed goes on where it was when the same command is given again. A run file that was changed
since is refused, with the difference. A run in one shard is merged when it is done.

Exit codes: 0 done; 1 something went wrong and standard error says what; 2 wrong arguments; 3 the oracle arm disagreed: a
cache that was handed over is not what it was made of, and no number of this run can be trusted; 130 interrupted, with what
was done so far on disk.";

/// The oracle arm disagreed.
const ORACLE: u8 = 3;
/// Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// Runs a run file: every item under every arm, into a folder.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run file, or the name of a shipped one (`avp-bench list runs`).
    run: String,
    /// The run's folder.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// One of several processes, such as 2/8: the items that fall to it by a hash.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: ShardArg,
    /// Items of each task at most, as `limits.items` of the run file.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// The folder of published data sets, one folder each; otherwise where `avp-bench data fetch` puts them.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Runs programs that a model wrote without a sandbox. The record says so.
    #[arg(long)]
    unconfined: bool,
    /// Runs nothing and loads no model: reads the data, tries the scorers, renders every prompt and counts its tokens.
    #[arg(long, conflicts_with_all = ["out", "shard"])]
    dry_run: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// A fault in what cache arms do, to see the oracle arm find it.
    #[arg(long, value_name = "FAULT", hide = true)]
    break_on_purpose: Option<Mutation>,
}

/// One of several shards.
#[derive(Clone, Copy)]
pub(crate) struct ShardArg {
    index: u32,
    of: u32,
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, of)) if index >= 1 && index <= of => Ok(Self { index, of }),
            _ => Err(format!("shards are 1/N to N/N, found {text:?}")),
        }
    }
}

/// How a run ended.
pub(crate) enum Ended {
    /// All of it, or of its shard, is there.
    Done(Option<Results>),
    /// Ctrl-C.
    Interrupted,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = RunFile::open(&args.run)?.limited(args.limit);
    let setting = Setting { data: args.data.clone(), unconfined: args.unconfined };
    let Some(out) = &args.out else {
        return dry_run::show(&file, &setting, args.json);
    };
    match drive(file, &setting, out, args.shard, args.break_on_purpose) {
        Ok(Ended::Done(results)) => {
            show(out, results.as_ref(), args.shard, args.json)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ended::Interrupted) => {
            eprintln!("interrupted; the same command goes on from here");
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(error) => failed(error),
    }
}

/// The exit code of a run that ended with an error: one of its own where the oracle arm disagrees.
pub(crate) fn failed(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    match error.downcast_ref() {
        Some(engine::Error::Oracle { .. }) => {
            eprintln!("avp-bench: {error:#}");
            Ok(ExitCode::from(ORACLE))
        }
        _ => Err(error),
    }
}

/// Runs a shard to its end, or until somebody presses Ctrl-C; a run of one shard is merged.
pub(crate) fn drive(
    file: RunFile,
    setting: &Setting,
    out: &Path,
    shard: ShardArg,
    mutation: Option<Mutation>,
) -> anyhow::Result<Ended> {
    let stopped = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopped);
    ctrlc::set_handler(move || told.store(true, Ordering::SeqCst))?;
    let loud = std::io::stderr().is_terminal();
    let engine = Engine::prepare(file, setting, &mut |name| {
        if loud {
            eprintln!("loading {name}");
        }
    })?;
    let engine = engine.with_mutation(mutation);
    let record = engine.record()?;
    let asked = engine.file().limits.items.map(|items| items * engine.file().tasks.len() as u64);
    if let Some(asked) = asked.filter(|asked| *asked > record.items) {
        eprintln!("{asked} items were asked for; the data have {}", record.items);
    }
    eprintln!("{}", can_tell(record.items));
    let folder = Folder::open(out, &record)?;
    let mut held = folder.shard(shard.index, shard.of)?;
    let whole = work(&engine, &held);
    let mut progress = Progress::new(whole, &engine, &held.traces()?);
    let done = engine.run(&mut held, &mut |trace| {
        progress.count(trace);
        if stopped.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    if !done? {
        return Ok(Ended::Interrupted);
    }
    drop(held);
    Ok(Ended::Done(if shard.of == 1 { Some(folder::merge(out)?.0) } else { None }))
}

/// What a run with so many items will be able to tell, said before it begins.
fn can_tell(items: u64) -> String {
    let (power, told) = (POWER * 100.0, DISCORDANCE * 100.0);
    match standard_mde(items) {
        Some(least) => format!(
            "{items} items in all: a difference between two arms on all of them is found with a chance of about {power:.0} % from {:.1} points on, if {told:.0} % of the items tell them apart",
            least * 100.0
        ),
        None => format!(
            "{items} items: too few to find any difference between two arms with a chance of about {power:.0} %, if {told:.0} % of the items tell them apart"
        ),
    }
}

/// Traces of a shard when it is done.
fn work(engine: &Engine, shard: &Shard) -> u64 {
    (engine.places(shard.index(), shard.of()).len() * engine.arms().len()) as u64
}

/// Prints what a folder came to.
pub(crate) fn show(out: &Path, results: Option<&Results>, shard: ShardArg, json: bool) -> anyhow::Result<()> {
    let folder = Folder::existing(out)?;
    let record = folder.record()?;
    let traces = match results {
        Some(_) => folder::read_traces(out)?,
        None => folder.shard(shard.index, shard.of)?.traces()?,
    };
    let summary = Summary::of(&record, &traces);
    let text = if json {
        format!("{:#}\n", json!({"folder": out, "results": results, "summary": summary}))
    } else {
        let hash = results.map_or_else(
            || format!("shard {} of {} done; `avp-bench merge` puts all together\n", shard.index, shard.of),
            |results| format!("{} traces, results {}\n", results.traces, results.results_sha256),
        );
        format!("{}{hash}", summary.table())
    };
    super::print(&text)
}

impl ShardArg {
    /// The only one.
    pub(crate) const WHOLE: Self = Self { index: 1, of: 1 };
}
