//! TRACES → what other scorers say of the same answers, beside ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::record::ArmRecord;
use crate::stats::{ALPHA, Bootstrap, Discordance, Interval, mean, share_difference, wilson};
use crate::trace::{Outcome, Trace};

/// The mark that says what the upstream project's scorer takes for right, 1 or 0.
pub const COMPAT: &str = "compat";
/// The mark of our scorer, 1 or 0, where a task counts by the upstream project's.
pub const STRICT: &str = "strict";
/// Names of marks that are looked at, the first in their order: each is a column of every table of answers.
pub const MAX_MARKS: usize = 32;

/// One mark of an arm's answers on a task in a layout. Items are its unit, as of all statistics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// The arm.
    pub arm: String,
    /// The mark's name.
    pub mark: String,
    /// Items with an answer that has it.
    pub items: u64,
    /// Its mean, 0 to 1: with Wilson's interval where every mark is 0 or 1, else the bootstrap's over items, 95 %.
    pub mean: Interval,
    /// Whether every mark is 0 or 1.
    pub is_share: bool,
    /// Share of right answers as the task counts them, of the same answers, with Wilson's interval.
    pub strict: Interval,
    /// Right answers less the mark, paired, with the score interval, 95 %, where every mark is 0 or 1.
    pub difference: Option<Interval>,
}

impl Mark {
    /// Whether two scorers of right and wrong were shown to differ on these answers: 0 is not in the interval of the difference.
    #[must_use]
    pub fn is_apart(&self) -> bool {
        self.difference.is_some_and(|difference| difference.low > 0.0 || difference.high < 0.0)
    }
}

/// The names of a run's marks, sorted.
#[must_use]
pub fn mark_names<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Vec<&'a str> {
    let names: BTreeSet<&str> =
        traces.into_iter().flat_map(|trace| trace.marks.keys().map(String::as_str)).collect();
    names.into_iter().take(MAX_MARKS).collect()
}

/// Of every arm, every mark that its answers have.
pub(super) fn marks(arms: &[&ArmRecord], of_arm: &BTreeMap<&str, Vec<&Trace>>) -> Vec<Mark> {
    let names = mark_names(of_arm.values().flatten().copied());
    let mut found = Vec::new();
    for arm in arms {
        let traces = of_arm.get(arm.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        found.extend(names.iter().filter_map(|name| of(&arm.id, name, traces)));
    }
    found
}

/// `None` where no answer has the mark.
fn of(arm: &str, name: &str, traces: &[&Trace]) -> Option<Mark> {
    // Sums over replicates: the mark, right answers, answers.
    let mut of_item = BTreeMap::<&str, [f64; 3]>::new();
    let mut is_share = true;
    for trace in traces.iter().filter(|trace| trace.outcome != Outcome::Error) {
        let Some(mark) = trace.marks.get(name).copied().filter(|mark| mark.is_finite()) else { continue };
        is_share &= mark == 0.0 || mark == 1.0;
        let right = f64::from(u8::from(trace.outcome == Outcome::Correct));
        let sums = of_item.entry(&trace.item).or_default();
        *sums = [sums[0] + mark, sums[1] + right, sums[2] + 1.0];
    }
    if of_item.is_empty() {
        return None;
    }
    let items = of_item.len() as f64;
    let shares: Vec<[f64; 2]> = of_item.values().map(|[mark, right, of]| [mark / of, right / of]).collect();
    let values: Vec<f64> = shares.iter().map(|share| share[0]).collect();
    let share = |at: usize| {
        let estimate = mean(shares.iter().map(|share| share[at]));
        let (low, high) = wilson(estimate, items);
        Interval { estimate, low, high }
    };
    let differences: Vec<f64> = shares.iter().map(|[mark, right]| right - mark).collect();
    Some(Mark {
        arm: arm.to_owned(),
        mark: name.to_owned(),
        items: of_item.len() as u64,
        mean: if is_share { share(0) } else { Bootstrap::default().mean(&values) },
        is_share,
        strict: share(1),
        difference: is_share.then(|| share_difference(Discordance::of(&differences), 1.0 - ALPHA)),
    })
}
