//! A bundle against the suite of this program: everything that the claim says is worked out again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Bundle, Claim, differences};
use crate::{
    adapter::Hello,
    case::{Case, Level},
    event::{CaseEvent, Event, Summary, read_events},
    judge, report,
    requirement::Catalogue,
    schedule::scope_of,
    select::Selection,
    tally::{Tally, profile_named},
    verdict::Outcome,
};

/// Most differences of a kind that are told.
const TOLD: usize = 10;

/// What this program judges with.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its version.
    pub version: String,
    /// Digest of its recipes and requirements.
    pub digest: String,
    /// Digest of its vectors.
    pub vectors: String,
    /// The cases that the claim's seed and number of generated cases give, before any selection.
    pub cases: Vec<Case>,
    /// What the claim's options select of them.
    pub selection: Selection,
}

/// What came of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It is as claimed.
    Holds,
    /// This program can't tell: the claim was made with another suite.
    Unknown,
    /// It is not as claimed.
    Broken,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked.
    pub what: &'static str,
    /// What came of it.
    pub found: Found,
    /// One sentence for a person; names the field and both values where something differs.
    pub told: String,
}

/// All answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The worst of the findings.
    pub outcome: Found,
    /// One a question, more where several things differ.
    pub findings: Vec<Finding>,
}

impl Verified {
    fn add(&mut self, what: &'static str, found: Found, told: impl Into<String>) {
        self.outcome = self.outcome.max(found);
        self.findings.push(Finding { what, found, told: told.into() });
    }

    /// One finding a difference, or one that says that there is none.
    fn all(&mut self, what: &'static str, wrong: Vec<String>, fine: impl Into<String>) {
        if wrong.is_empty() {
            return self.add(what, Found::Holds, fine);
        }
        let more = wrong.len().saturating_sub(TOLD);
        wrong.into_iter().take(TOLD).for_each(|told| self.add(what, Found::Broken, told));
        if more > 0 {
            self.add(what, Found::Broken, format!("and {more} more of the kind"));
        }
    }
}

/// Works everything out again.
pub fn verify(bundle: &Bundle, suite: &Suite) -> Verified {
    let mut verified = Verified { outcome: Found::Holds, findings: Vec::new() };
    let claim = &bundle.claim;
    let name = bundle.events_name();
    if name != claim.events {
        let told = format!(
            "events/sha256 is {} ({} bytes) in the claim; the events have {} ({} bytes)",
            claim.events.sha256, claim.events.bytes, name.sha256, name.bytes
        );
        verified.add("events", Found::Broken, told);
        return verified;
    }
    verified.add("events", Found::Holds, format!("{} bytes with the claimed SHA-256", name.bytes));
    let tally = match tally(&bundle.events) {
        Ok(tally) => tally,
        Err(told) => {
            verified.add("events", Found::Broken, told);
            return verified;
        }
    };
    let same = same_suite(&mut verified, claim, suite);
    says(&mut verified, claim, &tally, &suite.digest);
    counts(&mut verified, &tally);
    if same {
        cases(&mut verified, &tally, suite);
    } else {
        verified.add(
            "cases",
            Found::Unknown,
            "not compared: only the suite of the claim knows which they are",
        );
    }
    verified
}

/// The run, when the events are one that came to its end.
fn tally(events: &[u8]) -> Result<Tally, String> {
    if events.last() != Some(&b'\n') {
        return Err("the last line has no end: the events were cut off".to_owned());
    }
    let events = read_events(events).map_err(|error| error.to_string())?;
    if let Some(at) = events.iter().position(|event| *event == Event::Unknown) {
        return Err(format!("line {}: an event that this program does not know", at + 1));
    }
    let ends = |event: &Event| matches!(event, Event::Summary(_) | Event::Interrupted(_));
    if events.iter().filter(|event| ends(event)).count() != 1 || !events.last().is_some_and(ends) {
        return Err("the events do not end with their one `summary`".to_owned());
    }
    Tally::new(events).map_err(|error| error.to_string())
}

