//! Events → text for a terminal.
//!
//! The first screen answers "does it conform, and where not": a verdict line, a table by area, the profiles. Then the
//! failures, grouped by cause.

mod failure;
mod paint;
mod table;

pub use self::paint::{DEFAULT_WIDTH, Layout};
use super::{Subject, numbers, words};
use crate::{
    case::Level,
    tally::{Cause, Standing, counts},
    verdict::Outcome,
};

/// Most reasons for not running something that are told: the first screen is for the verdict.
const REASONS: usize = 6;

/// Most causes that are told in full.
const FULL: usize = 60;

/// Renders the report. `verbose` tells the warnings in full too.
pub fn render(subject: &Subject<'_>, layout: &Layout, verbose: bool) -> String {
    let mut out = String::new();
    head(&mut out, subject, layout);
    out.push_str(&table::areas(subject.tally, layout));
    out.push('\n');
    profiles(&mut out, subject, layout);
    notes(&mut out, subject, layout);
    if let Some(summary) = &subject.tally.summary {
        out.push_str(&numbers::text(summary, layout, verbose));
    }
    let causes = subject.tally.causes();
    let (failures, warnings): (Vec<_>, Vec<_>) =
        causes.iter().partition(|cause| counts(cause.level, subject.strict));
    if !failures.is_empty() {
        out.push('\n');
        section(&mut out, subject, "Failures", &failures, layout);
        for (n, cause) in failures.iter().enumerate().take(FULL) {
            failure::write(&mut out, subject, layout, n + 1, cause);
        }
        brief(&mut out, subject, layout, failures.get(FULL..).unwrap_or_default());
    }
    if !warnings.is_empty() {
        out.push('\n');
        section(&mut out, subject, "Warnings", &warnings, layout);
        if verbose {
            for (n, cause) in warnings.iter().enumerate() {
                failure::write(&mut out, subject, layout, failures.len() + n + 1, cause);
            }
        } else {
            brief(&mut out, subject, layout, &warnings);
        }
    }
    tail(&mut out, subject, layout);
    out
}

/// The failures alone, every cause in full, with `repeat` as the command that repeats each.
pub fn failures(subject: &Subject<'_>, layout: &Layout, repeat: &str) -> String {
    let mut out = String::new();
    let causes = subject.tally.causes();
    let failures = causes.iter().filter(|cause| counts(cause.level, subject.strict));
    for (n, cause) in failures.enumerate() {
        failure::write_with(&mut out, subject, layout, n + 1, cause, repeat);
    }
    out
}

fn head(out: &mut String, subject: &Subject<'_>, layout: &Layout) {
    let headline = words::headline(subject);
    let word = match headline.good {
        Some(true) => layout.good(headline.word),
        Some(false) => layout.bad(headline.word),
        None => layout.odd(headline.word),
    };
    let room = layout.columns().saturating_sub(headline.word.len() + 2).max(30);
    let rest = paint::wrap(&headline.rest, room);
    out.push_str(&format!("{word}  {}\n", rest[0]));
    for line in &rest[1..] {
        out.push_str(&format!("{:width$}  {line}\n", "", width = headline.word.len()));
    }
    if let Some(baseline) = subject.baseline {
        let expected = baseline.expected();
        let unexpected = subject.unlisted_failures().count();
        let mut told = format!("baseline: {} as listed", words::count(expected, "deviation"));
        told.push_str(&format!(", {unexpected} not listed"));
        if !baseline.stale.is_empty() {
            told.push_str(&format!(", {} listed that are gone", baseline.stale.len()));
        }
        let told = if unexpected == 0 && baseline.stale.is_empty() { told } else { layout.odd(&told) };
        out.push_str(&format!("{told}\n"));
    }
    if subject.tally.everything_fails() {
        let hint = "Nothing came out well. The adapter is more likely at fault than the implementation: `avp-conformance \
                    doctor` finds out step by step.";
        out.push('\n');
        for line in paint::wrap(hint, layout.columns()) {
            out.push_str(&format!("{}\n", layout.odd(&line)));
        }
    }
    out.push('\n');
}

fn profiles(out: &mut String, subject: &Subject<'_>, layout: &Layout) {
    for (n, verdict) in subject.tally.profiles(subject.strict).iter().enumerate() {
        let (word, rest) = match verdict.standing {
            Standing::Conformant => {
                (layout.good("conformant"), format!("all {} required MUSTs hold", verdict.required))
            }
            Standing::NotConformant => (
                layout.bad("not conformant"),
                format!("{} broken", words::count(verdict.broken.len(), "requirement")),
            ),
            Standing::Incomplete => (
                layout.odd("incomplete"),
                format!("{} of {} required MUSTs not verified", verdict.unverified.len(), verdict.required),
            ),
            Standing::NotJudged => (layout.dim("not judged"), "not all of it was run".to_owned()),
        };
        let label = if n == 0 { "profile" } else { "" };
        out.push_str(&format!(" {label:9}{:11}{word}, {rest}\n", verdict.name));
    }
}

