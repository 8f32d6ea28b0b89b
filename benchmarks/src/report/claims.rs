//! Published figures of the run's tasks, and what the run says of them.

use super::document::{Block, Table};
use super::words;
use crate::claim::{Checked, MIN_ITEMS, Verdict};
use crate::stats::{ALPHA, DISCORDANCE, POWER};

/// The section; empty where no figure was published of any of the run's tasks.
pub(super) fn claims(checked: &[Checked]) -> Vec<Block> {
    if checked.is_empty() {
        return Vec::new();
    }
    let count = |verdict| checked.iter().filter(|one| one.verdict == verdict).count();
    let counts: Vec<String> = [Verdict::Reproduced, Verdict::Inside, Verdict::Contradicted, Verdict::NotRun]
        .map(|verdict| format!("{} {}", count(verdict), verdict.words()))
        .into();
    let summary = format!(
        "{} figures were published of this run's tasks: {}. A figure is held against a run of the same model, the published prompts and \
         scorer, and the same arm alone, on {MIN_ITEMS} items or more.",
        checked.len(),
        counts.join(", ")
    );
    let note = format!(
        "Contradicted: both samples together leave no room for it, two-sided at {ALPHA} after Holm's correction over all figures of this \
         table that were tested. Reproduced: not contradicted, in the run's own 95 % interval, and on as many items as were published. \
         Inside its interval: neither. Detectable: the difference between two arms that the published number of items shows with \
         power {POWER} at {ALPHA}, where {:.0} % of the items tell them apart.",
        DISCORDANCE * 100.0
    );
    let head = ["of", "published", "this run", "verdict", "why", "its n", "detectable, points", "figure"];
    let tested = table("Published figures that this run tests", &head, note, checked, true);
    let mut blocks = vec![Block::Heading(2, "Published claims".to_owned()), Block::Text(summary)];
    if !tested.rows.is_empty() {
        blocks.push(Block::Table(tested));
    }
    let head = ["of", "published", "why", "its n", "detectable, points", "figure"];
    let rest = table("Published figures that it does not test", &head, String::new(), checked, false);
    if !rest.rows.is_empty() {
        let title = format!("{} figures that this run does not test, and why", rest.rows.len());
        blocks.push(Block::Details(title, vec![Block::Table(rest)]));
    }
    blocks
}

fn table(caption: &str, head: &[&str], note: String, checked: &[Checked], tested: bool) -> Table {
    let mut table = Table::new(caption, head, note);
    for one in checked.iter().filter(|one| (one.verdict != Verdict::NotRun) == tested) {
        let dash = || "–".to_owned();
        let claim = &one.claim;
        let mut row = vec![claim.subject(), claim.figure()];
        if tested {
            row.extend([one.found().unwrap_or_else(dash), one.verdict.words().to_owned()]);
        }
        row.extend([
            one.why.clone(),
            claim.n.map_or_else(dash, |n| n.to_string()),
            one.mde.map_or_else(dash, |mde| words::places(mde * 100.0, 1)),
            claim.id.clone(),
        ]);
        table.row(row);
    }
    table
}
