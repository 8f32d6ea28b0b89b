//! CLAIM, MERGED RUN → the answers that it can be held against, or why there are none.

use std::collections::BTreeMap;

use super::{COMPAT_SUFFIX, Claim, Metric};
use crate::analysis::{COMPAT, Merged, STRICT};
use crate::record::RunRecord;
use crate::task::{Descriptor, Order};
use crate::trace::{Outcome, Trace};

/// The mark of an answer's mean F1.
const F1: &str = "f1";
/// The card that published times are of.
const CARD: &str = "A100";

/// Where a claim's answers are.
pub(super) struct Place<'a> {
    pub(super) task: &'a str,
    pub(super) layout: &'a str,
    pub(super) arm: &'a str,
    pub(super) against: Vec<&'a str>,
}

/// An item under an arm: means over its answers.
#[derive(Clone, Copy, Default)]
pub(super) struct Item {
    /// What the metric is of, where the answers have it.
    pub(super) mark: f64,
    pub(super) tokens: f64,
    pub(super) wall_ms: f64,
    /// Answers.
    pub(super) of: f64,
}

/// Finds the answers, or says why there are none to hold the claim against.
pub(super) fn place<'a>(claim: &Claim, run: &'a Merged) -> Result<Place<'a>, String> {
    let record = &run.record;
    if claim.metric == Metric::Other {
        return Err("no run measures it".to_owned());
    }
    let Some(task) = &claim.task else { return Err("the source names no task".to_owned()) };
    let Some(model) = &claim.model else { return Err("the source names no model".to_owned()) };
    if claim.n.is_none() && !matches!(claim.metric, Metric::Above | Metric::Equal) {
        return Err("the source gives no number of items".to_owned());
    }
    let compat = format!("{task}{COMPAT_SUFFIX}");
    let has = |name: &str| run.traces.iter().map(|trace| trace.task.as_str()).find(|task| *task == name);
    let Some(found) = has(&compat) else {
        return Err(match has(task) {
            Some(_) => format!(
                "{task} is asked in our own words and scored by our rules; {compat} is the published form"
            ),
            None => format!("the run has no {compat}"),
        });
    };
    let answerer = answerer(record);
    if !is_model(record, answerer, model) {
        return Err(format!("another model: {}", name_of(record, answerer)));
    }
    if claim.metric == Metric::SpeedUp {
        let card = record.provenance.machine.get("card").map_or("no card", String::as_str);
        if !card.contains(CARD) {
            return Err(format!("other hardware: {card}, and the published times are of an {CARD}"));
        }
    }
    let arm = |pattern: &String| {
        let here = record.arms.iter().find(|arm| is_arm(record, &arm.id, pattern, claim.from.as_deref()));
        here.map(|arm| arm.id.as_str()).ok_or_else(|| match &claim.from {
            Some(from) if !pattern.starts_with("direct") => format!("the run has no {pattern} of {from}"),
            _ => format!("the run has no {pattern}"),
        })
    };
    let Some(own) = &claim.arm else { return Err("the source names no arm".to_owned()) };
    let (own, against) = (arm(own)?, claim.against.iter().map(arm).collect::<Result<Vec<_>, _>>()?);
    let layout = layout(run, found, task)?;
    methodology(record, found)?;
    Ok(Place { task: found, layout, arm: own, against })
}

/// The published form of a task has one layout: the last agent of HotpotQA is told the question alone, and that of every other task
/// reads all of it again.
fn layout<'a>(run: &'a Merged, found: &str, task: &str) -> Result<&'a str, String> {
    let published = if task.starts_with("hotpotqa") { "withheld" } else { "repeated" };
    let of_task = run.traces.iter().filter(|trace| trace.task == found);
    let here = of_task.map(|trace| trace.layout.as_str()).find(|layout| *layout == published);
    here.ok_or_else(|| format!("the run has not the published layout, {published}"))
}

/// Refuses a run of the published form that writes text in another way, and items that are not the published ones.
fn methodology(record: &RunRecord, found: &str) -> Result<(), String> {
    let tasks = record.run["tasks"].as_array().into_iter().flatten();
    let Some(task) = tasks.into_iter().find(|task| task["name"] == found) else { return Ok(()) };
    let Some(kind) = task["kind"].as_str() else { return Ok(()) };
    let Ok(published) = Descriptor::shipped(kind) else {
        return Err(format!("{found} is no published form but {kind}"));
    };
    if published.order == Order::Drawn {
        return Err("other items: the published order is not that of the data".to_owned());
    }
    let of = published.decoding.settled();
    let said = |key: &str| task["decoding"][key].as_f64();
    let wanted = [
        ("temperature", of.temperature),
        ("top_p", of.top_p),
        ("max_tokens", of.max_tokens as f64),
        ("note_tokens", of.note_tokens as f64),
    ];
    // Records of other programs may leave it out.
    match wanted.into_iter().find(|(key, value)| said(key).is_some_and(|said| said != *value)) {
        Some((key, value)) => Err(format!("other decoding: {key} is published as {value}")),
        None => Ok(()),
    }
}

