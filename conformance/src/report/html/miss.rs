//! One missed check in full: what was sent, what came back, why it matters, how to repeat it.

use serde_json::Value;

use super::{dump, escape::escape, short};
use crate::{
    event::{AnswerDump, CaseEvent, Counterexample, PartDump, StepDump},
    report::{Subject, words},
    tally::Miss,
};

/// Most characters of an expected or actual value, of an answer and of arguments.
const VALUE: usize = 2000;
/// Most characters of a sentence.
const SENTENCE: usize = 1000;
/// Most lines of stderr, from its end.
const STDERR: usize = 20;
/// Most characters of a line of stderr.
const STDERR_LINE: usize = 400;
/// Most parts of a request or answer that are dumped.
const PARTS: usize = 6;
/// Most other steps of a case that are told, in a line each.
const STEPS: usize = 16;

/// Most earlier messages of a counterexample that are shown.
const NEEDED: usize = 4;

/// The smallest case that misses the same as a generated one, with what it needs before it.
fn smallest(out: &mut String, found: &Counterexample) {
    let case = &*found.minimal;
    let Some(check) = found.missed() else { return };
    out.push_str("<section class=\"smallest\">\n<p class=\"label\">The smallest message that shows it</p>\n");
    out.push_str(&format!("<p>{}</p>\n", short(&found.story(), SENTENCE)));
    if !found.needs.is_empty() {
        out.push_str(&format!("<p class=\"found\">{}</p>\n", short(&found.needed(), SENTENCE)));
    }
    if !check.note.is_empty() {
        out.push_str(&format!("<p class=\"found\">{}</p>\n", short(&check.note, SENTENCE)));
    }
    out.push_str("<dl>\n");
    entry(out, "Expected", &value(&check.expected));
    entry(out, "Actual", &value(&check.actual));
    out.push_str("</dl>\n");
    for earlier in found.needs.iter().take(NEEDED) {
        if let Some(step) = case.steps.iter().find(|step| step.step == earlier.step) {
            out.push_str("<p class=\"label\">First</p>\n");
            exchange(out, case, step);
        }
    }
    if let Some(step) = words::step_of(case, check) {
        others(out, &case.steps, step);
        exchange(out, case, step);
    }
    stderr(out, &case.stderr);
    if let Some(recipe) = &found.recipe {
        out.push_str(&format!(
            "<details><summary>As a recipe</summary>\n<pre tabindex=\"0\">{}</pre></details>\n",
            escape(&words::shorten(&words::spaced(recipe), 4 * VALUE))
        ));
    }
    out.push_str("</section>\n");
}

pub(super) fn write(out: &mut String, subject: &Subject<'_>, miss: &Miss<'_>, anchor: usize) {
    let (case, check) = (miss.case, miss.check);
    let listed = words::listed(subject, case, check);
    out.push_str(&format!(
        "<article class=\"miss\" id=\"m{anchor}\">\n<h5><code>{}</code> <span class=\"{}\">{}</span></h5>\n",
        short(&miss.name(), 300),
        super::miss_class(subject, check),
        words::outcome(check.outcome),
    ));
    if !check.note.is_empty() {
        out.push_str(&format!("<p class=\"found\">{}</p>\n", short(&check.note, SENTENCE)));
    }
    out.push_str("<dl>\n");
    entry(out, "Expected", &value(&check.expected));
    entry(out, "Actual", &value(&check.actual));
    if !case.why.is_empty() {
        entry(out, "Why it matters", &short(&case.why, SENTENCE));
    }
    entry(out, "Settled by", &short(&words::settled(subject, case, check), 120));
    if let Some(first_try) = &case.first_try {
        entry(out, "First try", &short(first_try, SENTENCE));
    }
    if !listed.is_empty() {
        entry(out, "Baseline", &short(&listed, SENTENCE));
    }
    out.push_str("</dl>\n");
    let small = subject
        .tally
        .counterexamples
        .iter()
        .find(|found| found.key == case.key && found.check == check.name && found.missed().is_some());
    if let Some(found) = small {
        smallest(out, found);
    }
    if let Some(step) = words::step_of(case, check) {
        // What was drawn at first matters less than what is left of it.
        if small.is_some() {
            out.push_str("<details><summary>As it was generated</summary>\n");
        }
        others(out, &case.steps, step);
        exchange(out, case, step);
        if small.is_some() {
            out.push_str("</details>\n");
        }
    }
    stderr(out, &case.stderr);
    out.push_str(&format!(
        "<p class=\"label\">Repeat</p>\n<pre class=\"repeat\" tabindex=\"0\">{}</pre>\n</article>\n",
        escape(&words::shorten(&words::repeat(&subject.tally.start, case), VALUE))
    ));
}

