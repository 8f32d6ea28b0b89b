//! The events of several parts of a run → the events of the whole.

use std::collections::{BTreeSet, HashSet};

use super::{Tally, TallyError};
use crate::event::{Counterexample, Event, Probe, Summary};
use crate::schedule::COUNTEREXAMPLES;

/// Why runs can't be put together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// One of them is no run.
    #[error("part {number}: {source}")]
    Part {
        /// From 1.
        number: usize,
        /// Why.
        source: TallyError,
    },
    /// There are none.
    #[error("nothing to merge")]
    Nothing,
    /// They are not parts of the same.
    #[error("part {number} differs from the first in {what}: {first} and {other}")]
    Differs {
        /// From 1.
        number: usize,
        /// In what.
        what: &'static str,
        /// There.
        first: String,
        /// Here.
        other: String,
    },
    /// A case is in two of them.
    #[error("{key} is in two parts")]
    Twice {
        /// `id@spec`.
        key: String,
    },
}

/// Puts the parts of a run (`--shard 0/3`, `--shard 1/3`, …) together.
///
/// # Errors
/// [`MergeError`] when they are not parts of one run of one adapter.
pub fn merge(parts: impl IntoIterator<Item = Vec<Event>>) -> Result<Vec<Event>, MergeError> {
    let mut tallies = Vec::new();
    for (index, events) in parts.into_iter().enumerate() {
        let tally = Tally::new(events).map_err(|source| MergeError::Part { number: index + 1, source })?;
        tallies.push(tally);
    }
    let Some(first) = tallies.first() else { return Err(MergeError::Nothing) };
    for (index, other) in tallies.iter().enumerate().skip(1) {
        same(index + 1, first, other)?;
    }
    let mut start = first.start.clone();
    start.selection = whole_selection(&tallies);
    start.cases = tallies.iter().map(|tally| tally.start.cases).sum();
    start.undeclared = tallies.iter().map(|tally| tally.start.undeclared).sum();
    start.started = tallies.iter().map(|tally| tally.start.started).min().unwrap_or(start.started);
    for tally in &tallies[1..] {
        for brief in &tally.start.requirements {
            if start.requirements.iter().all(|known| known.id != brief.id) {
                start.requirements.push(brief.clone());
            }
        }
    }
    // What one part left out, another may have asked.
    let unselected = tallies.iter().flat_map(|tally| tally.start.unselected.iter().cloned());
    let unselected: BTreeSet<String> = unselected.collect();
    start.unselected =
        unselected.into_iter().filter(|id| start.requirements.iter().all(|known| known.id != *id)).collect();

    let mut total = Summary { complete: true, ..Summary::default() };
    let mut keys = BTreeSet::new();
    let mut events = vec![Event::RunStart(Box::new(start))];
    let mut probes: Vec<Probe> = Vec::new();
    let mut interrupted = false;
    let mut counterexamples = Vec::new();
    for tally in tallies {
        // Every part asks them anew; the same outcome is told once.
        for probe in tally.probes {
            if !probes.contains(&probe) {
                probes.push(probe.clone());
                events.push(Event::Probe(probe));
            }
        }
        for case in tally.cases {
            if !keys.insert(case.key.clone()) {
                return Err(MergeError::Twice { key: case.key });
            }
            total.add(&case);
            events.push(Event::Case(Box::new(case)));
        }
        counterexamples.extend(tally.counterexamples);
        events.extend(tally.exits.into_iter().map(Event::AdapterExit));
        let part = tally.summary.unwrap_or_else(|| Summary {
            stopped: "the events of a part were cut off".to_owned(),
            ..Summary::default()
        });
        total.complete &= part.complete;
        total.selected += part.selected;
        total.children += part.children;
        total.duration_ms += part.duration_ms;
        if total.stopped.is_empty() {
            total.stopped = part.stopped;
        }
        interrupted |= tally.interrupted;
    }
    events.extend(first_of_each(counterexamples).map(|found| Event::Counterexample(Box::new(found))));
    events.push(if interrupted { Event::Interrupted(total) } else { Event::Summary(total) });
    Ok(events)
}

/// Each part found the first of its own cases; the whole has the first of all, and no more than one run has.
fn first_of_each(mut found: Vec<Counterexample>) -> impl Iterator<Item = Counterexample> {
    fn place(found: &Counterexample) -> (&str, u32, &str) {
        let (id, spec) = found.key.rsplit_once('@').unwrap_or((&found.key, ""));
        let (property, index) = id.rsplit_once('/').unwrap_or((id, ""));
        (property, index.parse().unwrap_or_default(), spec)
    }
    let kind = |found: &Counterexample| {
        (place(found).0.to_owned(), found.check.clone(), found.requirements.clone(), found.outcome)
    };
    found.sort_by(|a, b| (place(a), &a.check).cmp(&(place(b), &b.check)));
    let mut seen = HashSet::new();
    found.retain(|found| seen.insert(kind(found)));
    found.into_iter().take(COUNTEREXAMPLES)
}

