//! `report EVENTS`, and the writing of reports for every subcommand that makes them.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use avp_conformance::{
    baseline::{Applied, Baseline, Date, Seen},
    event::{Event, read_events},
    gate::{Exit, Gate},
    report::{Subject, badge, html, json, junit, markdown, sarif, text, verdict},
    tally::{Profile, Tally},
};
use clap::{Args, ValueEnum};

use super::{
    Ended,
    console::{self, ColorArgs},
    selection,
};

/// Forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For a terminal
    Text,
    /// One JSON document
    Json,
    /// JUnit XML
    Junit,
    /// Markdown
    #[value(alias = "markdown")]
    Md,
    /// One page for a browser
    Html,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// One picture of the verdict, SVG
    Badge,
    /// The verdict in a word
    Verdict,
}

/// `FORM=FILE`.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) form: Form,
    pub(super) file: PathBuf,
}

impl std::str::FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (form, file) =
            text.split_once('=').ok_or("a report is written FORM=FILE, such as junit=out.xml")?;
        let form = Form::from_str(form, true)
            .map_err(|_| "forms are text, html, json, junit, md, sarif, badge and verdict")?;
        if file.is_empty() {
            return Err("the file's name is empty".to_owned());
        }
        Ok(Self { form, file: file.into() })
    }
}

/// Which events, and as what.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance run --events run.ndjson --adapter avp-python@0.6.2
  avp-conformance report run.ndjson --verbose
  avp-conformance report run.ndjson --to html > report.html
  avp-conformance report run.ndjson --to badge --profile core > badge.svg
")]
pub(super) struct ReportArgs {
    /// Events that `run --events FILE` recorded
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    /// Form of the report
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    to: Form,
    /// Tell warnings in full too
    #[arg(long, short)]
    verbose: bool,
    /// A missed SHOULD fails
    #[arg(long)]
    strict: bool,
    /// The set of areas that the verdict is about
    #[arg(long, value_name = "NAME", value_parser = selection::profile)]
    profile: Option<&'static Profile>,
    /// Known deviations
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    color: ColorArgs,
}

/// Runs it. The exit code is that of the run.
pub(super) fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let tally = tally(read(&args.events)?)?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let applied = baseline.as_ref().map(|baseline| baseline.apply(&Seen::new(&tally.cases), today()));
    let subject = Subject {
        tally: &tally,
        baseline: applied.as_ref(),
        strict: args.strict,
        profile: args.profile.unwrap_or_else(selection::default_profile),
    };
    console::print(&render(&subject, args.to, &console::layout(args.color.color), args.verbose)?)?;
    Ok(finish(&subject))
}

/// Says why a run was no success, and gives its code.
pub(super) fn finish(subject: &Subject<'_>) -> Exit {
    let gate = Gate::of(subject);
    if !gate.why.is_empty() {
        eprintln!("exit code {}: {}", gate.exit.code(), gate.why);
    }
    gate.exit
}

/// One report as text.
pub(super) fn render(
    subject: &Subject<'_>,
    form: Form,
    layout: &text::Layout,
    verbose: bool,
) -> anyhow::Result<String> {
    Ok(match form {
        Form::Text => text::render(subject, layout, verbose),
        Form::Json => json::render(subject)?,
        Form::Junit => junit::render(subject)?,
        Form::Md => markdown::render(subject),
        Form::Html => html::render(subject),
        Form::Sarif => sarif::render(subject)?,
        Form::Badge => badge::render(subject),
        Form::Verdict => verdict::render(subject),
    })
}

/// Writes reports to files.
pub(super) fn write(subject: &Subject<'_>, destinations: &[Destination]) -> anyhow::Result<()> {
    for destination in destinations {
        let text = render(subject, destination.form, &text::Layout::default(), true)?;
        fs::write(&destination.file, text).with_context(|| destination.file.display().to_string())?;
    }
    Ok(())
}

/// Reads recorded events.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
    let name = || path.display().to_string();
    let file = File::open(path).with_context(name)?;
    read_events(BufReader::new(file)).with_context(name)
}

/// Puts a run together.
pub(super) fn tally(events: Vec<Event>) -> anyhow::Result<Tally> {
    Tally::new(events).map_err(|error| Ended::new(Exit::Usage, error).into())
}

/// Reads a baseline.
pub(super) fn read_baseline(path: &Path) -> anyhow::Result<Baseline> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Baseline::parse(&text).with_context(|| path.display().to_string())
}

/// Holds a baseline against a run. `known` are the cases of the suite, asked or not.
pub(super) fn apply<'a>(
    baseline: &'a Baseline,
    tally: &Tally,
    known: impl IntoIterator<Item = String>,
) -> Applied<'a> {
    baseline.apply(&Seen::new(&tally.cases).with_unselected(known), today())
}

/// The day, for entries that end.
pub(super) fn today() -> Date {
    chrono::Utc::now().date_naive()
}