/// The name that the run has for the model that answers.
fn answerer(record: &RunRecord) -> &str {
    let said = record.run["answerer"].as_str().filter(|name| !name.is_empty());
    said.or_else(|| record.run["models"].as_object()?.keys().next().map(String::as_str)).unwrap_or_default()
}

/// What a model of the run is called beyond it.
fn name_of<'a>(record: &'a RunRecord, name: &'a str) -> &'a str {
    record.run["models"][name].as_str().unwrap_or(name)
}

/// Whether a model of the run is one of the hub, whole: by the argument that it was loaded by, or by what its files call it.
fn is_model(record: &RunRecord, name: &str, hub: &str) -> bool {
    let argument = name_of(record, name);
    let argument = argument.strip_prefix("hf:").unwrap_or(argument);
    let argument = argument.split('@').next().unwrap_or(argument);
    let id = record.provenance.models.get(name).and_then(|facts| facts.get("id"));
    let same = |name: &str| name.eq_ignore_ascii_case(hub);
    let quantised = record.run["quantised"].as_bool() == Some(true);
    !quantised && (same(argument) || id.is_some_and(|id| same(id)))
}

/// Whether an arm of the run is what a claim calls it, of the model that hands over where the claim names one.
fn is_arm(record: &RunRecord, id: &str, pattern: &str, from: Option<&str>) -> bool {
    let (base, of) = id.split_once(':').map_or((id, None), |(base, of)| (base, Some(of)));
    let is_base = match pattern.strip_suffix('*') {
        Some(start) => base.starts_with(start),
        None => base == pattern,
    };
    let crosses = ["rosetta", "text-cross"].iter().any(|word| base.starts_with(word));
    let Some(from) = from.filter(|_| crosses) else { return is_base && !crosses };
    // Ids name the other model only where there are several.
    let own = answerer(record);
    let others = record.run["models"].as_object().into_iter().flat_map(serde_json::Map::keys);
    let mut others = others.filter(|name| *name != own);
    let of = of.or_else(|| others.next().map(String::as_str));
    is_base && of.is_some_and(|name| is_model(record, name, from))
}

/// Items of an arm at a place that have what the metric is of.
pub(super) fn items<'a>(
    run: &'a Merged,
    place: &Place<'_>,
    arm: &str,
    metric: Metric,
) -> BTreeMap<&'a str, Item> {
    let here = |trace: &&Trace| {
        (trace.task.as_str(), trace.layout.as_str(), trace.arm.as_str()) == (place.task, place.layout, arm)
            && trace.outcome != Outcome::Error
    };
    let mut sums = BTreeMap::<&str, Item>::new();
    for trace in run.traces.iter().filter(here) {
        let mark = match metric {
            Metric::F1 => trace.marks.get(F1).copied(),
            Metric::TokenSaving | Metric::SpeedUp | Metric::Other => Some(0.0),
            // Where a task counts by the published scorer, ours is the mark.
            _ if trace.marks.contains_key(STRICT) => {
                Some(f64::from(u8::from(trace.outcome == Outcome::Correct)))
            }
            _ => trace.marks.get(COMPAT).copied(),
        };
        let Some(mark) = mark.filter(|mark| mark.is_finite()) else { continue };
        let tokens: u64 = trace
            .agents
            .iter()
            .map(|agent| agent.ledger)
            .fold(0, |sum, ledger| sum.saturating_add(ledger.prefill + ledger.latent + ledger.decoded));
        let item = sums.entry(&trace.item).or_default();
        item.mark += mark;
        item.tokens += tokens as f64;
        item.wall_ms += trace.wall_ms;
        item.of += 1.0;
    }
    let mean = |(name, Item { mark, tokens, wall_ms, of }): (&'a str, Item)| {
        (name, Item { mark: mark / of, tokens: tokens / of, wall_ms: wall_ms / of, of })
    };
    sums.into_iter().map(mean).collect()
}
