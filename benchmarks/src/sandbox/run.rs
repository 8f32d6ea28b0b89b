//! PROGRAM → END: one program, or one that judges another.

use std::io::{self, PipeReader};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use super::limits::{DESCRIPTORS, DRAIN, GRACE};
use super::process::{Event, Process, STARTED, Side};
use super::verdict::shown;
use super::{End, Limits, Nonce, Sandbox};

/// Nothing was learnt about a program: the sandbox did not start it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox did not start a program: {0}")]
pub struct Infrastructure(pub String);

/// What is run.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// The text that the interpreter begins with: ours, and no secret.
    pub text: &'a str,
    /// What it reads.
    pub input: Vec<u8>,
    /// What it may use.
    pub limits: Limits,
}

/// How a program ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub end: End,
    /// Its output.
    pub output: Vec<u8>,
    /// The beginning of what it wrote to standard error.
    pub errors: Vec<u8>,
}

/// What a judging program said of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What it said behind its word; nothing where it did not come to that.
    pub verdict: Option<String>,
    /// How the judged program ended.
    pub candidate: End,
    /// How the judging program ended.
    pub judge: End,
}

impl Sandbox {
    /// Runs a program to its end, which comes at the latest with its limits.
    ///
    /// # Errors
    /// Where it was not started.
    pub fn run(&self, program: &Program<'_>) -> Result<Ended, Infrastructure> {
        let (events, heard) = mpsc::channel();
        let folder = self.folder().map_err(infrastructure)?;
        let start = || -> io::Result<_> {
            let calls = self.walls.calls()?;
            let command = self.command(program, folder.as_ref(), calls.as_ref());
            let output = program.limits.output;
            let mut process = Process::start(command, self.is_open(), Side::Candidate, output, &events)?;
            let kept = process.keep(output)?;
            process.feed(program.input.clone())?;
            Ok((process, kept))
        };
        let (mut process, kept) = start().map_err(infrastructure)?;
        let mut closed = 0;
        let cut = wait(&heard, Instant::now() + program.limits.wall, &mut closed);
        let end = process.end();
        drain(&heard, 3_usize.saturating_sub(closed));
        if !process.has_started() {
            return Err(Infrastructure(never_started(&process, end)));
        }
        let end = match cut {
            Cut::Ended(_) => end,
            Cut::Flood(_) => End::OutputFlood,
            Cut::Time => End::TimedOut,
        };
        Ok(Ended { end, output: kept.take(), errors: process.errors.take() })
    }

    /// Runs two programs, each in a sandbox of its own: what one writes the other reads, and nothing else joins them. The judge
    /// gives its verdict on standard error behind `nonce`.
    ///
    /// # Errors
    /// Where one of them was not started.
    pub fn judge(
        &self,
        judge: &Program<'_>,
        candidate: &Program<'_>,
        nonce: &Nonce,
    ) -> Result<Judged, Infrastructure> {
        let (events, heard) = mpsc::channel();
        let folders = [self.folder(), self.folder()].map(|folder| folder.map_err(infrastructure));
        let [own, other] = folders;
        let (own, other) = (own?, other?);
        let start = |program: &Program<'_>, side, folder: &Option<_>| {
            let calls = self.walls.calls().map_err(infrastructure)?;
            let command = self.command(program, Option::as_ref(folder), calls.as_ref());
            Process::start(command, self.is_open(), side, program.limits.output, &events)
                .map_err(infrastructure)
        };
        let mut judging = start(judge, Side::Judge, &own)?;
        let mut judged = start(candidate, Side::Candidate, &other)?;
        if let (Some(to_judge), Some(to_candidate)) = (judging.input(), judged.input()) {
            judging.pass(to_candidate, candidate.input.clone()).map_err(infrastructure)?;
            judged.pass(to_judge, judge.input.clone()).map_err(infrastructure)?;
        }
        let until = Instant::now() + candidate.limits.wall.max(judge.limits.wall);
        let mut closed = 0;
        // The end of the candidate is no end yet: the judge sees it, and says what it makes of it.
        let mut has_ended = false;
        let mut cut = loop {
            match wait(&heard, until, &mut closed) {
                Cut::Ended(Side::Candidate) => has_ended = true,
                cut => break cut,
            }
        };
        // A candidate whose time is up closes its pipe first: the judge may hear of that, and end, before the candidate has. How it
        // ended is what says whether it was too slow.
        if matches!(cut, Cut::Ended(Side::Judge)) && !has_ended {
            let grace = until.min(Instant::now() + GRACE);
            if let Cut::Flood(side) = wait(&heard, grace, &mut closed) {
                cut = Cut::Flood(side);
            }
        }
        let (candidate_end, judge_end) = (judged.end(), judging.end());
        drain(&heard, 4_usize.saturating_sub(closed));
        for (process, end) in [(&judging, judge_end), (&judged, candidate_end)] {
            if !process.has_started() {
                return Err(Infrastructure(never_started(process, end)));
            }
        }
        let verdict = nonce.verdict(&judging.errors.take());
        let candidate = match cut {
            Cut::Flood(Side::Candidate) => End::OutputFlood,
            Cut::Time if candidate_end == End::Stopped => End::TimedOut,
            _ => candidate_end,
        };
        let judge = match cut {
            Cut::Flood(Side::Judge) => End::OutputFlood,
            Cut::Time => End::TimedOut,
            _ => judge_end,
        };
        Ok(Judged { verdict, candidate, judge })
    }

    fn command(
        &self,
        program: &Program<'_>,
        folder: Option<&tempfile::TempDir>,
        calls: Option<&PipeReader>,
    ) -> std::process::Command {
        // Whatever else whoever started us left open is closed first.
        let text = format!(
            "import os as _os\n_os.closerange(3, {DESCRIPTORS})\n_os.write(1, {STARTED:?}.encode())\ndel _os\n{}",
            program.text
        );
        self.walls.command(&self.python, &text, &program.limits, folder.map(tempfile::TempDir::path), calls)
    }

    /// A folder to work in where there is no sandbox.
    fn folder(&self) -> io::Result<Option<tempfile::TempDir>> {
        if self.is_open() { tempfile::tempdir().map(Some) } else { Ok(None) }
    }
}

enum Cut {
    Ended(Side),
    Flood(Side),
    Time,
}

/// Waits for the next end. `closed` counts pipes.
fn wait(heard: &Receiver<Event>, until: Instant, closed: &mut usize) -> Cut {
    loop {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Ended(side)) => return Cut::Ended(side),
            Ok(Event::Flood(side)) => return Cut::Flood(side),
            Ok(Event::Closed) => *closed += 1,
            Err(_) => return Cut::Time,
        }
    }
}

/// Waits until so many pipes are closed and all that was written is read.
fn drain(heard: &Receiver<Event>, mut open: usize) {
    let until = Instant::now() + DRAIN;
    while open > 0 {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Closed) => open -= 1,
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn never_started(process: &Process, end: End) -> String {
    format!("{end:?}: {}", shown(&String::from_utf8_lossy(&process.errors.take())))
}

fn infrastructure(error: io::Error) -> Infrastructure {
    Infrastructure(error.to_string())
}
