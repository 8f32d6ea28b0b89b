//! One task in one layout: its arms, what they are compared with, and which link they need.

use std::collections::BTreeMap;

use serde::Serialize;

use super::mark::{Mark, marks};
use super::paired::{Paired, Samples};
use super::sample::Sample;
use super::summary::Summary;
use crate::link_model::{Crossover, Demand, ROUND_TRIPS_MS, crossover};
use crate::record::{ArmKind, ArmRecord};
use crate::stats::{Interval, standard_mde, wilson};
use crate::trace::{Outcome, Trace};

/// One task in one layout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// The task.
    pub task: String,
    /// The layout.
    pub layout: String,
    /// Items that any arm answered.
    pub items: u64,
    /// Answers to an item under an arm, at most.
    pub replicates: u32,
    /// The smallest difference of right answers that so many items show four times out of five.
    pub mde: Option<f64>,
    /// The latent arm that stands for the others: the one that most controls are of.
    pub lead: Option<String>,
    /// In the order of the run file.
    pub arms: Vec<Summary>,
    /// Within the family that Holm's correction is for.
    pub comparisons: Vec<Comparison>,
    /// Which link an arm needs to be faster than another.
    pub links: Vec<Link>,
    /// Right answers by the length of the prompt.
    pub lengths: Vec<LengthShare>,
    /// What other scorers say of the same answers, by arm and name.
    pub marks: Vec<Mark>,
    /// The harness's own check.
    pub oracle: Option<Oracle>,
}

/// The control that hands over the first agent's cache without latent steps.
pub const PREFIX: &str = "prefix";

/// What an arm is compared with another for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether it is worth it: against what one would do instead.
    Pays,
    /// Whether what it hands over is what counts: against a control.
    Carries,
}

/// An arm against another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The arm.
    pub arm: String,
    /// The other one.
    pub against: String,
    /// Why.
    pub question: Question,
    /// The arm's numbers against the other's.
    #[serde(flatten)]
    pub paired: Paired,
}

/// Which link an arm needs to be faster than another, for each of [`ROUND_TRIPS_MS`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    /// The arm.
    pub arm: String,
    /// The other one.
    pub against: String,
    /// From where on.
    pub crossovers: [Crossover; ROUND_TRIPS_MS.len()],
}

/// Bounds between short, middle and long prompts, in tokens: those of the published results.
pub const LENGTHS: [u32; 2] = [300, 500];

/// Right answers of an arm to prompts of a length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LengthShare {
    /// The arm.
    pub arm: String,
    /// 0 for prompts below the first of [`LENGTHS`], 1 up to the second, 2 beyond.
    pub bucket: usize,
    /// Items.
    pub items: u64,
    /// With Wilson's interval.
    pub accuracy: Interval,
}

/// The prompt read again as text against the same prompt's cache through the codec: they must agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Oracle {
    /// The checking arm.
    pub arm: String,
    /// The arm that it checks: latent hand-off without a step.
    pub against: String,
    /// Items that both answered.
    pub items: u64,
    /// Items with the same answer.
    pub same: u64,
    /// The largest difference of the gold answer's likelihood, in nats.
    pub nll_gap: Option<f64>,
}

impl Panel {
    /// What the traces of one task and layout come to. Comparisons are not corrected yet.
    #[must_use]
    pub fn of(arms: &[ArmRecord], traces: &[&Trace]) -> Self {
        let mut of_arm = BTreeMap::<&str, Vec<&Trace>>::new();
        for trace in traces {
            of_arm.entry(&trace.arm).or_default().push(trace);
        }
        let arms: Vec<&ArmRecord> = arms.iter().filter(|arm| of_arm.contains_key(arm.id.as_str())).collect();
        let samples: BTreeMap<&str, Samples<'_>> =
            of_arm.iter().map(|(&arm, traces)| (arm, samples(traces))).collect();
        let without = arms.iter().find(|arm| is_without(arm, &of_arm[arm.id.as_str()]));
        let without = without.map(|arm| &samples[arm.id.as_str()]);
        let summary = |arm: &&ArmRecord| {
            let id = arm.id.as_str();
            Summary::of(arm, &of_arm[id], &samples[id], without)
        };
        let summaries: Vec<Summary> = arms.iter().map(summary).collect();
        let items: std::collections::BTreeSet<&str> =
            samples.values().flat_map(Samples::keys).copied().collect();
        let items = items.len() as u64;
        let lead = lead(&arms, ArmKind::Latent);
        let comparisons = pairs(&arms).into_iter().filter_map(|(arm, against, question)| {
            let paired = Paired::of(&samples[arm.id.as_str()], &samples[against.id.as_str()])?;
            Some(Comparison { arm: arm.id.clone(), against: against.id.clone(), question, paired })
        });
        Self {
            task: traces.first().map_or_else(String::new, |trace| trace.task.clone()),
            layout: traces.first().map_or_else(String::new, |trace| trace.layout.clone()),
            items,
            replicates: traces.iter().map(|trace| trace.replicate.saturating_add(1)).max().unwrap_or(0),
            mde: standard_mde(items),
            lead: lead.map(|arm| arm.id.clone()),
            comparisons: comparisons.collect(),
            links: links(&arms, &summaries),
            lengths: lengths(&arms, &samples),
            marks: marks(&arms, &of_arm),
            oracle: oracle(&arms, &of_arm),
            arms: summaries,
        }
    }

