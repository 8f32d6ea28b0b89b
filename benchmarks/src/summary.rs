//! TRACES → a table for a terminal: how often each arm was right, and what the harness itself took.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::record::RunRecord;
use crate::stats::{Share, wilson};
use crate::trace::{Outcome, Trace};

/// One arm in one layout of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The task.
    pub task: String,
    /// The layout.
    pub layout: String,
    /// The arm's id.
    pub arm: String,
    /// The arm, for people.
    pub label: String,
    /// Right answers, errors left out.
    pub share: Share,
    /// The Wilson interval.
    pub interval: (f64, f64),
    /// Items that failed.
    pub errors: u64,
    /// Mean negative log-likelihood of the gold answer, in nats a token.
    pub nll: Option<f64>,
    /// Mean bytes over the wire, of what did not fail.
    pub wire_bytes: f64,
    /// Mean milliseconds an item, of what did not fail.
    pub wall_ms: f64,
}

/// A run in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Every arm in every layout, in the record's order.
    pub rows: Vec<Row>,
    /// Share of all items' time in which neither a model nor the codec worked.
    pub overhead: f64,
    /// Milliseconds of the harness an item under an arm.
    pub overhead_ms: f64,
}

impl Summary {
    /// What the traces come to.
    #[must_use]
    pub fn of(record: &RunRecord, traces: &[Trace]) -> Self {
        let mut cells: BTreeMap<_, Vec<&Trace>> = BTreeMap::new();
        for trace in traces {
            let cell = cells.entry((trace.task.as_str(), trace.layout.as_str(), trace.arm.as_str()));
            cell.or_default().push(trace);
        }
        let mut rows = Vec::new();
        let mut places: Vec<_> = cells.keys().map(|(task, layout, _)| (*task, *layout)).collect();
        places.dedup();
        for (task, layout) in places {
            for arm in &record.arms {
                let Some(held) = cells.get(&(task, layout, arm.id.as_str())) else { continue };
                let mut row = row(held);
                (row.task, row.layout) = (task.to_owned(), layout.to_owned());
                (row.arm, row.label) = (arm.id.clone(), arm.label.clone());
                rows.push(row);
            }
        }
        let sum = |of: fn(&Trace) -> f64| traces.iter().map(of).sum::<f64>();
        let (wall, own) = (sum(|trace| trace.wall_ms), sum(|trace| trace.overhead_ms));
        let overhead = if wall > 0.0 { own / wall } else { 0.0 };
        Self { rows, overhead, overhead_ms: own / traces.len().max(1) as f64 }
    }

    /// For a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut place = (String::new(), String::new());
        for row in &self.rows {
            if (&row.task, &row.layout) != (&place.0, &place.1) {
                place = (row.task.clone(), row.layout.clone());
                let _ = writeln!(
                    text,
                    "{}{}, {}\n{:<22} {:>8} {:>17} {:>8} {:>11} {:>10}",
                    if text.is_empty() { "" } else { "\n" },
                    place.0,
                    place.1,
                    "arm",
                    "right, %",
                    "95 % (Wilson)",
                    "NLL",
                    "wire, bytes",
                    "time, ms"
                );
            }
            let (low, high) = row.interval;
            let nll = row.nll.map_or_else(String::new, |nll| format!("{nll:.3}"));
            let errors = if row.errors == 0 { String::new() } else { format!("  {} failed", row.errors) };
            let _ = writeln!(
                text,
                "{:<22} {:>8.1} {:>17} {nll:>8} {:>11.0} {:>10.1}{errors}",
                row.arm,
                row.share.value() * 100.0,
                format!("{:.1} to {:.1}", low * 100.0, high * 100.0),
                row.wire_bytes,
                row.wall_ms
            );
        }
        let _ = writeln!(
            text,
            "\nNLL: of the gold answer, nats a token. The harness itself took {:.2} % of the time, {:.3} ms an item under an arm.",
            self.overhead * 100.0,
            self.overhead_ms
        );
        text
    }
}

fn row(traces: &[&Trace]) -> Row {
    let mut row = Row::default();
    let (mut nats, mut tokens) = (0.0, 0_u64);
    for trace in traces {
        match trace.outcome {
            Outcome::Error => row.errors += 1,
            outcome => row.share.count(outcome == Outcome::Correct),
        }
        if let Some(nll) = trace.nll {
            nats += nll;
            tokens += u64::from(trace.nll_tokens);
        }
    }
    // Items are what is drawn; answering one again adds nothing to their number.
    let items: BTreeSet<&str> = traces
        .iter()
        .filter(|trace| trace.outcome != Outcome::Error)
        .map(|trace| trace.item.as_str())
        .collect();
    row.interval = wilson(row.share.value(), items.len() as f64);
    row.nll = (tokens > 0).then(|| nats / tokens as f64);
    // What failed half-way would pass for fast.
    let whole = || traces.iter().filter(|trace| trace.outcome != Outcome::Error);
    let mean =
        |of: fn(&Trace) -> f64| whole().map(|trace| of(trace)).sum::<f64>() / whole().count().max(1) as f64;
    row.wire_bytes = mean(|trace| trace.wire_bytes() as f64);
    row.wall_ms = mean(|trace| trace.wall_ms);
    row
}
