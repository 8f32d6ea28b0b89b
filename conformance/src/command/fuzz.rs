//! `run --fuzz 60s`: generated cases of one seed after the other until the time is over.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use avp_conformance::{
    adapter::Launcher,
    case::Case,
    event::{Event, Summary},
    schedule::{self, Known, RunError, RunOptions, Shrinking, Sink, StopFlag},
};

/// Longest time: a week, which is a typing error more often than a wish beyond that.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// `60s`, `5m`, `2h`, or seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 60s, 5m or 2h, at most a week".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let time = Duration::from_secs(count.checked_mul(unit).ok_or_else(wrong)?);
    if time.is_zero() || time > LONGEST { Err(wrong()) } else { Ok(time) }
}

/// Passes on what a report is made of: all of the first round, and of the others what was missed.
struct Rounds<'a> {
    sink: &'a mut dyn Sink,
    first: bool,
    total: Summary,
    interrupted: bool,
    /// Property and check of the counterexamples so far.
    found: &'a Mutex<HashSet<(String, String)>>,
}

impl Sink for Rounds<'_> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Summary(summary) | Event::Interrupted(summary) => {
                if self.first {
                    self.interrupted = matches!(event, Event::Interrupted(_));
                    self.total = summary.clone();
                } else {
                    self.total.children += summary.children;
                    self.total.duration_ms += summary.duration_ms;
                }
                return Ok(());
            }
            Event::Case(case) if !self.first => {
                self.total.add(case);
                self.total.selected += 1;
                if !case.missed() {
                    return Ok(());
                }
            }
            Event::RunStart(_) | Event::Probe(_) if !self.first => return Ok(()),
            Event::Counterexample(counterexample) => {
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert((property(&counterexample.key), counterexample.check.clone()));
            }
            _ => {}
        }
        self.sink.event(event)
    }
}

fn property(key: &str) -> String {
    key.rsplit_once('/').map_or(key, |(property, _)| property).to_owned()
}

/// Runs `first` in full, then what `more` makes of one seed after the other, until the time is over or `stop` is raised.
/// What was made small once is left as it is later.
pub(super) fn run(
    first: Vec<Case>,
    launcher: &dyn Launcher,
    options: &RunOptions<'_>,
    time: Duration,
    mut more: impl FnMut(u64) -> anyhow::Result<Vec<Case>>,
    sink: &mut dyn Sink,
) -> anyhow::Result<Result<Summary, RunError>> {
    let end = Instant::now() + time;
    let (hand, seed) = (options.stop.clone(), options.seed);
    let found = Mutex::new(HashSet::new());
    let shrink = options.shrink.clone();
    let baseline = shrink.as_ref().and_then(|shrinking| shrinking.known);
    let known = |key: &str, check: &str| {
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.contains(&(property(key), check.to_owned())) || baseline.is_some_and(|known| known(key, check))
    };
    let known: &Known<'_> = &known;
    let mut rounds =
        Rounds { sink, first: true, total: Summary::default(), interrupted: false, found: &found };
    let mut cases = first;
    for round in 0.. {
        let own = RunOptions {
            seed: seed.wrapping_add(round),
            // A stop ends the drawing of cases; what was found is made small all the same.
            stop: if round == 0 { hand.clone() } else { hand.at(end) },
            shrink: shrink.as_ref().map(|_| Shrinking { stop: StopFlag::default(), known: Some(known) }),
            ..options.clone()
        };
        let outcome = schedule::run(cases, launcher, &own, &mut rounds);
        if let Err(error) = outcome {
            rounds.total.complete = false;
            rounds.total.stopped = error.to_string();
            let total = rounds.total.clone();
            sink.event(&Event::Summary(total))?;
            return Ok(Err(error));
        }
        rounds.first = false;
        if hand.raised() || Instant::now() >= end {
            break;
        }
        cases = more(seed.wrapping_add(round + 1))?;
    }
    let (total, interrupted) = (rounds.total.clone(), rounds.interrupted);
    sink.event(&if interrupted { Event::Interrupted(total.clone()) } else { Event::Summary(total.clone()) })?;
    Ok(Ok(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "s", "0s", "1d", "-1s", "1.5s", "9999999999999999999h", "1000h", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
