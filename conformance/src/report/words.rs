//! Phrases that several reports share.

use serde_json::Value;

use super::Subject;
use crate::{
    baseline,
    case::{Level, Spec},
    event::{CaseEvent, PartDump, RunStart, StepDump},
    tally::{Cause, Standing},
    verdict::{Check, Outcome},
};

/// The verdict in capitals, and the rest of the sentence.
pub(crate) struct Headline {
    pub(crate) word: &'static str,
    pub(crate) rest: String,
    pub(crate) good: Option<bool>,
}

/// The first line of every report.
pub(crate) fn headline(subject: &Subject<'_>) -> Headline {
    let tally = subject.tally;
    let name = implementation(&tally.start);
    let dialects = dialects(&tally.start.specs);
    let failed = tally.failures(subject.strict).count();
    let made = tally.checks().filter(|(_, check)| check.outcome != Outcome::NotApplicable).count();
    if !tally.verified_something() {
        return Headline {
            word: "NOTHING VERIFIED",
            rest: format!("{name}: no check was made that could have failed"),
            good: Some(false),
        };
    }
    let verdict = tally.profile(subject.profile, subject.strict);
    let told = format!("profile {} · AVP {dialects}", subject.profile.name);
    match verdict {
        Some(verdict) if verdict.standing == Standing::Conformant => Headline {
            word: "CONFORMANT",
            rest: format!("{name} meets all {} required MUSTs · {told}", verdict.required),
            good: Some(true),
        },
        Some(verdict) if verdict.standing == Standing::NotConformant => Headline {
            word: "NOT CONFORMANT",
            rest: format!("{name} breaks {} · {told}", count(verdict.broken.len(), "requirement")),
            good: Some(false),
        },
        Some(verdict) if verdict.standing == Standing::Incomplete => Headline {
            word: "INCOMPLETE",
            rest: format!(
                "{name} breaks nothing, but {} of {} required MUSTs were not verified · {told}",
                verdict.unverified.len(),
                verdict.required
            ),
            good: None,
        },
        _ if failed > 0 => Headline {
            word: "FAILED",
            rest: format!("{name} misses {failed} of {} · AVP {dialects}", count(made, "check")),
            good: Some(false),
        },
        _ => Headline {
            word: "PASSED",
            rest: format!(
                "{name}, {}; {}, so this is no verdict on conformance",
                count(made, "check"),
                if tally.is_complete() { "the run was narrowed" } else { "the run ended early" },
            ),
            good: if tally.is_complete() { Some(true) } else { None },
        },
    }
}

/// `avp-python 0.6.2`.
pub(crate) fn implementation(start: &RunStart) -> String {
    match start.hello.version.as_str() {
        "" => start.hello.name.clone(),
        version => format!("{} {version}", start.hello.name),
    }
}

/// `0.2 and 0.4`.
pub(crate) fn dialects(specs: &[Spec]) -> String {
    specs.iter().map(|spec| spec.as_str()).collect::<Vec<_>>().join(" and ")
}

/// `Failures: 2 causes, 5 checks (and 3 that only warn)`.
pub(crate) fn section(subject: &Subject<'_>, title: &str, causes: &[&Cause<'_>]) -> String {
    let all: usize = causes.iter().map(|cause| cause.misses.len()).sum();
    let failures: usize = causes.iter().map(|cause| cause.failures(subject.strict)).sum();
    let told = format!("{title}: {}", count(causes.len(), "cause"));
    match (failures, all - failures) {
        (0, warnings) => format!("{told}, {}", count(warnings, "check")),
        (failures, 0) => format!("{told}, {}", count(failures, "check")),
        (failures, warnings) => {
            format!("{told}, {} (and {warnings} more of the same that only warn)", count(failures, "check"))
        }
    }
}

/// `1 check`, `2 checks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `MUST`, `SHOULD`, `MAY`.
pub(crate) fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
}

/// How a check ended, in a word.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Crash => "crash",
        Outcome::Timeout => "timeout",
        Outcome::Info => "info",
        Outcome::NotApplicable => "not run",
    }
}

/// A value for people: text as it is, everything else as JSON on one line; no more than `most` characters.
pub(crate) fn value(value: &Value, most: usize) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return String::new(),
        other => spaced(other),
    };
    shorten(&text, most)
}

/// JSON on one line with a space after every comma and colon, so that it can be broken into lines.
pub fn spaced(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    // Writing a value into memory can't fail.
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => value.to_string(),
    }
}

struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// Text of others in a sentence: a line of at most 200 characters, control characters shown as escapes.
pub fn short(text: &str) -> String {
    shorten(text, 200)
}