fn same_suite(verified: &mut Verified, claim: &Claim, suite: &Suite) -> bool {
    let pairs = [
        ("suite/version", &claim.suite.version, &suite.version),
        ("suite/digest", &claim.suite.digest, &suite.digest),
        ("suite/vectors", &claim.suite.vectors, &suite.vectors),
    ];
    let other: Vec<_> = pairs.iter().filter(|(_, claimed, own)| claimed != own).collect();
    for (field, claimed, own) in &other {
        let told = format!("{field} is {}; this program has {own}", report::short(claimed));
        verified.add("suite", Found::Unknown, told);
    }
    if other.is_empty() {
        let told = format!("version {}, requirements, recipes and vectors are this program's", suite.version);
        verified.add("suite", Found::Holds, told);
    }
    other.is_empty()
}

/// What the claim says against what follows from the events.
fn says(verified: &mut Verified, claim: &Claim, tally: &Tally, digest: &str) {
    let Some(profile) = profile_named(&claim.profile) else {
        let told = format!("profile is `{}`, and there is none of that name", report::short(&claim.profile));
        return verified.add("verdict", Found::Broken, told);
    };
    let Some(mut found) = Claim::of(tally, profile, claim.strict, digest, claim.events.clone()) else {
        let told = format!("the run says nothing about the profile {}", profile.name);
        return verified.add("verdict", Found::Broken, told);
    };
    // Of these the events say nothing.
    found.tool.clone_from(&claim.tool);
    found.suite.digest.clone_from(&claim.suite.digest);
    let json = |claim: &Claim| serde_json::to_value(claim).unwrap_or(Value::Null);
    let wrong =
        differences(&json(claim), &json(&found), TOLD + 1).into_iter().map(|(path, claimed, found)| {
            let (claimed, found) = (report::short(&claimed.to_string()), report::short(&found.to_string()));
            format!("{} is {claimed} in the claim; the events give {found}", path.trim_start_matches('/'))
        });
    let fine = format!("every field follows from the events: {} for profile {}", word(claim), claim.profile);
    verified.all("verdict", wrong.collect(), fine);
}

