//! What a run leaves in a GitHub workflow without being asked: a summary of the step, and annotations.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use avp_conformance::{
    adapter::fresh_nonce,
    report::{Subject, github},
};

use super::report::Destination;

/// A workflow step that this process is part of.
#[derive(Debug, Default)]
pub(super) struct Workflow {
    /// GitHub reads commands from the output.
    commands: bool,
    /// Where the summary of the step goes.
    summary: Option<PathBuf>,
}

impl Workflow {
    /// Looks around. Nothing is found when the user does not want it, and no summary when one is written there anyway.
    pub(super) fn find(wanted: bool, destinations: &[Destination]) -> Self {
        if !wanted {
            return Self::default();
        }
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let summary = variable("GITHUB_STEP_SUMMARY").map(PathBuf::from);
        Self {
            commands: variable("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            summary: summary.filter(|path| destinations.iter().all(|destination| destination.file != *path)),
        }
    }

    /// Prints a report. What stands in it is partly an adapter's own words, so no line of it counts as a command: GitHub
    /// reads none until it sees a word that the adapter could not know.
    pub(super) fn print(&self, json: bool, print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if !self.commands {
            return print();
        }
        let word = fresh_nonce();
        say(json, &format!("::stop-commands::{word}"))?;
        let printed = print();
        say(json, &format!("::{word}::"))?;
        printed
    }

    /// Writes the summary and the annotations.
    pub(super) fn tell(&self, subject: &Subject<'_>, json: bool) -> io::Result<()> {
        if let Some(path) = &self.summary {
            let file = OpenOptions::new().append(true).create(true).open(path);
            if let Err(error) = file.and_then(|mut file| file.write_all(github::summary(subject).as_bytes()))
            {
                // The verdict stands without it.
                eprintln!("warning: {}: {error}: the step has no summary", path.display());
            }
        }
        if self.commands {
            github::annotations(subject).iter().try_for_each(|line| say(json, line))?;
        }
        Ok(())
    }
}

/// A command goes to stdout, or to stderr where stdout is one JSON document: GitHub reads both.
fn say(json: bool, line: &str) -> io::Result<()> {
    if json { writeln!(io::stderr(), "{line}") } else { writeln!(io::stdout(), "{line}") }
}