    /// `relay, withheld`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}, {}", self.task, self.layout)
    }

    /// An arm's line.
    #[must_use]
    pub fn arm(&self, id: &str) -> Option<&Summary> {
        self.arms.iter().find(|arm| arm.arm == id)
    }

    /// An arm's name for people; the id where there is no such arm.
    #[must_use]
    pub fn label<'a>(&'a self, id: &'a str) -> &'a str {
        self.arm(id).map_or(id, |arm| &arm.label)
    }
}

pub(super) fn samples<'a>(traces: &[&'a Trace]) -> Samples<'a> {
    let mut of_item = BTreeMap::<&str, Vec<&Trace>>::new();
    for trace in traces {
        of_item.entry(&trace.item).or_default().push(trace);
    }
    of_item.into_iter().filter_map(|(item, traces)| Some((item, Sample::of(traces)?))).collect()
}

/// Whether an arm answers with nothing but its last prompt: one agent, to which nothing came.
fn is_without(arm: &ArmRecord, traces: &[&Trace]) -> bool {
    let empty = |trace: &&Trace| {
        trace.agents.len() <= 1
            && trace.agents.iter().all(|agent| agent.ledger.reused == 0 && agent.ledger.latent == 0)
    };
    arm.kind == ArmKind::Control && traces.iter().filter(|trace| trace.outcome != Outcome::Error).all(empty)
}

/// What stands behind the `@` of an id: steps, vectors, a model. Controls share it with the arm that they are of.
fn tail(arm: &ArmRecord) -> Option<&str> {
    Some(arm.id.split_once('@')?.1)
}

/// Controls of projections say so in their ids; all others are of caches.
fn controls<'a>(arms: &[&'a ArmRecord], kind: ArmKind) -> impl Iterator<Item = &'a ArmRecord> {
    let of_kind = move |arm: &&ArmRecord| arm.id.starts_with("rosetta") == (kind == ArmKind::Rosetta);
    arms.iter().copied().filter(|arm| arm.kind == ArmKind::Control).filter(of_kind)
}

/// The arm of a kind that most controls are of, the first of those.
fn lead<'a>(arms: &[&'a ArmRecord], kind: ArmKind) -> Option<&'a ArmRecord> {
    let own = |arm: &ArmRecord| controls(arms, kind).filter(|control| tail(control) == tail(arm)).count();
    arms.iter().copied().filter(|arm| arm.kind == kind).rev().max_by_key(|arm| own(arm))
}

/// Arms of a kind, the one that gives it its name first: `prompt-matched` is a Direct arm, and `text-cross` one of text.
fn of_kind<'a>(arms: &[&'a ArmRecord], kind: ArmKind) -> Vec<&'a ArmRecord> {
    let mut found: Vec<_> = arms.iter().copied().filter(|arm| arm.kind == kind).collect();
    found.sort_by_key(|arm| !matches!(arm.id.as_str(), "direct" | "text"));
    found
}

