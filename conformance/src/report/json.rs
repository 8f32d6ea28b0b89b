//! Events → one JSON document, for scripts.
//!
//! ```text
//! schema          "avp-conformance/1"; rises when a reader of the old form would misread the new one
//! suite, seed, started (seconds since 1970), vectors, specs, selection, complete
//! implementation  {name, version, language, url?}
//! verdict         {profile, standing: conformant|not_conformant|incomplete|not_judged or null, strict,
//!                  verified_something}
//! profiles        [{name, standing, required, broken: [id], unverified: [id]}]
//! areas           [{code, title, pass, fail, warn, info, not_run, checks, missed}]  counts of requirements, then of checks
//! requirements    [{id, level, basis, status: pass|fail|warn|info|not_run, required, checks, missed, sentence, source}]
//! causes          [{name, level, requirements: [id], checks: [name]}]  the weightiest first
//! misses          [{check, case, spec, outcome: fail|crash|timeout, level, requirements, bug?, why, ambiguity?, expected?,
//!                   actual?, note?, sent: [{op, parts: [{name, len, hex}]}], stderr?, repeat,
//!                   baseline: unexpected|expected|other_kind|expired, reason?}]
//! records         [{check, note?, actual?}]  legal branches that were taken, misses that weigh nothing
//! not_run         [{check, why}]
//! probes          [{name, passed?, note}]
//! baseline        {expected, stale: [name], problems: [text]} or null
//! summary         the counts of the event stream, or null when it was cut off
//! ```

use serde::Serialize;
use serde_json::Value;

use super::{Subject, words};
use crate::{
    baseline,
    case::{Level, Spec},
    event::{CaseEvent, Probe, StepDump, Summary},
    requirement::Basis,
    tally::{AreaVerdict, ProfileVerdict, Standing, Status},
    verdict::{Check, Outcome},
};

/// What `schema` says.
pub const SCHEMA: &str = "avp-conformance/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    suite: &'a str,
    seed: u64,
    started: u64,
    vectors: &'a str,
    specs: &'a [Spec],
    selection: &'a [String],
    complete: bool,
    implementation: Implementation<'a>,
    verdict: Verdict<'a>,
    profiles: Vec<ProfileVerdict>,
    areas: Vec<AreaVerdict>,
    requirements: Vec<Requirement<'a>>,
    causes: Vec<Cause<'a>>,
    misses: Vec<Miss<'a>>,
    records: Vec<Record<'a>>,
    not_run: Vec<NotRun<'a>>,
    probes: &'a [Probe],
    baseline: Option<Baseline>,
    summary: Option<&'a Summary>,
}

#[derive(Serialize)]
struct Implementation<'a> {
    name: &'a str,
    version: &'a str,
    language: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct Verdict<'a> {
    profile: &'a str,
    standing: Option<Standing>,
    strict: bool,
    verified_something: bool,
}

#[derive(Serialize)]
struct Requirement<'a> {
    id: &'a str,
    level: Level,
    basis: Basis,
    status: Status,
    required: bool,
    checks: usize,
    missed: usize,
    sentence: &'a str,
    source: &'a str,
}

#[derive(Serialize)]
struct Cause<'a> {
    name: &'a str,
    level: Level,
    requirements: Vec<&'a str>,
    checks: Vec<String>,
}

#[derive(Serialize)]
struct Miss<'a> {
    check: String,
    case: &'a str,
    spec: Spec,
    outcome: Outcome,
    level: Level,
    requirements: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    bug: Option<&'a str>,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ambiguity: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    expected: &'a Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    actual: &'a Value,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    sent: Vec<Sent<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    stderr: &'a str,
    repeat: String,
    baseline: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Sent<'a> {
    op: &'a str,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    name: &'a str,
    len: usize,
    hex: &'a str,
}

#[derive(Serialize)]
struct Record<'a> {
    check: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    actual: &'a Value,
}

#[derive(Serialize)]
struct NotRun<'a> {
    check: String,
    why: &'a str,
}

#[derive(Serialize)]
struct Baseline {
    expected: usize,
    stale: Vec<String>,
    problems: Vec<String>,
}

/// Renders the document, indented, with a newline at the end.
///
/// # Errors
/// Never in practice: every value in it can be written as JSON.
pub fn render(subject: &Subject<'_>) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&document(subject))?;
    text.push('\n');
    Ok(text)
}

