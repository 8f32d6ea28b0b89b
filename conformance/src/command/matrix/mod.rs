//! `matrix`: many runs → one page and one Markdown table.

mod collect;
mod member;
mod store;

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use avp_conformance::{
    gate::Exit,
    matrix::{Collection, Entry, Matrix, html, markdown, reading::CrossReading},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::collect::Collected;
use super::{Ended, console, report, run::HowArgs, target::PlaceArgs};

/// Largest recording of a cross-reading that is read back. Those of twenty implementations take some megabytes.
const READINGS_LIMIT: u64 = 256 << 20;

/// Which runs, and where to.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance matrix --all -o reports/conformance      every adapter of the project, set up and run by itself
  avp-conformance matrix --all --only avp-python@0.6.2     one of them, as Markdown on stdout
  avp-conformance matrix mine.ndjson theirs.ndjson -o out  recordings of `run --events`

With --all, what is recorded already for the same suite, seed and adapter is not run again. An implementation that can't be
set up or run is shown as such and ends nothing; the exit code is 5 then.
")]
pub(super) struct MatrixArgs {
    /// What `run --events FILE` recorded
    #[arg(value_name = "EVENTS", required_unless_present = "all")]
    events: Vec<PathBuf>,
    /// Set up and run the reference, every adapter of the project and the example of the contract page; then let each
    /// read what every other writes
    #[arg(long)]
    all: bool,
    /// With --all: only these
    #[arg(long, value_name = "NAME[@VERSION]", requires = "all")]
    only: Vec<String>,
    /// With --all: this too, although it downloads much
    #[arg(long, value_name = "NAME", requires = "all")]
    with: Vec<String>,
    /// With --all: run again what is recorded
    #[arg(long, requires = "all")]
    again: bool,
    /// With --all: where recordings are kept [default: matrix, in the folder of `adapter setup`]
    #[arg(long, value_name = "DIR", requires = "all")]
    work: Option<PathBuf>,
    /// A recorded cross-reading to show, as --all leaves it among its recordings
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    readings: Option<PathBuf>,
    /// Write matrix.html and matrix.md there [default: Markdown on stdout]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write a report of every run there too, in the folder `runs`
    #[arg(long, requires = "output")]
    each: bool,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    how: HowArgs,
}

/// Runs it.
pub(super) fn matrix(args: &MatrixArgs) -> anyhow::Result<Exit> {
    if args.how.max_fail.is_some() {
        return Err(Ended::new(Exit::Usage, "--max-fail: a matrix shows whole runs").into());
    }
    let mut collected = if args.all { collect::collect(args)? } else { Collected::default() };
    if let Some(path) = &args.readings {
        collected.readings = Some(read_readings(path)?);
    }
    let mut collection = Collection::default();
    let mut pages = Vec::new();
    let recorded = collected.runs.iter().chain(&args.events);
    for path in recorded {
        let tally = report::tally(report::read(path)?).with_context(|| path.display().to_string())?;
        if args.each {
            let subject = avp_conformance::report::Subject::new(&tally);
            let name = file_name(&format!("{}-{}", tally.start.hello.name, tally.start.hello.version));
            pages.push((name, avp_conformance::report::markdown::render(&subject)));
        }
        collection.add(&tally);
    }
    for (name, version, why) in &collected.absent {
        collection.add_absent(Entry::absent(name, version, why));
    }
    let matrix = collection.finish(collected.readings);
    write(args, &matrix, &pages)?;
    if collected.interrupted {
        return Ok(Exit::Interrupted);
    }
    if let Some((name, version, why)) = collected.absent.first() {
        let more = match collected.absent.len() {
            1 => String::new(),
            all => format!(", and {} more", all - 1),
        };
        eprintln!("exit code {}: {name} {version} was not run: {why}{more}", Exit::Incomplete.code());
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Ok)
}

fn write(args: &MatrixArgs, matrix: &Matrix, pages: &[(String, String)]) -> anyhow::Result<()> {
    let Some(folder) = &args.output else {
        console::print(&markdown::render(matrix))?;
        return Ok(());
    };
    let save = |path: PathBuf, text: &str| {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        eprintln!("wrote {}", path.display());
        anyhow::Ok(())
    };
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    save(folder.join("matrix.md"), &markdown::render(matrix))?;
    save(folder.join("matrix.html"), &html::render(matrix))?;
    if args.each {
        let runs = folder.join("runs");
        fs::create_dir_all(&runs).with_context(|| runs.display().to_string())?;
        for (name, page) in pages {
            save(runs.join(format!("{name}.md")), page)?;
        }
    }
    Ok(())
}

fn read_readings(path: &Path) -> anyhow::Result<CrossReading> {
    let name = || path.display().to_string();
    let length = fs::metadata(path).with_context(name)?.len();
    anyhow::ensure!(length <= READINGS_LIMIT, "{}: {length} bytes, at most {READINGS_LIMIT}", name());
    let readings: CrossReading =
        serde_json::from_slice(&fs::read(path).with_context(name)?).with_context(name)?;
    if !readings.is_sound() {
        let told = format!("{}: no cross-reading of this version of the suite", name());
        return Err(Ended::new(Exit::Usage, told).hint("avp-conformance matrix --all makes one").into());
    }
    Ok(readings)
}

/// Progress of something whose end is far.
fn bar() -> ProgressBar {
    let shown = std::io::stderr().is_terminal();
    let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{spinner} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

/// A name that an implementation gave itself, as part of a file's name.
fn file_name(text: &str) -> String {
    /// Longer names are of nobody's making but a joker's.
    const LONGEST: usize = 80;
    let plain = |c: char| if c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c) { c } else { '_' };
    let name: String = text.chars().take(LONGEST).map(plain).collect();
    name.trim_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_hold_no_paths() {
        assert_eq!(file_name("avp-python-0.6.2"), "avp-python-0.6.2");
        assert_eq!(file_name("../../etc/x-1"), "_.._etc_x-1");
        assert_eq!(file_name(&"x".repeat(500)).len(), 80);
        assert_eq!(file_name("mine-"), "mine");
    }
}
