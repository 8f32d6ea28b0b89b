//! Two merged runs, item by item and arm by arm → what changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::merged::Merged;
use super::paired::{Paired, Samples, correct};
use super::panel::samples;
use crate::record::ArmRecord;
use crate::trace::Trace;

/// The second run against the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunPair {
    /// Names of both.
    pub runs: [String; 2],
    /// SHA-256 of their run files.
    pub run_sha256: [String; 2],
    /// Whether every answer, likelihood and token count of one is that of the other; times are left out.
    pub identical: bool,
    /// What makes the comparison less than it seems: other data, another machine.
    pub warnings: Vec<String>,
    /// Arms of both, on each task in each layout.
    pub arms: Vec<ArmPair>,
    /// Arms, and tasks in a layout, of one run alone, with its name.
    pub unpaired: Vec<(String, String)>,
}

/// One arm of each run, on a task in a layout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmPair {
    /// The task.
    pub task: String,
    /// The layout.
    pub layout: String,
    /// Ids, first and second run.
    pub arms: [String; 2],
    /// Names, first and second run.
    pub labels: [String; 2],
    /// Answers of the two that are the same in text, likelihood and tokens.
    pub identical: u64,
    /// Answers of the two that were held against each other.
    pub answers: u64,
    /// The second run's arm against the first run's.
    #[serde(rename = "second_against_first")]
    pub paired: Paired,
}

/// What two runs share: a task in a layout, and in it an arm.
type Groups<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Trace>>;

fn groups(run: &Merged) -> Groups<'_> {
    let mut groups = Groups::new();
    for trace in &run.traces {
        groups.entry((&trace.task, &trace.layout, &trace.arm)).or_default().push(trace);
    }
    groups
}

impl RunPair {
    /// Pairs arms by id, then those of `chosen` (first run's id, second run's), then what is left where each run has one arm of a kind
    /// left: a run with other latent steps has its latent arm under another id.
    #[must_use]
    pub fn of(first: &Merged, second: &Merged, chosen: &[(String, String)]) -> Self {
        let (arms, unpaired) = pair(&first.record.arms, &second.record.arms, chosen);
        let (a, b) = (groups(first), groups(second));
        let mut pairs = Vec::new();
        let mut identical = first.traces.len() == second.traces.len() && unpaired.is_empty();
        let of =
            |groups: &Groups<'_>| groups.keys().map(|key| (key.0.to_owned(), key.1.to_owned())).collect();
        let held: [BTreeSet<(String, String)>; 2] = [of(&a), of(&b)];
        let settings: Vec<_> = held[0].intersection(&held[1]).collect();
        let alone: Vec<(usize, String)> = held[0]
            .symmetric_difference(&held[1])
            .map(|setting| (usize::from(!held[0].contains(setting)), format!("{}, {}", setting.0, setting.1)))
            .collect();
        identical &= alone.is_empty();
        for (task, layout) in settings {
            for &(one, other) in &arms {
                let held = (a.get(&(task, layout, &one.id)), b.get(&(task, layout, &other.id)));
                let (Some(x), Some(y)) = held else {
                    identical &= held.0.is_none() && held.1.is_none();
                    continue;
                };
                let (same, answers) = (same(x, y), x.len().max(y.len()) as u64);
                identical &= same == x.len() as u64 && x.len() == y.len();
                let (x, y): (Samples<'_>, Samples<'_>) = (samples(x), samples(y));
                let Some(paired) = Paired::of(&y, &x) else { continue };
                pairs.push(ArmPair {
                    task: task.clone(),
                    layout: layout.clone(),
                    arms: [one.id.clone(), other.id.clone()],
                    labels: [one.label.clone(), other.label.clone()],
                    identical: same,
                    answers,
                    paired,
                });
            }
        }
        correct(pairs.iter_mut().map(|pair| &mut pair.paired));
        let name = |run: &Merged| run.record.run["name"].as_str().unwrap_or("run").to_owned();
        let runs = [name(first), name(second)];
        let arms_alone = unpaired.into_iter().map(|(run, arm)| (run, arm.id.clone()));
        let unpaired = arms_alone.chain(alone).map(|(run, what)| (runs[run].clone(), what)).collect();
        Self {
            runs,
            run_sha256: [first.record.run_sha256.clone(), second.record.run_sha256.clone()],
            identical: identical && !pairs.is_empty(),
            warnings: warnings(first, second),
            arms: pairs,
            unpaired,
        }
    }
}

