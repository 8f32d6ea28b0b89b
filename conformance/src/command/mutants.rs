//! `mutants`: the test of the harness, as a matrix of who is caught by what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::Context as _;
use avp_conformance::{
    gate::Exit,
    glob::{Glob, nearest},
    kill::{
        Bench, Group, KillError, Mutant, PYTHON, Redundancy, SWITCHBOARD, Standing, Switchboard, Trial,
        kills, markdown, must_vectors, mutants as all_mutants, try_all,
    },
};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::{Ended, console, suite};

/// How to get the programs.
const BUILD: &str = "cargo build --release -p avp-conformance --bins";

/// Which mutants, and what is made of them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance mutants                                  all of them: minutes
  avp-conformance mutants 'kv-*'                           those of that name
  avp-conformance mutants --area KV --json
  avp-conformance mutants --md reports/conformance/kill-matrix.md
  avp-conformance mutants --vectors                        and which MUST vectors kill nobody

Build them first: cargo build --release -p avp-conformance --bins
")]
pub(super) struct MutantsArgs {
    /// Patterns over names of mutants [default: all]
    #[arg(value_name = "MUTANT")]
    names: Vec<String>,
    /// Mutants that break a requirement of one of these areas
    #[arg(long, value_name = "AREA", value_delimiter = ',')]
    area: Vec<String>,
    /// Print the matrix as one JSON document
    #[arg(long)]
    json: bool,
    /// Write the matrix to a Markdown file; rows of mutants that were not run stay as they are there
    #[arg(long, value_name = "FILE")]
    md: Option<PathBuf>,
    /// Most mutants at a time [default: one more than cores, since some only wait]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Hold vectors/redundant.yaml against the matrix, and print the entries that it lacks
    #[arg(long, conflicts_with_all = ["names", "area"])]
    vectors: bool,
    /// The program with the mutants [default: avp-mutant, beside this one]
    #[arg(long, value_name = "FILE")]
    switchboard: Option<PathBuf>,
}