/// What was not run and why, and what else a reader should not miss.
fn notes(out: &mut String, subject: &Subject<'_>, layout: &Layout) {
    let tally = subject.tally;
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for (_, check) in tally.checks().filter(|(_, check)| check.outcome == Outcome::NotApplicable) {
        match reasons.iter_mut().find(|(note, _)| *note == check.note) {
            Some((_, cases)) => *cases += 1,
            None => reasons.push((&check.note, 1)),
        }
    }
    reasons.sort_by_key(|(_, cases)| std::cmp::Reverse(*cases));
    for (n, (note, cases)) in reasons.iter().enumerate().take(REASONS) {
        let label = if n == 0 { "not run" } else { "" };
        let why = if note.is_empty() { "does not apply" } else { note };
        out.push_str(&layout.labelled(1, label, &format!("{}: {why}", words::count(*cases, "check"))));
    }
    if let Some(more) = reasons.get(REASONS..).filter(|more| !more.is_empty()) {
        let checks = more.iter().map(|(_, cases)| cases).sum();
        let told =
            format!("{} for {} more", words::count(checks, "check"), words::count(more.len(), "reason"));
        out.push_str(&layout.labelled(1, "", &told));
    }
    let infos = tally
        .checks()
        .filter(|(_, check)| check.outcome == Outcome::Info || check.missed() && check.level == Level::May);
    let infos = infos.count();
    if infos > 0 {
        let told = format!("{} (which legal branch was taken; never counted)", words::count(infos, "record"));
        out.push_str(&layout.labelled(1, "info", &told));
    }
    for probe in tally.probes.iter().filter(|probe| probe.passed == Some(false)) {
        out.push_str(&layout.labelled(1, "dishonest", &format!("{}: {}", probe.name, probe.note)));
    }
    if let Some(summary) = tally.summary.as_ref().filter(|summary| !summary.complete) {
        let why = if summary.stopped.is_empty() { "interrupted" } else { &summary.stopped };
        let told = format!("{why}; {} of {} cases were judged", summary.cases, summary.selected);
        out.push_str(&layout.labelled(1, "stopped", &told));
    }
    if tally.summary.is_none() {
        out.push_str(&layout.labelled(1, "stopped", "the events end in the middle of the run"));
    }
    if let Some(baseline) = subject.baseline {
        for (name, entry) in &baseline.stale {
            let told = format!("{name} passes now; take its entry out ({})", entry.reason);
            out.push_str(&layout.labelled(1, "stale", &told));
        }
        for problem in &baseline.problems {
            out.push_str(&layout.labelled(1, "baseline", &problem.to_string()));
        }
    }
}

fn section(out: &mut String, subject: &Subject<'_>, title: &str, causes: &[&Cause<'_>], layout: &Layout) {
    let told = words::section(subject, title, causes);
    out.push_str(&format!("{}\n", layout.bold(&told)));
}

/// One line a cause.
fn brief(out: &mut String, subject: &Subject<'_>, layout: &Layout, causes: &[&Cause<'_>]) {
    for cause in causes {
        let first = &cause.misses[0];
        let ids = cause.requirements.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let mut line = format!(" · {}  {}", cause.name, words::count(cause.misses.len(), "check"));
        if ids != cause.name {
            line.push_str(&format!("  {ids}"));
        }
        out.push_str(&format!("{line}\n"));
        let note = if first.check.note.is_empty() { &first.case.why } else { &first.check.note };
        let note = format!("{}: {}", first.name(), words::shorten(note, 160));
        let mut lines = paint::wrap(&note, layout.columns().saturating_sub(4)).into_iter();
        for line in lines.by_ref().take(2) {
            out.push_str(&format!("   {}\n", layout.dim(&line)));
        }
        let listed = words::listed(subject, first.case, first.check);
        if !listed.is_empty() {
            out.push_str(&format!("   {}\n", layout.dim(&words::shorten(&listed, 160))));
        }
    }
}

fn tail(out: &mut String, subject: &Subject<'_>, layout: &Layout) {
    let start = &subject.tally.start;
    let mut told = format!("suite {} · seed {}", start.suite, start.seed);
    if let Some(summary) = &subject.tally.summary {
        told = format!(
            "{} in {:.1} s · {} · {told}",
            words::count(summary.ran, "case"),
            summary.duration_ms / 1000.0,
            if summary.children == 1 {
                "1 child".to_owned()
            } else {
                format!("{} children", summary.children)
            },
        );
    }
    out.push_str(&format!("\n{}\n", layout.dim(&told)));
}

#[cfg(test)]
mod tests;