fn document<'a>(subject: &Subject<'a>) -> Document<'a> {
    let tally = subject.tally;
    let start = &tally.start;
    let requirements = tally.requirements.iter().map(|verdict| Requirement {
        id: &verdict.brief.id,
        level: verdict.brief.level,
        basis: verdict.brief.basis,
        status: verdict.status,
        required: verdict.required,
        checks: verdict.checks,
        missed: verdict.missed,
        sentence: &verdict.brief.sentence,
        source: &verdict.brief.source,
    });
    let causes = tally.causes().into_iter().map(|cause| Cause {
        name: cause.name,
        level: cause.level,
        checks: cause.misses.iter().map(crate::tally::Miss::name).collect(),
        requirements: cause.requirements,
    });
    let counted = |check: &Check| check.missed() && check.level > Level::May;
    let misses = tally.checks().filter(|(_, check)| counted(check));
    let records = tally
        .checks()
        .filter(|(_, check)| check.outcome == Outcome::Info || check.missed() && !counted(check));
    let not_run = tally.checks().filter(|(_, check)| check.outcome == Outcome::NotApplicable);
    Document {
        schema: SCHEMA,
        suite: &start.suite,
        seed: start.seed,
        started: start.started,
        vectors: &start.vectors,
        specs: &start.specs,
        selection: &start.selection,
        complete: tally.is_complete(),
        implementation: Implementation {
            name: &start.hello.name,
            version: &start.hello.version,
            language: &start.hello.language,
            url: start.hello.url.as_deref(),
        },
        verdict: Verdict {
            profile: subject.profile.name,
            standing: subject.standing(),
            strict: subject.strict,
            verified_something: tally.verified_something(),
        },
        profiles: tally.profiles(subject.strict),
        areas: tally.areas(),
        requirements: requirements.collect(),
        causes: causes.collect(),
        misses: misses.map(|(case, check)| miss(subject, case, check)).collect(),
        records: records
            .map(|(case, check)| Record {
                check: name(case, check),
                note: &check.note,
                actual: &check.actual,
            })
            .collect(),
        not_run: not_run.map(|(case, check)| NotRun { check: name(case, check), why: &check.note }).collect(),
        probes: &tally.probes,
        baseline: subject.baseline.map(|applied| Baseline {
            expected: applied.expected(),
            stale: applied.stale.iter().map(|(name, _)| name.clone()).collect(),
            problems: applied.problems.iter().map(ToString::to_string).collect(),
        }),
        summary: tally.summary.as_ref(),
    }
}

fn name(case: &CaseEvent, check: &Check) -> String {
    format!("{}#{}", case.key, check.name)
}

fn miss<'a>(subject: &Subject<'a>, case: &'a CaseEvent, check: &'a Check) -> Miss<'a> {
    let (standing, reason) = match subject.listed(case, check) {
        baseline::Standing::Unexpected => ("unexpected", None),
        baseline::Standing::Expected(entry) => ("expected", Some(entry.reason.as_str())),
        baseline::Standing::OtherKind(entry) => ("other_kind", Some(entry.reason.as_str())),
        baseline::Standing::Expired(entry) => ("expired", Some(entry.reason.as_str())),
    };
    Miss {
        check: name(case, check),
        case: &case.id,
        spec: case.spec,
        outcome: check.outcome,
        level: check.level,
        requirements: &check.requirements,
        bug: case.bug.as_deref(),
        why: &case.why,
        ambiguity: case.ambiguity.as_deref(),
        expected: &check.expected,
        actual: &check.actual,
        note: &check.note,
        sent: case.steps.iter().map(sent).collect(),
        stderr: &case.stderr,
        repeat: words::repeat(&subject.tally.start, case),
        baseline: standing,
        reason,
    }
}

fn sent(step: &StepDump) -> Sent<'_> {
    let parts = step.parts.iter().map(|part| Part { name: &part.name, len: part.len, hex: &part.hex });
    Sent { op: &step.op, parts: parts.collect() }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::tally::sample;

    #[test]
    fn the_document() {
        assert_snapshot!(render(&Subject::new(&sample::tally())).unwrap());
    }

    #[test]
    fn the_description_names_every_key() {
        let text = render(&Subject::new(&sample::tally())).unwrap();
        let document: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        let described: String =
            include_str!("json.rs").lines().take_while(|line| line.starts_with("//!")).collect();
        for key in document.keys() {
            assert!(described.contains(key.as_str()), "{key} is not described");
        }
    }
}
