//! One cause in full: what is required, what was sent, what came back, how to repeat it.

use super::{Layout, paint::wrap};
use crate::{
    dissect::render::Style,
    event::{AnswerDump, CaseEvent, Counterexample, PartDump, StepDump},
    report::{Subject, words},
    tally::{Cause, Miss},
    verdict::Check,
};

/// Most requirements of a cause whose sentence is told.
const SENTENCES: usize = 3;
/// Most other checks of a cause that are named.
const ALSO: usize = 8;
/// Most earlier messages of a counterexample that are shown.
const NEEDED: usize = 2;
/// Most characters of an expected or actual value.
const VALUE: usize = 600;
/// Most lines of stderr.
const STDERR: usize = 8;
/// Most parts of a request or answer that are dumped.
const PARTS: usize = 3;
/// Bytes of a part without fields that are shown: nobody reads a tensor.
const PLAIN_BYTES: usize = 32;

pub(super) fn write(
    out: &mut String,
    subject: &Subject<'_>,
    layout: &Layout,
    number: usize,
    cause: &Cause<'_>,
) {
    let first = &cause.misses[0];
    let of = |found: &Counterexample| cause.misses.iter().find(|miss| miss.case.key == found.key);
    let shown = subject.tally.counterexample(cause).and_then(of).unwrap_or(first);
    write_with(out, subject, layout, number, cause, &words::repeat(&subject.tally.start, shown.case));
}

/// The same with another command that repeats the first of its cases.
pub(super) fn write_with(
    out: &mut String,
    subject: &Subject<'_>,
    layout: &Layout,
    number: usize,
    cause: &Cause<'_>,
    repeat: &str,
) {
    out.push('\n');
    title(out, subject, layout, number, cause);
    for id in cause.requirements.iter().take(SENTENCES) {
        requirement(out, subject, layout, id);
    }
    if let Some(more) = cause.requirements.get(SENTENCES..).filter(|more| !more.is_empty()) {
        out.push_str(&layout.labelled(2, "", &format!("and {}", more.join(", "))));
    }
    let first = &cause.misses[0];
    if !first.case.why.is_empty() {
        out.push_str(&layout.labelled(2, "why", &first.case.why));
    }
    let settled = words::settled(subject, first.case, first.check);
    if !settled.is_empty() {
        out.push_str(&layout.labelled(2, "settled by", &settled));
    }
    out.push('\n');
    match subject.tally.counterexample(cause) {
        Some(found) => counterexample(out, layout, found),
        None => miss(out, layout, first),
    }
    also(out, subject, layout, cause);
    let listed = words::listed(subject, first.case, first.check);
    if !listed.is_empty() {
        out.push_str(&layout.labelled(2, "baseline", &listed));
    }
    // Never wrapped: it is there to be copied.
    out.push_str(&format!("  {}{}\n", layout.dim("repeat     "), layout.bold(repeat)));
}

fn title(out: &mut String, subject: &Subject<'_>, layout: &Layout, number: usize, cause: &Cause<'_>) {
    let failures = cause.failures(subject.strict);
    let checks = match (failures, cause.misses.len() - failures) {
        (0, warnings) => words::count(warnings, "check"),
        (failures, 0) => words::count(failures, "check"),
        (failures, warnings) => {
            format!("{} and {}", words::count(failures, "check"), words::count(warnings, "warning"))
        }
    };
    let cases = words::count(cause.cases(), "case");
    let right = format!("{} · {checks} in {cases}", words::level(cause.level));
    out.push_str(&layout.title(&format!("{number} ── {}", cause.name), &right));
}

fn requirement(out: &mut String, subject: &Subject<'_>, layout: &Layout, id: &str) {
    let Some(requirement) = subject.tally.requirement(id) else {
        out.push_str(&format!("  {id}\n"));
        return;
    };
    let brief = &requirement.brief;
    let room = layout.columns().saturating_sub(4).max(30);
    out.push_str(&format!("  {} {}\n", layout.bold(id), words::level(brief.level)));
    for line in wrap(&brief.sentence, room) {
        out.push_str(&format!("    {line}\n"));
    }
    for line in wrap(&format!("source: {}", brief.source), room) {
        out.push_str(&format!("    {}\n", layout.dim(&line)));
    }
}

fn miss(out: &mut String, layout: &Layout, miss: &Miss<'_>) {
    let (case, check) = (miss.case, miss.check);
    out.push_str(&format!(
        "  {}  {}\n",
        layout.bold(&miss.name()),
        layout.bad(words::outcome(check.outcome))
    ));
    out.push_str(&told(layout, check));
    if let Some(first_try) = &case.first_try {
        out.push_str(&layout.labelled(4, "first try", first_try));
    }
    if let Some(step) = words::step_of(case, check) {
        exchange(out, layout, case, check.step, step);
    }
    stderr(out, layout, &case.stderr);
}