/// Runs it.
pub(super) fn mutants(args: &MutantsArgs) -> anyhow::Result<Exit> {
    let all = all_mutants()?;
    let selected = select(args, &all)?;
    let program = switchboard(args)?;
    if selected.iter().any(|mutant| mutant.group == Group::Binding) && !python() {
        let told = format!("the mutants of the HTTP binding need {PYTHON}, which does not start");
        return Err(Ended::new(Exit::Usage, told).into());
    }
    let switchboard = Switchboard::open(&program).map_err(broken)?;
    let bench = Bench::new(switchboard, &selected).map_err(broken)?;
    for check in bench.control() {
        eprintln!("the right implementation misses {check}: it counts against no mutant");
    }
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(selected.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    let tell = |trial: &Trial| {
        bar.inc(1);
        if let Some(complaint) = trial.complaint() {
            bar.suspend(|| eprintln!("{complaint}"));
        }
    };
    let trials = try_all(&bench, &selected, jobs(args), &tell).map_err(broken)?;
    bar.finish_and_clear();
    if let Some(path) = &args.md {
        let previous = fs::read_to_string(path).unwrap_or_default();
        let page = markdown(&whole(&all, &trials, &bench), &previous);
        fs::write(path, page).with_context(|| path.display().to_string())?;
    }
    let text = if args.json {
        serde_json::to_string_pretty(&document(&trials, &bench))? + "\n"
    } else {
        table(&trials)
    };
    console::print(&text)?;
    let wrong = args.vectors.then(|| redundant(&trials)).transpose()?.unwrap_or_default();
    Ok(end(&trials, &wrong))
}

fn select(args: &MutantsArgs, all: &[Mutant]) -> anyhow::Result<Vec<Mutant>> {
    for name in &args.names {
        let glob = Glob::new(name.as_str());
        if !all.iter().any(|mutant| glob.matches(&mutant.name)) {
            let near = nearest(name, all.iter().map(|mutant| mutant.name.as_str()));
            let hint = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(Ended::new(Exit::Usage, format!("no mutant is called `{name}`{hint}")).into());
        }
    }
    let globs: Vec<Glob> = args.names.iter().map(|name| Glob::new(name.as_str())).collect();
    let named = |mutant: &&Mutant| globs.is_empty() || globs.iter().any(|glob| glob.matches(&mutant.name));
    let of_area = |mutant: &&Mutant| {
        let areas = mutant.areas();
        args.area.is_empty() || args.area.iter().any(|code| areas.contains(code.to_uppercase().as_str()))
    };
    let selected: Vec<Mutant> = all.iter().filter(named).filter(of_area).cloned().collect();
    match selected.is_empty() {
        true => {
            Err(Ended::new(Exit::Usage, "no mutant is selected").hint("avp-conformance list --areas").into())
        }
        false => Ok(selected),
    }
}

fn switchboard(args: &MutantsArgs) -> anyhow::Result<PathBuf> {
    if let Some(program) = &args.switchboard {
        return Ok(program.clone());
    }
    let own = std::env::current_exe()?;
    let program = own.with_file_name(format!("{SWITCHBOARD}{}", std::env::consts::EXE_SUFFIX));
    match program.is_file() {
        true => Ok(program),
        false => {
            let told = format!("{} is not there: it holds the mutants", program.display());
            Err(Ended::new(Exit::Usage, told).hint(BUILD).into())
        }
    }
}

fn python() -> bool {
    let mut command = Command::new(PYTHON);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn jobs(args: &MutantsArgs) -> usize {
    let one_more = || thread::available_parallelism().map_or(1, usize::from) + 1;
    args.jobs.map_or_else(one_more, usize::from)
}

fn broken(error: KillError) -> anyhow::Error {
    let told = Ended::new(Exit::Integrity, &error);
    match error {
        KillError::Start { .. } | KillError::Unknown { .. } => {
            Ended { exit: Exit::Usage, ..told.hint(BUILD) }.into()
        }
        _ => told.into(),
    }
}

/// Every mutant of the tables: what was not tried is as if it had not been built.
fn whole(all: &[Mutant], trials: &[Trial], bench: &Bench) -> Vec<Trial> {
    let tried: BTreeMap<&str, &Trial> = trials.iter().map(|trial| (trial.mutant.as_str(), trial)).collect();
    let untried = |mutant: &Mutant| Trial {
        mutant: mutant.name.clone(),
        group: mutant.group,
        wrong: bench.switchboard().wrong(mutant),
        breaks: mutant.breaks().to_vec(),
        standing: Standing::NotBuilt,
    };
    let of = |mutant: &Mutant| {
        tried.get(mutant.name.as_str()).map_or_else(|| untried(mutant), |trial| (*trial).clone())
    };
    all.iter().map(of).collect()
}

fn document(trials: &[Trial], bench: &Bench) -> serde_json::Value {
    json!({
        "mutants": trials,
        "control_misses": bench.control(),
        "good": trials.iter().all(Trial::is_good),
    })
}

/// The matrix for a terminal.
fn table(trials: &[Trial]) -> String {
    let widest = trials.iter().map(|trial| trial.mutant.len()).max().unwrap_or(0);
    let mut text = format!("{:widest$}  by        missed  alone  first check that catches it\n", "mutant");
    for trial in trials {
        let (by, caught) = match &trial.standing {
            Standing::Killed(caught) => ("own", Some(caught)),
            Standing::Lucky(caught) => ("luck", Some(caught)),
            Standing::Survived | Standing::Unstopped => ("SURVIVES", None),
            Standing::Stopped => ("probe", None),
            Standing::NotBuilt => ("not built", None),
        };
        let missed = caught.map(|caught| caught.missed.to_string()).unwrap_or_default();
        let alone = if caught.is_some_and(|caught| caught.missed == 1) { "yes" } else { "" };
        let first = caught.and_then(|caught| caught.first.as_ref()).map_or("", |miss| miss.check.as_str());
        let line = format!("{:widest$}  {by:9} {missed:>6}  {alone:5}  {first}", trial.mutant);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let count = |is: fn(&Standing) -> bool| trials.iter().filter(|trial| is(&trial.standing)).count();
    text.push_str(&format!(
        "\n{} mutants: {} killed by a check of their own, {} by luck alone, {} survive, {} stopped by a probe, {} not built\n",
        trials.len(),
        count(|standing| matches!(standing, Standing::Killed(_))),
        count(|standing| matches!(standing, Standing::Lucky(_))),
        count(|standing| matches!(standing, Standing::Survived | Standing::Unstopped)),
        count(|standing| matches!(standing, Standing::Stopped)),
        count(|standing| matches!(standing, Standing::NotBuilt)),
    ));
    text
}

/// Holds the list of redundant vectors against the matrix.
fn redundant(trials: &[Trial]) -> anyhow::Result<Vec<String>> {
    let list = Redundancy::embedded().context("redundant.yaml")?;
    let must = must_vectors(&suite::vectors()?);
    let kills = kills(trials);
    let killing = must.iter().filter(|id| kills.contains_key(id.as_str())).count();
    eprintln!("{killing} of {} vectors of weight MUST kill a mutant", must.len());
    let proposal = list.proposal(&must, &kills);
    if !proposal.is_empty() {
        console::print(&serde_yaml::to_string(&proposal)?)?;
    }
    let wrong = list.wrong(&must, &kills);
    let unique: BTreeSet<String> = wrong.into_iter().collect();
    Ok(unique.into_iter().collect())
}

fn end(trials: &[Trial], wrong: &[String]) -> Exit {
    let complaints: Vec<String> = trials.iter().filter_map(Trial::complaint).collect();
    for told in wrong {
        eprintln!("vectors/redundant.yaml: {told}");
    }
    let Some(first) = complaints.first().or_else(|| wrong.first()) else { return Exit::Ok };
    let more = match complaints.len() + wrong.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    eprintln!("exit code {}: {first}{more}", Exit::Failed.code());
    Exit::Failed
}