/// `value` is escaped already.
fn entry(out: &mut String, label: &str, value: &str) {
    if !value.is_empty() {
        out.push_str(&format!("<dt>{label}</dt><dd>{value}</dd>\n"));
    }
}

fn value(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    format!("<code>{}</code>", escape(&words::value(value, VALUE)))
}

/// The other steps of the case, one line each.
fn others(out: &mut String, steps: &[StepDump], own: &StepDump) {
    if steps.len() < 2 {
        return;
    }
    out.push_str("<p class=\"label\">Steps</p>\n<ol class=\"steps\">\n");
    for step in steps.iter().take(STEPS) {
        let mark = if step.step == own.step { " class=\"own\"" } else { "" };
        out.push_str(&format!(
            "<li value=\"{}\"{mark}><code>{}</code> → {}</li>\n",
            step.step.saturating_add(1),
            short(&step.op, 60),
            short(&answer(&step.answer, 160).0, 200)
        ));
    }
    if steps.len() > STEPS {
        out.push_str(&format!("<li>and {} more</li>\n", steps.len() - STEPS));
    }
    out.push_str("</ol>\n");
}

fn exchange(out: &mut String, case: &CaseEvent, step: &StepDump) {
    let args = match step.args.is_empty() {
        true => String::new(),
        false => format!(" <code>{}</code>", escape(&words::value(&Value::Object(step.args.clone()), VALUE))),
    };
    out.push_str(&format!(
        "<p class=\"label\">Sent</p>\n<p><code>{}</code>{args}</p>\n",
        short(&step.op, 60)
    ));
    parts(out, case, step, &step.parts, true);
    let (told, answered) = answer(&step.answer, VALUE);
    out.push_str(&format!("<p class=\"label\">Answered</p>\n<p><code>{}</code></p>\n", escape(&told)));
    parts(out, case, step, answered, false);
}

/// An answer on one line, and its parts.
fn answer(answer: &AnswerDump, most: usize) -> (String, &[PartDump]) {
    match answer {
        AnswerDump::Ok { ok, parts } => {
            (format!("ok {}", words::value(&Value::Object(ok.clone()), most)), parts)
        }
        AnswerDump::Err { code, detail, status } => {
            let status = status.map(|status| format!(" (status {status})")).unwrap_or_default();
            (format!("err {}{status}: {}", words::shorten(code, 60), words::shorten(detail, most)), &[])
        }
        AnswerDump::Unsupported { why } => (format!("unsupported: {}", words::shorten(why, most)), &[]),
        AnswerDump::Fault { text } => (format!("fault: {}", words::shorten(text, most)), &[]),
        AnswerDump::Lost { how } => (words::shorten(how, most), &[]),
        AnswerDump::NotSent { why } => (format!("not sent: {}", words::shorten(why, most)), &[]),
    }
}

fn parts(out: &mut String, case: &CaseEvent, step: &StepDump, parts: &[PartDump], sent: bool) {
    // What was patched or can be explained comes first.
    let mut order: Vec<&PartDump> = parts.iter().collect();
    order.sort_by_key(|part| part.fields.is_empty());
    for part in order.iter().take(PARTS) {
        dump::part(out, case, step.step, part, sent);
    }
    if parts.len() > PARTS {
        out.push_str(&format!(
            "<p class=\"part\">and {} more</p>\n",
            words::count(parts.len() - PARTS, "part")
        ));
    }
}

fn stderr(out: &mut String, stderr: &str) {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return;
    }
    out.push_str("<p class=\"label\">Standard error, its end</p>\n<pre tabindex=\"0\">");
    for line in lines.iter().skip(lines.len().saturating_sub(STDERR)) {
        out.push_str(&format!("{}\n", short(line, STDERR_LINE)));
    }
    out.push_str("</pre>\n");
}