/// The smallest case that misses the same, in place of the one that was drawn.
fn counterexample(out: &mut String, layout: &Layout, found: &Counterexample) {
    let case = &*found.minimal;
    let Some(check) = found.missed() else { return };
    out.push_str(&format!(
        "  {}  {}\n",
        layout.bold(&format!("{}#{}", found.key, found.check)),
        layout.bad(words::outcome(found.outcome))
    ));
    out.push_str(&layout.labelled(4, "smallest", &found.story()));
    if !found.needs.is_empty() {
        out.push_str(&layout.labelled(4, "needs", &found.needed()));
    }
    // What it needs is shown before it.
    for earlier in found.needs.iter().take(NEEDED) {
        if let Some(step) = case.steps.iter().find(|step| step.step == earlier.step) {
            exchange(out, layout, case, earlier.step, step);
        }
    }
    out.push_str(&told(layout, check));
    if let Some(step) = words::step_of(case, check) {
        exchange(out, layout, case, check.step, step);
    }
    stderr(out, layout, &case.stderr);
}

/// What a check says of itself.
fn told(layout: &Layout, check: &Check) -> String {
    let mut out = String::new();
    if !check.note.is_empty() {
        out.push_str(&layout.labelled(4, "", &check.note));
    }
    for (label, value) in [("expected", &check.expected), ("actual", &check.actual)] {
        if !value.is_null() {
            out.push_str(&layout.labelled(4, label, &words::value(value, VALUE)));
        }
    }
    out
}

fn exchange(out: &mut String, layout: &Layout, case: &CaseEvent, index: usize, step: &StepDump) {
    let which = if case.steps.len() > 1 {
        format!("step {} of {}: ", index + 1, case.steps.len())
    } else {
        String::new()
    };
    let args = if step.args.is_empty() {
        String::new()
    } else {
        format!(" {}", words::value(&serde_json::Value::Object(step.args.clone()), VALUE))
    };
    out.push_str(&layout.labelled(4, "sent", &format!("{which}{}{args}", step.op)));
    parts(out, layout, case, index, &step.parts, true);
    let (told, answered): (String, &[PartDump]) = match &step.answer {
        AnswerDump::Ok { ok, parts } => {
            (format!("ok {}", words::value(&serde_json::Value::Object(ok.clone()), VALUE)), parts)
        }
        AnswerDump::Err { code, detail, status } => {
            let status = status.map(|status| format!(" (status {status})")).unwrap_or_default();
            (format!("err {code}{status}: {}", words::shorten(detail, VALUE)), &[])
        }
        AnswerDump::Unsupported { why } => (format!("unsupported: {why}"), &[]),
        AnswerDump::Fault { text } => (format!("fault: {}", words::shorten(text, VALUE)), &[]),
        AnswerDump::Lost { how } => (how.clone(), &[]),
        AnswerDump::NotSent { why } => (format!("not sent: {why}"), &[]),
    };
    out.push_str(&layout.labelled(4, "answered", &told));
    parts(out, layout, case, index, answered, false);
}

fn parts(out: &mut String, layout: &Layout, case: &CaseEvent, step: usize, parts: &[PartDump], sent: bool) {
    // What was patched or can be explained comes first.
    let mut order: Vec<&PartDump> = parts.iter().collect();
    order.sort_by_key(|part| part.fields.is_empty());
    for part in order.iter().take(PARTS) {
        out.push_str(&layout.labelled(4, "", &words::part(part)));
        if part.fields.is_empty() {
            if part.len > 0 {
                out.push_str(&layout.labelled(4, "", &plain(part)));
            }
            continue;
        }
        let style = Style { ansi: layout.color, width: layout.columns().saturating_sub(6) };
        for line in words::dump(case, step, part, sent, &style).lines() {
            out.push_str(&format!("      {line}\n"));
        }
    }
    if parts.len() > PARTS {
        out.push_str(&layout.labelled(
            4,
            "",
            &format!("and {} more", words::count(parts.len() - PARTS, "part")),
        ));
    }
}

fn plain(part: &PartDump) -> String {
    let bytes = words::bytes_of(part);
    let shown: Vec<String> = bytes.iter().take(PLAIN_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let rest = if part.len > PLAIN_BYTES { " …" } else { "" };
    format!("{}{rest}", shown.join(" "))
}

fn stderr(out: &mut String, layout: &Layout, stderr: &str) {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    for (n, line) in lines.iter().skip(lines.len().saturating_sub(STDERR)).enumerate() {
        let label = if n == 0 { "stderr" } else { "" };
        out.push_str(&layout.labelled(4, label, &words::shorten(line, VALUE)));
    }
}

fn also(out: &mut String, subject: &Subject<'_>, layout: &Layout, cause: &Cause<'_>) {
    // Of a cause that fails, the checks that only warn are counted above and not named.
    let failures = cause.failures(subject.strict);
    let told = if failures == 0 { cause.misses.len() } else { failures };
    let mut names: Vec<String> = cause.misses.iter().take(told).skip(1).map(Miss::name).collect();
    names.dedup();
    if names.is_empty() {
        return;
    }
    let mut told = names.iter().take(ALSO).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > ALSO {
        told.push_str(&format!(", and {} more", names.len() - ALSO));
    }
    out.push_str(&layout.labelled(2, "also", &told));
}
