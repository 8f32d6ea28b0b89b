//! Events → Markdown, for the summary page of a CI job or a pull request.

use super::{Subject, numbers, words};
use crate::{
    dissect::render::Style,
    tally::{Cause, Standing, counts},
    verdict::Outcome,
};

/// Most causes that are told in full: summary pages are capped in size.
pub(super) const FULL: usize = 20;
/// Columns of the hexdumps.
const DUMP: Style = Style { ansi: false, width: 92 };
/// Most characters of an expected or actual value.
const VALUE: usize = 400;

/// Renders the report.
pub fn render(subject: &Subject<'_>) -> String {
    render_with(subject, FULL)
}

/// The same with at most `full` causes of a kind in full.
pub(super) fn render_with(subject: &Subject<'_>, full: usize) -> String {
    let tally = subject.tally;
    let headline = words::headline(subject);
    let mark = match headline.good {
        Some(true) => "✅",
        Some(false) => "❌",
        None => "⚠️",
    };
    let mut out = format!("## {mark} {}: {}\n\n", headline.word, escape(&headline.rest));
    if let Some(baseline) = subject.baseline {
        out.push_str(&format!(
            "Baseline: {} as listed, {} listed that are gone, {} with the file itself.\n\n",
            words::count(baseline.expected(), "deviation"),
            baseline.stale.len(),
            words::count(baseline.problems.len(), "problem"),
        ));
    }
    areas(&mut out, subject);
    profiles(&mut out, subject);
    let causes = tally.causes();
    let (failures, warnings): (Vec<_>, Vec<_>) =
        causes.iter().partition(|cause| counts(cause.level, subject.strict));
    section(&mut out, subject, "Failures", &failures, full);
    section(&mut out, subject, "Warnings", &warnings, full);
    if let Some(summary) = &tally.summary {
        out.push_str(&numbers::markdown(summary));
    }
    let not_run = tally.checks().filter(|(_, check)| check.outcome == Outcome::NotApplicable).count();
    let start = &tally.start;
    out.push_str(&format!(
        "<sub>{} not run · suite {} · seed {}</sub>\n",
        words::count(not_run, "check"),
        escape(&start.suite),
        start.seed
    ));
    out
}

fn areas(out: &mut String, subject: &Subject<'_>) {
    out.push_str("| area | | pass | fail | warn | info | not run | checks | missed |\n");
    out.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for area in subject.tally.areas() {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            area.code,
            escape(&area.title),
            area.pass,
            bold(area.fail),
            area.warn,
            area.info,
            area.not_run,
            area.checks,
            area.missed,
        ));
    }
    out.push('\n');
}

fn bold(number: usize) -> String {
    if number == 0 { "0".to_owned() } else { format!("**{number}**") }
}

fn profiles(out: &mut String, subject: &Subject<'_>) {
    let told: Vec<String> = subject
        .tally
        .profiles(subject.strict)
        .iter()
        .map(|verdict| {
            let standing = match verdict.standing {
                Standing::Conformant => "conformant".to_owned(),
                Standing::NotConformant => {
                    format!("not conformant ({} broken)", verdict.broken.len())
                }
                Standing::Incomplete => format!("incomplete ({} not verified)", verdict.unverified.len()),
                Standing::NotJudged => "not judged".to_owned(),
            };
            format!("**{}** {standing}", verdict.name)
        })
        .collect();
    if !told.is_empty() {
        out.push_str(&format!("Profiles: {}\n\n", told.join(" · ")));
    }
}

fn section(out: &mut String, subject: &Subject<'_>, title: &str, causes: &[&Cause<'_>], full: usize) {
    if causes.is_empty() {
        return;
    }
    out.push_str(&format!("### {}\n\n", words::section(subject, title, causes)));
    for cause in causes.iter().take(full) {
        write(out, subject, cause);
    }
    if let Some(more) = causes.get(full..).filter(|more| !more.is_empty()) {
        let names: Vec<&str> = more.iter().map(|cause| cause.name).collect();
        out.push_str(&format!("… and {}: {}\n\n", words::count(more.len(), "cause"), names.join(", ")));
    }
}

fn write(out: &mut String, subject: &Subject<'_>, cause: &Cause<'_>) {
    let first = &cause.misses[0];
    out.push_str(&format!(
        "<details><summary><b>{}</b> — {} in {} ({})</summary>\n\n",
        escape(cause.name),
        words::count(cause.misses.len(), "check"),
        words::count(cause.cases(), "case"),
        words::level(cause.level)
    ));
    for requirement in cause.requirements.iter().filter_map(|id| subject.tally.requirement(id)).take(3) {
        let brief = &requirement.brief;
        out.push_str(&format!(
            "> **{}** {}: {}  \n> <sub>{}</sub>\n\n",
            brief.id,
            words::level(brief.level),
            escape(&brief.sentence),
            escape(&brief.source)
        ));
    }
    out.push_str(&format!("{}\n\n", escape(&first.case.why)));
    out.push_str(&format!("`{}`: {}", first.name(), words::outcome(first.check.outcome)));
    if !first.check.note.is_empty() {
        out.push_str(&format!(", {}", escape(&first.check.note)));
    }
    out.push_str("\n\n```text\n");
    for (label, value) in [("expected", &first.check.expected), ("actual", &first.check.actual)] {
        if !value.is_null() {
            out.push_str(&fenced(&format!("{label:9} {}\n", words::value(value, VALUE))));
        }
    }
    if let Some(step) = words::step_of(first.case, first.check) {
        for part in step.parts.iter().filter(|part| !part.fields.is_empty()).take(2) {
            out.push_str(&fenced(&words::dump(first.case, first.check.step, part, true, &DUMP)));
        }
    }
    for line in first.case.stderr.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev() {
        out.push_str(&fenced(&format!("stderr    {}\n", words::shorten(line, VALUE))));
    }
    out.push_str(&fenced(&format!("repeat    {}\n", words::repeat(&subject.tally.start, first.case))));
    out.push_str("```\n");
    let listed = words::listed(subject, first.case, first.check);
    if !listed.is_empty() {
        out.push_str(&format!("\nBaseline: {}\n", escape(&listed)));
    }
    out.push_str("\n</details>\n\n");
}

/// Keeps what an implementation said from becoming markup, or from ending the block that it stands in.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn fenced(text: &str) -> String {
    text.replace("```", "'''")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::tally::{Tally, sample};

    #[test]
    fn the_page() {
        assert_snapshot!(render(&Subject::new(&sample::tally())));
    }

    #[test]
    fn what_an_implementation_says_stays_text() {
        let mut cases = sample::cases();
        cases[5].stderr = "```\n<script>alert(1)</script>\n".into();
        cases[5].checks[0].note = "<b>| bold".into();
        let tally = Tally::new(sample::stream(sample::start(), cases)).unwrap();
        let page = render(&Subject::new(&tally));
        assert_eq!(page.matches("```").count() % 2, 0);
        assert!(!page.contains("<b>| bold"));
        // Inside the block, markup is text.
        let before = page.split("<script>").next().unwrap();
        assert_eq!(before.matches("```").count() % 2, 1);
    }
}