/// The verdict as the claim writes it.
fn word(claim: &Claim) -> String {
    serde_json::to_value(claim.verdict)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The summary at the end against the cases before it.
fn counts(verified: &mut Verified, tally: &Tally) {
    let summary = tally.summary.clone().unwrap_or_default();
    let mut counted = Summary {
        complete: tally.cases.len() == tally.start.cases,
        stopped: summary.stopped.clone(),
        selected: tally.start.cases,
        children: summary.children,
        duration_ms: summary.duration_ms,
        ..Summary::default()
    };
    tally.cases.iter().for_each(|case| counted.add(case));
    let json = |summary: &Summary| serde_json::to_value(summary).unwrap_or(Value::Null);
    let wrong =
        differences(&json(&summary), &json(&counted), TOLD + 1).into_iter().map(|(path, told, counted)| {
            format!("summary{path} is {told}; counted from the cases it is {counted}")
        });
    verified.all("summary", wrong.collect(), "the counts are those of the cases");
}

/// The cases against those that the suite asks with this seed, selection and hello.
fn cases(verified: &mut Verified, tally: &Tally, suite: &Suite) {
    let start = &tally.start;
    let catalogue = Catalogue::embedded();
    let selected = match suite.selection.apply(suite.cases.clone(), catalogue) {
        Ok(cases) => cases,
        Err(error) => return verified.add("cases", Found::Broken, format!("selection: {error}")),
    };
    let (asked, undeclared): (Vec<Case>, Vec<Case>) =
        selected.into_iter().partition(|case| start.specs.contains(&case.spec));
    let scope: BTreeSet<&String> = suite.cases.iter().flat_map(|case| &case.requirements).collect();
    let scope: Vec<String> = scope.into_iter().cloned().collect();
    let (requirements, unselected) = scope_of(&asked, &start.specs, &scope);
    let mut wrong = Vec::new();
    if undeclared.len() != start.undeclared {
        wrong.push(format!("run.start/undeclared is {}; it is {}", start.undeclared, undeclared.len()));
    }
    if requirements != start.requirements {
        wrong.push(
            "run.start/requirements are not those of this suite's catalogue for these cases".to_owned(),
        );
    }
    if unselected != start.unselected {
        wrong.push("run.start/unselected are not the requirements that the selection leaves out".to_owned());
    }
    let mut known: BTreeMap<String, &Case> = asked.iter().map(|case| (case.key(), case)).collect();
    let mut seen = BTreeSet::new();
    for event in &tally.cases {
        if !seen.insert(event.key.as_str()) {
            wrong.push(format!("{}: stands there twice", report::short(&event.key)));
            continue;
        }
        match known.remove(&event.key) {
            None => wrong.push(format!(
                "{}: is not among the cases of this seed and selection",
                report::short(&event.key)
            )),
            Some(case) => {
                wrong.extend(unlike(event, case, &start.hello).map(|told| format!("{}: {told}", event.key)));
            }
        }
    }
    wrong.extend(known.keys().map(|key| format!("{key}: is missing")));
    let fine = format!("{} cases, all that seed {} and the selection give", asked.len(), start.seed);
    verified.all("cases", wrong, fine);
}

/// How an event is not one of its case.
fn unlike(event: &CaseEvent, case: &Case, hello: &Hello) -> Option<String> {
    let mut ops: Vec<String> = case.steps.iter().map(|step| step.op.clone()).collect();
    ops.dedup();
    let fields = [
        ("id", event.id == case.id),
        ("spec", event.spec == case.spec),
        ("requirements", event.requirements == case.requirements),
        ("why", event.why == case.why),
        ("bug", event.bug == case.bug),
        ("ambiguity", event.ambiguity == case.ambiguity),
        ("source", event.source == case.source),
        ("ops", event.ops == ops),
    ];
    if let Some((field, _)) = fields.iter().find(|(_, same)| !same) {
        return Some(format!("`{field}` is not the case's own"));
    }
    let catalogue = Catalogue::embedded();
    match hello.reason_to_skip(case) {
        Some(why) => {
            let wanted = judge::not_applicable(case, &why, catalogue);
            (event.checks != wanted).then(|| "has checks, and is not asked of this adapter".to_owned())
        }
        None => unjudged(event, case, catalogue),
    }
}

/// How an event of a case that was asked can't have been judged by this suite.
fn unjudged(event: &CaseEvent, case: &Case, catalogue: &Catalogue) -> Option<String> {
    let step = case.steps.first()?;
    let wanted = judge::primary(&step.expect);
    let Some(check) = event.checks.iter().find(|check| check.name == wanted) else {
        return Some(format!("the check `{wanted}` is missing"));
    };
    if check.outcome == Outcome::NotApplicable {
        return Some(format!("the check `{wanted}` is not run, and the adapter declares all that it needs"));
    }
    let own = case.level.unwrap_or_else(|| catalogue.level_of(case.requirements.iter().map(String::as_str)));
    let lost = matches!(check.outcome, Outcome::Crash | Outcome::Timeout);
    let level = if lost { Level::Must } else { own };
    if check.level != level {
        return Some(format!("the check `{wanted}` weighs {:?}, and has to weigh {level:?}", check.level));
    }
    let left_out = case.requirements.iter().find(|id| !check.requirements.contains(id));
    if let Some(id) = left_out {
        return Some(format!("the check `{wanted}` does not speak for {id}"));
    }
    let mut names = BTreeSet::new();
    let twice = event.checks.iter().find(|check| !names.insert(check.name.as_str()));
    twice.map(|check| format!("the check `{}` stands there twice", report::short(&check.name)))
}
