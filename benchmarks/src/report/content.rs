//! ANALYSIS → what the report says, block by block.

use super::claims::claims;
use super::document::{Block, Table};
use super::panel::panel;
use super::plot::{Plot, of_panel};
use super::words;
use crate::analysis::{Analysis, MARGIN, Panel, Verdict};
use crate::claim::Checked;
use crate::record::{Audit, RunRecord};
use crate::stats::{ALPHA, Bootstrap, DISCORDANCE, POWER};

/// The whole report below its title.
#[must_use]
pub(super) fn blocks(
    analysis: &Analysis,
    record: &RunRecord,
    checked: &[Checked],
    plots: &[Plot],
) -> Vec<Block> {
    let mut blocks = vec![verdicts(analysis)];
    for found in &analysis.panels {
        let names = of_panel(plots, found).into_iter().map(|plot| plot.name.clone()).collect();
        blocks.extend(panel(found, analysis.families, names));
    }
    blocks.extend(claims(checked));
    blocks.push(Block::Heading(2, "Items".to_owned()));
    blocks.push(Block::Items);
    blocks.push(Block::Heading(2, "Arms".to_owned()));
    blocks.push(arms(record));
    blocks.push(Block::Heading(2, "How the numbers are made".to_owned()));
    blocks.push(Block::List(methods(analysis, record)));
    blocks.push(Block::Heading(2, "The run".to_owned()));
    blocks.extend(provenance(analysis, record));
    blocks
}

fn verdicts(analysis: &Analysis) -> Block {
    let note = format!(
        "Pays: as many right answers within {:.0} points (equivalence shown) or more, in less time. Time is on one machine without a \
         link; what a link adds is in the link tables. Undecided is not a match.",
        MARGIN * 100.0
    );
    let mut against: Vec<&str> = Vec::new();
    let mut rows: Vec<(&Panel, &str)> = Vec::new();
    let verdicts = &analysis.answer.verdicts;
    for verdict in verdicts {
        let here = |panel: &&Panel| panel.task == verdict.task && panel.layout == verdict.layout;
        let Some(panel) = analysis.panels.iter().find(here) else { continue };
        if !against.contains(&verdict.against.as_str()) {
            against.push(&verdict.against);
        }
        if !rows.iter().any(|(known, arm)| known.name() == panel.name() && *arm == verdict.arm) {
            rows.push((panel, &verdict.arm));
        }
    }
    let label =
        |id: &str| rows.first().map_or_else(String::new, |(panel, _)| format!("against {}", panel.label(id)));
    let head: Vec<String> = against.iter().map(|id| label(id)).collect();
    let head: Vec<&str> = ["arm", "setting"].into_iter().chain(head.iter().map(String::as_str)).collect();
    let mut table = Table::new("Does it pay?", &head, note);
    for (panel, arm) in &rows {
        let cell = |other: &&str| {
            let here = |verdict: &&Verdict| {
                verdict.task == panel.task
                    && verdict.layout == panel.layout
                    && verdict.arm == *arm
                    && verdict.against == **other
            };
            verdicts.iter().find(here).map_or("–", |verdict| verdict.payment.words()).to_owned()
        };
        table.row([panel.label(arm).to_owned(), panel.name()].into_iter().chain(against.iter().map(cell)));
    }
    Block::Table(table)
}

fn arms(record: &RunRecord) -> Block {
    let mut table = Table::new("Arms of this run", &["arm", "id", "kind", "what it does"], String::new());
    for arm in &record.arms {
        let kind = format!("{:?}", arm.kind).to_lowercase();
        table.row([arm.label.clone(), arm.id.clone(), kind, arm.about.clone()]);
    }
    Block::Table(table)
}