/// At most `most` characters, control characters shown as escapes.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let mut short = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == most {
            short.push_str(&format!("… ({} characters)", text.chars().count()));
            break;
        }
        match c {
            '\n' | '\t' => short.push(' '),
            c if c.is_control() => short.extend(c.escape_default()),
            c => short.push(c),
        }
    }
    short
}

/// What the baseline says about a missed check, or nothing when it says nothing.
pub(crate) fn listed(subject: &Subject<'_>, case: &CaseEvent, check: &Check) -> String {
    let told = |entry: &baseline::Entry| match &entry.issue {
        Some(issue) => format!("{} ({issue})", entry.reason),
        None => entry.reason.clone(),
    };
    match subject.listed(case, check) {
        baseline::Standing::Unexpected => String::new(),
        baseline::Standing::Expected(entry) => format!("expected: {}", told(entry)),
        baseline::Standing::OtherKind(entry) => {
            format!(
                "unexpected: listed as {}, and now it is a {}",
                entry.kind.as_str(),
                outcome(check.outcome)
            )
        }
        baseline::Standing::Expired(entry) => {
            let until = entry.until.map(|until| until.to_string()).unwrap_or_default();
            format!("unexpected: the entry ended on {until}: {}", told(entry))
        }
    }
}

/// The entry of the ambiguity list that settles a case, and the weight that it gives when that is not the requirement's
/// own. Empty when there is none.
pub(super) fn settled(subject: &Subject<'_>, case: &CaseEvent, check: &Check) -> String {
    let Some(ambiguity) = &case.ambiguity else { return String::new() };
    let known = check.requirements.iter().filter_map(|id| subject.tally.requirement(id));
    let own = known.map(|requirement| requirement.brief.level).max();
    let told = format!("{ambiguity} of the ambiguity list");
    match own {
        Some(own) if own < check.level => format!("{told}, as a {}", level(check.level)),
        _ => told,
    }
}

/// The command that repeats one case.
pub(crate) fn repeat(start: &RunStart, case: &CaseEvent) -> String {
    let mut command = String::from("avp-conformance run");
    let adapter = start.repeat.as_str();
    let own = adapter.starts_with("-- ") || adapter.contains(" -- ");
    if !own && !adapter.is_empty() {
        command.push_str(&format!(" {adapter}"));
    }
    command.push_str(&format!(" --id '{}'", case.key));
    if let crate::case::Source::Generated { seed, .. } = case.source {
        command.push_str(&format!(" --seed {seed}"));
    }
    if own {
        command.push_str(&format!(" {adapter}"));
    }
    command
}

/// The bytes of a part as far as the event carries them.
pub(crate) fn bytes_of(part: &PartDump) -> Vec<u8> {
    let digits: Vec<u32> = part.hex.chars().map_while(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// `message, 25 bytes`, `k0, f16 [2, 3, 2], 24 bytes`.
pub(crate) fn part(part: &PartDump) -> String {
    let mut text = part.name.clone();
    if let Some(dtype) = &part.dtype {
        text.push_str(&format!(", {dtype}"));
    }
    if let Some(shape) = &part.shape {
        text.push_str(&format!(" {shape:?}"));
    }
    format!("{text}, {}", count(part.len, "byte"))
}

/// The step that a check speaks of, where the event shows it.
pub(super) fn step_of<'a>(case: &'a CaseEvent, check: &Check) -> Option<&'a StepDump> {
    case.steps.iter().find(|step| step.step == check.step)
}

/// The dump of a part with its patched bytes, as text; empty when there is nothing to explain.
pub(crate) fn dump(
    case: &CaseEvent,
    step: usize,
    part: &PartDump,
    sent: bool,
    style: &crate::dissect::render::Style,
) -> String {
    crate::dissect::render::text(&dump_lines(case, step, part, sent), style)
}

/// The lines of such a dump.
pub(super) fn dump_lines(
    case: &CaseEvent,
    step: usize,
    part: &PartDump,
    sent: bool,
) -> Vec<crate::dissect::render::DumpLine> {
    let bytes = bytes_of(part);
    let patched: Vec<_> = case
        .patched
        .iter()
        .filter(|range| sent && range.step == step && range.part == part.name)
        .map(|range| range.start..range.end)
        .collect();
    if part.fields.is_empty() && bytes.is_empty() {
        return Vec::new();
    }
    let whole = [crate::dissect::Field {
        start: 0,
        end: bytes.len(),
        name: part.name.clone(),
        value: String::new(),
        depth: 0,
        note: None,
    }];
    let fields = if part.fields.is_empty() { &whole[..] } else { &part.fields[..] };
    crate::dissect::render::dump(&bytes, fields, &patched)
}