/// Who is compared with whom: every way to hand over with Direct and the first Text arm, projections with every Text arm, every
/// control with the arm that it is of, or with the leading one.
fn pairs<'a>(arms: &[&'a ArmRecord]) -> Vec<(&'a ArmRecord, &'a ArmRecord, Question)> {
    let of = |kind| of_kind(arms, kind).into_iter();
    let handed = || arms.iter().copied().filter(|arm| matches!(arm.kind, ArmKind::Latent | ArmKind::Rosetta));
    let mut pairs = Vec::new();
    for direct in of(ArmKind::Direct) {
        pairs.extend(handed().chain(of(ArmKind::Text)).map(|arm| (arm, direct, Question::Pays)));
    }
    for (number, text) in of(ArmKind::Text).enumerate() {
        let asked = handed().filter(|arm| number == 0 || arm.kind == ArmKind::Rosetta);
        pairs.extend(asked.map(|arm| (arm, text, Question::Pays)));
    }
    for kind in [ArmKind::Latent, ArmKind::Rosetta] {
        let Some(lead) = lead(arms, kind) else { continue };
        for control in controls(arms, kind) {
            let arm = of(kind).find(|arm| tail(arm) == tail(control)).unwrap_or(lead);
            pairs.push((arm, control, Question::Carries));
        }
    }
    pairs
}

fn links(arms: &[&ArmRecord], summaries: &[Summary]) -> Vec<Link> {
    let demand = |id: &str| summaries.iter().find(|summary| summary.arm == id).map(Summary::demand);
    let asked = pairs(arms)
        .into_iter()
        .filter(|(arm, _, question)| *question == Question::Pays && arm.kind != ArmKind::Text);
    let link = |(arm, against, _): (&ArmRecord, &ArmRecord, Question)| {
        let (first, second) = (demand(&arm.id)?, demand(&against.id)?);
        let crossovers = ROUND_TRIPS_MS.map(|round_trip| crossover(&first, &second, round_trip));
        Some(Link { arm: arm.id.clone(), against: against.id.clone(), crossovers })
    };
    asked.filter_map(link).collect()
}

impl Summary {
    /// What an answer needs, for the link model.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let (compute_ms, codec_ms) = (self.compute_ms(), self.phases.codec());
        Demand { compute_ms, codec_ms, bytes: self.wire_bytes, hops: self.hops }
    }
}

fn lengths(arms: &[&ArmRecord], samples: &BTreeMap<&str, Samples<'_>>) -> Vec<LengthShare> {
    let mut shares = Vec::new();
    let shown = arms.iter().filter(|arm| !matches!(arm.kind, ArmKind::Control | ArmKind::Oracle));
    for (arm, bucket) in shown.flat_map(|arm| (0..=LENGTHS.len()).map(move |bucket| (arm, bucket))) {
        let here = |sample: &&Sample| {
            LENGTHS.iter().filter(|&&bound| sample.prompt_tokens >= bound).count() == bucket
        };
        let found: Vec<f64> = samples[arm.id.as_str()].values().filter(here).map(Sample::share).collect();
        if found.is_empty() {
            continue;
        }
        let share = crate::stats::mean(found.iter().copied());
        let (low, high) = wilson(share, found.len() as f64);
        let accuracy = Interval { estimate: share, low, high };
        shares.push(LengthShare { arm: arm.id.clone(), bucket, items: found.len() as u64, accuracy });
    }
    shares
}

fn oracle(arms: &[&ArmRecord], of_arm: &BTreeMap<&str, Vec<&Trace>>) -> Option<Oracle> {
    let arm = arms.iter().find(|arm| arm.kind == ArmKind::Oracle)?;
    let against = arms.iter().find(|arm| arm.id == PREFIX)?;
    let key = |trace: &Trace| (trace.item.clone(), trace.replicate);
    let others: BTreeMap<_, &Trace> =
        of_arm[against.id.as_str()].iter().map(|trace| (key(trace), *trace)).collect();
    let pairs: Vec<(&Trace, &Trace)> = of_arm[arm.id.as_str()]
        .iter()
        .filter_map(|trace| Some((*trace, *others.get(&key(trace))?)))
        .collect();
    let text = |trace: &Trace| trace.agents.last().map(|agent| agent.text.clone());
    let same = pairs.iter().filter(|(a, b)| a.outcome == b.outcome && text(a) == text(b)).count() as u64;
    let gaps = pairs.iter().filter_map(|(a, b)| Some((a.nll? - b.nll?).abs()));
    Some(Oracle {
        arm: arm.id.clone(),
        against: against.id.clone(),
        items: pairs.len() as u64,
        same,
        nll_gap: gaps.reduce(f64::max),
    })
}