/// Where two runs are not of the same questions or not of the same machine.
fn warnings(first: &Merged, second: &Merged) -> Vec<String> {
    let gold = |run: &Merged| -> BTreeMap<(String, String), String> {
        let of = |trace: &Trace| ((trace.task.clone(), trace.item.clone()), trace.gold.clone());
        run.traces.iter().map(of).collect()
    };
    let (a, b) = (gold(first), gold(second));
    let other = a.iter().filter(|(item, gold)| b.get(*item).is_some_and(|other| other != *gold)).count();
    let mut found = Vec::new();
    if other > 0 {
        found.push(format!(
            "{other} items have another gold answer under the same id: these are not the same questions"
        ));
    }
    let [was, is] = [first, second].map(|run| &run.record.provenance);
    for (task, sum) in &was.data {
        if is.data.get(task).is_some_and(|other| other != sum) {
            found.push(format!("the data of {task} is not the same in both; items are paired by id"));
        }
    }
    if was.machine != is.machine {
        found.push(
            "the runs are of two machines or settings of one: times say nothing of the arms".to_owned(),
        );
    }
    found
}

/// Traces of an item and replicate that say the same, times aside.
fn same(first: &[&Trace], second: &[&Trace]) -> u64 {
    let key = |trace: &&Trace| (trace.item.clone(), trace.replicate);
    let others: BTreeMap<_, &Trace> = second.iter().map(|trace| (key(trace), *trace)).collect();
    let alike = |a: &Trace, b: &Trace| {
        let turns = |trace: &Trace| -> Vec<_> {
            trace.agents.iter().map(|agent| (agent.text.clone(), agent.ledger)).collect()
        };
        (a.outcome, &a.answer, &a.gold, a.nll) == (b.outcome, &b.answer, &b.gold, b.nll)
            && turns(a) == turns(b)
    };
    first.iter().filter(|trace| others.get(&key(trace)).is_some_and(|other| alike(trace, other))).count()
        as u64
}

type Pairs<'a> = Vec<(&'a ArmRecord, &'a ArmRecord)>;

/// Pairs of arms in the first run's order, and the arms left over with the number of their run.
fn pair<'a>(
    first: &'a [ArmRecord],
    second: &'a [ArmRecord],
    chosen: &[(String, String)],
) -> (Pairs<'a>, Vec<(usize, &'a ArmRecord)>) {
    let asked = |arm: &ArmRecord| {
        let found = chosen.iter().find(|(one, _)| *one == arm.id);
        found.map_or_else(|| arm.id.clone(), |(_, other)| other.clone())
    };
    let mut partner: BTreeMap<&str, &ArmRecord> = BTreeMap::new();
    for arm in first {
        let other = second.iter().find(|other| other.id == asked(arm));
        partner.extend(other.map(|other| (arm.id.as_str(), other)));
    }
    let taken = |partner: &BTreeMap<&str, &ArmRecord>, arm: &ArmRecord| {
        partner.values().any(|other| other.id == arm.id)
    };
    for arm in first {
        let alone = |arm: &&ArmRecord| !partner.contains_key(arm.id.as_str());
        let mut left = first.iter().filter(|other| other.kind == arm.kind).filter(alone);
        let mut right = second.iter().filter(|other| other.kind == arm.kind && !taken(&partner, other));
        if let (Some(one), None, Some(other), None) = (left.next(), left.next(), right.next(), right.next()) {
            partner.insert(&one.id, other);
        }
    }
    let pairs = first.iter().filter_map(|arm| Some((arm, *partner.get(arm.id.as_str())?))).collect();
    let left = first.iter().filter(|arm| !partner.contains_key(arm.id.as_str())).map(|arm| (0, arm));
    let right = second.iter().filter(|arm| !taken(&partner, arm)).map(|arm| (1, arm));
    (pairs, left.chain(right).collect())
}
