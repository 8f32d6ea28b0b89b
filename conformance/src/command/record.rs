//! Where the events of a run go: memory for the reports, a file, the progress bar.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use avp_conformance::{
    event::{Event, EventWriter, Summary},
    schedule::{Sink, StopFlag},
    tally::counts,
};
use indicatif::{ProgressBar, ProgressStyle};

/// Keeps the events of a run and shows how it goes.
pub(super) struct Recorder {
    events: Vec<Event>,
    file: Option<EventWriter<File>>,
    bar: ProgressBar,
    failed: HashSet<String>,
    strict: bool,
    max_fail: Option<usize>,
    stop: StopFlag,
    no_times: bool,
}

impl Recorder {
    /// Writes to `file` too, when there is one. After `max_fail` failed cases it raises `stop`.
    pub(super) fn new(
        file: Option<&Path>,
        progress: bool,
        strict: bool,
        max_fail: Option<usize>,
        stop: StopFlag,
    ) -> anyhow::Result<Self> {
        let file = match file {
            None => None,
            Some(path) => {
                let file = File::create(path).with_context(|| format!("{}", path.display()))?;
                Some(EventWriter::new(file))
            }
        };
        let bar = if progress { ProgressBar::no_length() } else { ProgressBar::hidden() };
        bar.set_style(
            ProgressStyle::with_template("{spinner} starting the adapter")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Ok(Self {
            events: Vec::new(),
            file,
            bar,
            failed: HashSet::new(),
            strict,
            max_fail,
            stop,
            no_times: false,
        })
    }

    /// Keeps events without times.
    #[must_use]
    pub(super) fn without_times(mut self, no_times: bool) -> Self {
        self.no_times = no_times;
        self
    }

    /// The events so far.
    pub(super) fn into_events(self) -> Vec<Event> {
        self.bar.finish_and_clear();
        self.events
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStart(start) => {
                self.bar.set_length(start.cases as u64);
                let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {msg}");
                self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                self.bar.set_message("0 failed");
            }
            Event::Case(case) => {
                if case.checks.iter().any(|check| check.missed() && counts(check.level, self.strict)) {
                    self.failed.insert(case.key.clone());
                    self.bar.set_message(format!("{} failed", self.failed.len()));
                }
                self.bar.inc(1);
            }
            _ => {}
        }
    }

    fn enough(&self) -> bool {
        self.max_fail.is_some_and(|most| self.failed.len() >= most)
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.keep(event.clone())
    }

    fn keep(&mut self, event: Event) -> io::Result<()> {
        self.show(&event);
        let event = if self.no_times { event.without_times() } else { event };
        let event = match event {
            // The flag that ended the run was ours, not a person's.
            Event::Interrupted(summary) if self.enough() => Event::Summary(Summary {
                stopped: format!("--max-fail: {} cases failed", self.failed.len()),
                ..summary
            }),
            other => other,
        };
        if self.enough() {
            self.stop.raise();
        }
        if let Some(file) = &mut self.file {
            file.write(&event)?;
        }
        self.events.push(event);
        Ok(())
    }
}
