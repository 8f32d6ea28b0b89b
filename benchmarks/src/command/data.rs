//! `avp-bench data`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use avp_bench::dataset::{self, Descriptor};
use clap::Subcommand;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  avp-bench data list
  avp-bench data fetch humaneval            from its Python package, by pip
  avp-bench data fetch all --to my-data
  avp-bench data check gsm8k --data my-data
  AVP_BENCH_DATA=my-data avp-bench data check --json

A data set lies in DIR/NAME/FILE, or its file in DIR itself. Without --data, $AVP_BENCH_DATA is looked in, then the folder that
fetch fills: $AVP_CACHE_DIR/datasets or ~/.avp/datasets. Every file is held against the sha256 of its descriptor
(datasets/NAME/descriptor.yaml), before it takes its place and before it is read. Addresses and the hub need a build with
the feature hub; HF_HUB_OFFLINE keeps fetch off the network. Where a file cannot be fetched, the command says where it comes from, which sum it has and
where it goes.

Exit codes: 0 done, and of check: all that was asked for is right; 1 a file was not fetched, is not right, or, where it was asked for by
name, is not there, and standard error says what to do; 2 wrong arguments.";

/// Published data sets: what there is, fetching them, and whether they are right.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Data sets that are known by name, with licences, and which of them are here.
    List {
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Fetches a data set and prints where it is.
    Fetch {
        /// A name of the list, or `all`.
        name: String,
        /// The folder to put it in, in a folder of its own [default: ~/.avp/datasets].
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Holds files against their sums and reads every item.
    Check {
        /// A name of the list; all that are here otherwise.
        name: Option<String>,
        /// The folder that they lie in.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::List { json } => list(*json),
        Action::Fetch { name, to, json } => fetch(name, to.as_deref(), *json),
        Action::Check { name, data, json } => check(name.as_deref(), data.as_deref(), *json),
    }
}

/// One data set, or all.
fn chosen(name: Option<&str>) -> dataset::Result<Vec<&'static Descriptor>> {
    match name {
        Some(name) => Ok(vec![dataset::descriptor(name)?]),
        None => Ok(dataset::all()?.iter().collect()),
    }
}

fn list(as_json: bool) -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    let mut rows = Vec::new();
    for descriptor in dataset::all()? {
        let here = dataset::find(descriptor, None).ok();
        let items: Vec<_> = descriptor.files.iter().map(|entry| entry.items.to_string()).collect();
        let _ = writeln!(text, "{}\n  {}", descriptor.name, descriptor.about.trim());
        let _ = writeln!(text, "  {} items; {}", items.join(" or "), descriptor.licence);
        let _ = match &here {
            Some((path, _)) => writeln!(text, "  {}", path.display()),
            None => writeln!(text, "  not here; avp-bench data fetch {}", descriptor.name),
        };
        let mut row = serde_json::to_value(descriptor)?;
        row["here"] = here.map_or(Value::Null, |(path, _)| json!(path.display().to_string()));
        rows.push(row);
    }
    print(as_json, &text, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn fetch(name: &str, to: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let to = match to {
        Some(folder) => folder.to_owned(),
        None => dataset::cache().context("to: expected a home folder, AVP_CACHE_DIR or --to, found none")?,
    };
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut failed = false;
    for descriptor in chosen((name != "all").then_some(name))? {
        let bar = indicatif::ProgressBar::new_spinner().with_message(format!("fetching {}", descriptor.name));
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        let fetched = dataset::fetch(descriptor, &to);
        bar.finish_and_clear();
        match fetched {
            Ok(fetched) => {
                let from = fetched
                    .from
                    .as_deref()
                    .map_or_else(|| "was there".to_owned(), |from| format!("from {from}"));
                let _ = writeln!(text, "{}: {}, {from}", descriptor.name, fetched.path.display());
                if let Some(whole) = fetched.whole() {
                    let _ = writeln!(
                        text,
                        "  a part: {} of {whole} items; to fetch all, move it away first",
                        fetched.items
                    );
                }
                rows.push(json!({"name": descriptor.name, "path": fetched.path, "from": fetched.from, "items": fetched.items, "of": fetched.of, "error": null}));
            }
            Err(error) => {
                failed = true;
                eprintln!("avp-bench: {error}");
                rows.push(
                    json!({"name": descriptor.name, "path": null, "from": null, "error": error.to_string()}),
                );
            }
        }
    }
    print(as_json, &text, &rows)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn check(name: Option<&str>, data: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut failed = false;
    for descriptor in chosen(name)? {
        // Unasked for, a file that may be another data set's is no wrong one of this.
        let found = match name {
            Some(_) => Ok(()),
            None => dataset::find(descriptor, data).map(drop),
        };
        let (state, path, items, error) = match found.and_then(|()| dataset::load(&descriptor.name, data)) {
            Ok(loaded) => ("right", Some(loaded.path), Some(loaded.items.len()), None),
            Err(error @ dataset::Error::Absent { .. }) => ("absent", None, None, Some(error)),
            Err(error) => ("wrong", None, None, Some(error)),
        };
        let is_failure = state == "wrong" || (state == "absent" && name.is_some());
        failed |= is_failure;
        if let Some(error) = error.as_ref().filter(|_| is_failure) {
            eprintln!("avp-bench: {error}");
        }
        let _ = match (&path, items) {
            (Some(path), Some(items)) => {
                writeln!(text, "{}: right, {items} items, {}", descriptor.name, path.display())
            }
            _ => writeln!(text, "{}: {state}", descriptor.name),
        };
        let error = error.map(|error| error.to_string());
        rows.push(
            json!({"name": descriptor.name, "state": state, "path": path, "items": items, "error": error}),
        );
    }
    print(as_json, &text, &rows)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(as_json: bool, text: &str, rows: &[Value]) -> anyhow::Result<()> {
    if as_json { super::print(&(serde_json::to_string_pretty(rows)? + "\n")) } else { super::print(text) }
}
