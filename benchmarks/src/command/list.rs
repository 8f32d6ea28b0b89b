//! `avp-bench list`.

use std::fmt::Write as _;
use std::process::ExitCode;

use avp_bench::arm::{Arm, CATALOGUE};
use avp_bench::run_file::{RUNS, RunFile, TaskKind};
use avp_bench::task::Descriptor;
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

/// Tokens a second that the estimate of a run's length takes: what a card of the data centre decodes, one item at a time, with
/// a model of 7 billion parameters, to the order of magnitude. Nothing is measured by it.
const PACE: f64 = 40.0;

/// Kinds of tasks, with the keys that they take in a run file.
const TASKS: [(&str, &str); 3] = [
    ("relay", "Short facts and a question, made by this program; keys bundled, or split, seed and count."),
    (
        "text",
        "Any text with questions: JSON lines of id, context, question and answer; key file, or `sample`.",
    ),
    (
        "custom",
        "A task of your own: roles, prompts, topology and scorer under the key descriptor, items as for text under file.",
    ),
];

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rows: Vec<[String; 2]> = match args.what {
        What::Tasks => {
            let ours = TASKS.iter().map(|(name, about)| [(*name).to_owned(), (*about).to_owned()]);
            let described = Descriptor::all().map_err(anyhow::Error::msg)?;
            ours.chain(described.into_iter().map(|task| [task.name, task.about])).collect()
        }
        What::Arms => CATALOGUE.iter().map(|entry| [entry.form.to_owned(), entry.about.to_owned()]).collect(),
        What::Runs => RUNS.iter().map(|(name, text)| run_row(name, text)).collect::<Result<_, _>>()?,
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

/// What a run file does, by the comment at its beginning, and how much that is at most.
fn run_row(name: &str, text: &str) -> anyhow::Result<[String; 2]> {
    let about: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
    let file = RunFile::from_yaml(text)?;
    let arms = file.arms()?;
    let mut about = format!("{} {} arms", about.join(" "), arms.len());
    if let Some(items) = file.limits.items {
        // The oracle writes its answer and the two that it compares.
        let writing: u64 = arms.iter().map(|arm| if *arm == Arm::Oracle { 3 } else { 1 }).sum();
        let tokens = writing * file.layouts.len() as u64 * u64::from(file.replicates) * items;
        let writers = arms.iter().filter(|arm| matches!(arm, Arm::Text(_))).count() as u64;
        let notes = writers * file.layouts.len() as u64 * u64::from(file.replicates) * items;
        let most: u64 = file
            .tasks
            .iter()
            .map(|task| {
                let decoding = task.decoding();
                let readers = match &task.kind {
                    TaskKind::Described(name) => {
                        Descriptor::shipped(name).map_or(1, |task| task.agents.len())
                    }
                    TaskKind::Custom => task.descriptor.as_ref().map_or(1, |task| task.agents.len()),
                    TaskKind::Relay | TaskKind::Text => 1,
                };
                tokens * decoding.max_tokens as u64 + notes * (decoding.note_tokens * readers) as u64
            })
            .sum();
        about += &format!(
            ", at most {items} items of each task and {:.2} million tokens of text",
            most as f64 / 1e6
        );
        if file.device != "cpu" {
            about += &format!(": {:.1} hours at {PACE} a second", most as f64 / PACE / 3600.0);
        }
    }
    Ok([name.to_owned(), about + "."])
}
