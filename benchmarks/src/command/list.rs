//! `avp-bench list`.

use std::fmt::Write as _;
use std::process::ExitCode;

use avp_bench::arm::CATALOGUE;
use avp_bench::run_file::{RUNS, RunFile};
use clap::ValueEnum;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  avp-bench list arms
  avp-bench list runs --json";

/// What there is: tasks, arms, run files.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Tasks,
    Arms,
    Runs,
}

/// Kinds of tasks, with the keys that they take in a run file.
const TASKS: [(&str, &str); 2] = [
    ("relay", "Short facts and a question, made by this program; keys bundled, or split, seed and count."),
    (
        "text",
        "Any text with questions: JSON lines of id, context, question and answer; key file, or `sample`.",
    ),
];

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rows: Vec<[String; 2]> = match args.what {
        What::Tasks => TASKS.iter().map(|(name, about)| [(*name).to_owned(), (*about).to_owned()]).collect(),
        What::Arms => CATALOGUE.iter().map(|entry| [entry.form.to_owned(), entry.about.to_owned()]).collect(),
        What::Runs => {
            let mut rows = Vec::new();
            for (name, text) in RUNS {
                let first = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
                let arms = RunFile::from_yaml(text)?.arms()?.len();
                rows.push([name.to_owned(), format!("{first} {arms} arms.")]);
            }
            rows
        }
    };
    let text = if args.json {
        let values: Vec<Value> =
            rows.iter().map(|[name, about]| json!({"name": name, "about": about})).collect();
        format!("{:#}\n", Value::Array(values))
    } else {
        let width = rows.iter().map(|[name, _]| name.len()).max().unwrap_or_default();
        rows.iter().fold(String::new(), |mut text, [name, about]| {
            let _ = writeln!(text, "{name:<width$}  {about}");
            text
        })
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