fn methods(analysis: &Analysis, record: &RunRecord) -> Vec<String> {
    let margin = MARGIN * 100.0;
    vec![
        "Items are the unit of every statistic: where an item was answered several times, its answers are averaged first. Answers \
         that ended in an error of the machine are counted and left out."
            .to_owned(),
        "Shares of right answers have Wilson's 95 % interval; with replicates it counts each item once.".to_owned(),
        format!(
            "Differences of shares have a paired percentile bootstrap over items ({} draws from a counter, 95 %) and Tango's score \
             interval, which keeps its width where hardly any item tells two arms apart. The test is McNemar's, exact and \
             two-sided; with replicates, its sign-flip form over items.",
            Bootstrap::default().draws
        ),
        format!(
            "p values are Holm's, at {ALPHA}, over two families: all {} comparisons of this report with what one would do instead, and \
             all {} with controls. Equivalences and likelihoods are corrected in the same way.",
            analysis.families.pays, analysis.families.carries
        ),
        format!(
            "Two arms match when two one-sided score tests show them within {margin:.0} points of each other, after Holm's \
             correction. Without that nothing is said to match: no difference found is undecided."
        ),
        format!(
            "The detectable difference is what one comparison of so many items shows, before Holm's correction, with power {POWER} at {ALPHA}, two-sided, where {:.0} % of the \
             items tell two arms apart (Connor's formula).",
            DISCORDANCE * 100.0
        ),
        "ΔNLL is the gold answer's negative log-likelihood behind each arm's last prompt, teacher-forced: no sampling, one pass. \
         Differences have Student's paired interval and test."
            .to_owned(),
        "Times of arms are interleaved item by item on one machine. Ratios are of medians, with a paired bootstrap over items; they \
         are not corrected for being many, and fewer than six items are not enough to call an arm faster or slower."
            .to_owned(),
        energy(analysis, record),
        "Break-even: the difference of two arms' times in decoded tokens. Positive, the other arm would have to write so many more \
         tokens to be as slow; negative, this arm is ahead by that many."
            .to_owned(),
        "Link model: T(B) = compute + codec + hops · RTT + 8 · bytes / B, with compute and codec as measured. Two arms are equally \
         fast at B* = 8 · (bytes − bytes′) / (T′ − T without the wire)."
            .to_owned(),
    ]
}

/// Where joules come from, or why there are none.
fn energy(analysis: &Analysis, record: &RunRecord) -> String {
    let said = record.provenance.machine.get("energy");
    let measured = analysis.panels.iter().flat_map(|panel| &panel.arms).any(|arm| arm.energy_j.is_some());
    match (measured, said) {
        (true, Some(said)) => format!(
            "Energy is what the machine's own counters went up by ({said}) over the same time as an answer's: all that the processor's \
             packages and the card used, whoever used it."
        ),
        (true, None) => {
            "Energy is what the machine's own counters went up by over the same time as an answer's."
                .to_owned()
        }
        (false, Some(said)) => {
            format!("Energy was not measured: {}.", said.trim_start_matches("not readable: "))
        }
        (false, None) => "Energy was not measured.".to_owned(),
    }
}

fn audit(table: &mut Table, audit: &Audit) {
    table.row([
        audit.task.clone(),
        format!("{} of {}", audit.gold, audit.items),
        format!("{} of {}", audit.empty, audit.items),
        format!("{} of {}", audit.foreign, audit.foreign_of),
        format!("{} of {}", audit.cheats, audit.cheats_of),
        if audit.shown_only { "known to be imperfect" } else { "must be all, none, none and none" }
            .to_owned(),
    ]);
}

fn provenance(analysis: &Analysis, record: &RunRecord) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut table = Table::new("What it ran on", &["what", "value"], String::new());
    let known = &record.provenance;
    table.row(["started".to_owned(), known.started.clone()]);
    table.row(["commit".to_owned(), known.commit.clone().unwrap_or_else(|| "not a checkout".to_owned())]);
    table.row(["run file, SHA-256".to_owned(), analysis.run_sha256.clone()]);
    if let Some(sum) = &analysis.results_sha256 {
        table.row(["results without times, SHA-256".to_owned(), sum.clone()]);
    }
    table.row(["items".to_owned(), record.items.to_string()]);
    table.row(["traces".to_owned(), analysis.traces.to_string()]);
    let memory = analysis.panels.iter().flat_map(|panel| &panel.arms).map(|arm| arm.peak_memory).max();
    if let Some(peak) = memory.filter(|peak| *peak > 0) {
        table.row(["resident memory at its highest".to_owned(), words::bytes(peak as f64)]);
    }
    for (name, value) in known.versions.iter().chain(&known.machine) {
        table.row([name.clone(), value.clone()]);
    }
    for (model, facts) in &known.models {
        for (name, value) in facts {
            table.row([format!("model {model}, {name}"), value.clone()]);
        }
    }
    for (task, sum) in &known.data {
        table.row([format!("data of {task}, SHA-256"), sum.clone()]);
    }
    blocks.push(Block::Table(table));
    if !record.audits.is_empty() {
        let note = "A scorer that works takes every item's own answer, no empty one, no other item's, and none that only looks like one: a program that ends the process or does nothing, a task given back unchanged. Where the upstream project's rules judge, or a data set's own solutions cannot all be run, the outcome is the ceiling of what an arm can reach."
            .to_owned();
        let mut table = Table::new(
            "Scorers, tried on known answers",
            &["task", "own answer", "empty", "another's", "answers nothing", "what it must be"],
            note,
        );
        record.audits.iter().for_each(|found| audit(&mut table, found));
        blocks.push(Block::Table(table));
    }
    let file = format!("{:#}", record.run);
    blocks
        .push(Block::Details("The run file, every default written out".to_owned(), vec![Block::Code(file)]));
    blocks
}