fn same(number: usize, first: &Tally, other: &Tally) -> Result<(), MergeError> {
    let (a, b) = (&first.start, &other.start);
    let broad = |tally: &Tally| {
        let kept = tally.start.selection.iter().filter(|option| !option.starts_with("--shard "));
        kept.cloned().collect::<Vec<_>>().join(" ")
    };
    let pairs = [
        ("the suite", a.suite.clone(), b.suite.clone()),
        ("the vectors", a.vectors.clone(), b.vectors.clone()),
        ("the implementation", a.hello.name.clone(), b.hello.name.clone()),
        ("its version", a.hello.version.clone(), b.hello.version.clone()),
        ("the seed", a.seed.to_string(), b.seed.to_string()),
        ("the selection", broad(first), broad(other)),
    ];
    for (what, first, other) in pairs {
        if first != other {
            return Err(MergeError::Differs { number, what, first, other });
        }
    }
    Ok(())
}

/// The parts' own selection, less `--shard` when all the parts are there.
fn whole_selection(tallies: &[Tally]) -> Vec<String> {
    let shards: BTreeSet<(u32, u32)> = tallies
        .iter()
        .flat_map(|tally| &tally.start.selection)
        .filter_map(|option| option.strip_prefix("--shard ")?.split_once('/'))
        .filter_map(|(index, count)| Some((count.parse().ok()?, index.parse().ok()?)))
        .collect();
    let count = shards.first().map_or(0, |(count, _)| *count);
    let whole =
        shards.len() == tallies.len() && shards.iter().copied().eq((0..count).map(|index| (count, index)));
    let first = tallies.first().map(|tally| tally.start.selection.as_slice()).unwrap_or_default();
    let mut selection: Vec<String> =
        first.iter().filter(|option| !option.starts_with("--shard ")).cloned().collect();
    if !whole {
        selection.extend(shards.into_iter().map(|(count, index)| format!("--shard {index}/{count}")));
    }
    selection
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::sample;

    /// The sample's cases dealt out to `count` parts.
    fn parts(count: u32) -> Vec<Vec<Event>> {
        let deal = |index: u32| {
            let mut start = sample::start();
            start.selection = vec!["--area HDR".into(), format!("--shard {index}/{count}")];
            let cases: Vec<_> =
                sample::cases().into_iter().skip(index as usize).step_by(count as usize).collect();
            sample::stream(start, cases)
        };
        (0..count).map(deal).collect()
    }

    #[test]
    fn the_parts_make_the_whole() {
        let whole = Tally::new(sample::stream(sample::start(), sample::cases())).unwrap();
        let merged = Tally::new(merge(parts(3)).unwrap()).unwrap();
        assert_eq!(merged.start.selection, ["--area HDR"]);
        assert_eq!(merged.cases, whole.cases);
        let statuses =
            |tally: &Tally| tally.requirements.iter().map(|verdict| verdict.status).collect::<Vec<_>>();
        assert_eq!(statuses(&merged), statuses(&whole));
        assert_eq!(merged.summary.unwrap().failed, whole.summary.unwrap().failed);
    }

    #[test]
    fn a_missing_part_stays_visible() {
        let mut some = parts(3);
        some.pop();
        let merged = Tally::new(merge(some).unwrap()).unwrap();
        assert_eq!(merged.start.selection, ["--area HDR", "--shard 0/3", "--shard 1/3"]);
        assert!(merged.is_narrowed());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let twice = vec![parts(2).remove(0), parts(2).remove(0)];
        assert!(matches!(merge(twice), Err(MergeError::Twice { .. })));
        let mut start = sample::start();
        start.hello.version = "0.6.1".into();
        let other = sample::stream(start, Vec::new());
        let mixed = vec![sample::stream(sample::start(), sample::cases()), other];
        let error = merge(mixed).unwrap_err();
        assert_eq!(error.to_string(), "part 2 differs from the first in its version: 0.6.2 and 0.6.1");
        assert_eq!(merge(Vec::new()), Err(MergeError::Nothing));
        assert!(matches!(merge([Vec::new()]), Err(MergeError::Part { number: 1, .. })));
    }
}
