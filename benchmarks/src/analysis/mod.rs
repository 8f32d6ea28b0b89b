//! MERGED RUN → NUMBERS: everything that a report says, before any of it is drawn.

mod mark;
mod merged;
mod paired;
mod panel;
mod run_pair;
mod sample;
mod summary;
mod verdict;

use std::collections::BTreeMap;

use serde::Serialize;

pub use mark::{COMPAT, MAX_MARKS, Mark, STRICT, mark_names};
pub use merged::{Error, Merged, Result};
pub use paired::{Finding, Likelihood, MARGIN, Paired, Samples, correct};
pub use panel::{Comparison, LENGTHS, LengthShare, Link, Oracle, PREFIX, Panel, Question};
pub use run_pair::{ArmPair, RunPair};
pub use sample::{Phases, Sample, Tokens};
pub use summary::{Outcomes, Summary};
pub(crate) use verdict::three_digits;
pub use verdict::{Answer, Payment, Verdict, bandwidth, crossover_text, finding, payment};

use crate::trace::Trace;

/// What a merged run comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    /// The run's name: that of its file, or the first digits of its sum.
    pub name: String,
    /// SHA-256 of the run file.
    pub run_sha256: String,
    /// SHA-256 of all traces without times, energy and memory.
    pub results_sha256: Option<String>,
    /// Traces.
    pub traces: u64,
    /// What Holm's correction is for.
    pub families: Families,
    /// The answer, in words.
    pub answer: Answer,
    /// Tasks and layouts, in the traces' order.
    pub panels: Vec<Panel>,
}

/// How many comparisons are corrected together: all of a report that ask the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Families {
    /// Against what one would do instead.
    pub pays: u64,
    /// Against controls.
    pub carries: u64,
}

impl Analysis {
    /// What the traces come to. A function of them and the record alone.
    #[must_use]
    pub fn of(run: &Merged) -> Self {
        let mut groups = BTreeMap::<(&str, &str), Vec<&Trace>>::new();
        for trace in &run.traces {
            groups.entry((&trace.task, &trace.layout)).or_default().push(trace);
        }
        let mut panels: Vec<Panel> =
            groups.values().map(|traces| Panel::of(&run.record.arms, traces)).collect();
        for question in [Question::Pays, Question::Carries] {
            let family = panels.iter_mut().flat_map(|panel| &mut panel.comparisons);
            let family = family.filter(|comparison| comparison.question == question);
            correct(family.map(|comparison| &mut comparison.paired));
        }
        let family = |question| {
            let asked = |panel: &Panel| {
                panel.comparisons.iter().filter(|one| one.question == question).count() as u64
            };
            panels.iter().map(asked).sum()
        };
        let families = Families { pays: family(Question::Pays), carries: family(Question::Carries) };
        let name = run.record.run.get("name").and_then(serde_json::Value::as_str);
        let name = name.map_or_else(|| run.record.run_sha256.chars().take(12).collect(), str::to_owned);
        Self {
            name,
            run_sha256: run.record.run_sha256.clone(),
            results_sha256: run.results_sha256.clone(),
            traces: run.traces.len() as u64,
            families,
            answer: Answer::of(&panels),
            panels,
        }
    }
}
