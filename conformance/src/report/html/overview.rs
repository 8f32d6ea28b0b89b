//! The first screen: the verdict, the profiles, the areas, and what probably is one defect each.

use super::{escape::escape, requirement::ROWS, short};
use crate::{
    report::{Subject, words},
    tally::{AreaVerdict, Cause, Standing, counts},
    verdict::Outcome,
};

/// Most causes that are listed of a kind.
const CAUSES: usize = 200;
/// Most requirements of a cause or a profile that are linked.
const LINKS: usize = 8;
/// Most reasons for not running something that are told.
const REASONS: usize = 40;
/// Most lines of a baseline's own problems.
const PROBLEMS: usize = 20;

pub(super) fn head(out: &mut String, subject: &Subject<'_>) {
    let headline = words::headline(subject);
    let class = match headline.good {
        Some(true) => "pass",
        Some(false) => "fail",
        None => "warn",
    };
    out.push_str(&format!(
        "<header>\n<p class=\"kind\">Conformance report · Agent Vector Protocol</p>\n<h1>{}</h1>\n\
         <p class=\"headline\"><strong class=\"{class}\">{}</strong> {}</p>\n",
        short(&words::implementation(&subject.tally.start), 200),
        headline.word,
        short(&headline.rest, 600)
    ));
    let evidence = evidence(subject);
    out.push_str("<ul class=\"evidence\">\n");
    evidence.iter().for_each(|line| out.push_str(&format!("<li>{line}</li>\n")));
    out.push_str("</ul>\n</header>\n");
}

/// What a reader should know before the tables. Markup already.
fn evidence(subject: &Subject<'_>) -> Vec<String> {
    let tally = subject.tally;
    let mut lines = Vec::new();
    let made = tally.checks().filter(|(_, check)| check.outcome != Outcome::NotApplicable).count();
    let failed = tally.failures(subject.strict).count();
    let asked = tally.cases.iter().filter(|case| case.ran()).count();
    lines.push(format!(
        "{} asked, {} made, {} failed{}.",
        words::count(asked, "case"),
        words::count(made, "check"),
        failed,
        if subject.strict { " (strict: a missed SHOULD fails)" } else { "" }
    ));
    if tally.everything_fails() {
        lines.push(
            "Nothing came out well. The adapter is more likely at fault than the implementation: \
             <code>avp-conformance doctor</code> finds out step by step."
                .to_owned(),
        );
    }
    for probe in tally.probes.iter().filter(|probe| probe.passed == Some(false)) {
        lines.push(format!(
            "<b class=\"fail\">Not honest</b>: {}: {}",
            short(&probe.name, 60),
            short(&probe.note, 300)
        ));
    }
    match &tally.summary {
        None => lines.push("The events end in the middle of the run.".to_owned()),
        Some(summary) if !summary.complete => {
            let why = if summary.stopped.is_empty() { "interrupted" } else { &summary.stopped };
            let (cases, selected) = (summary.cases, summary.selected);
            lines.push(format!("Stopped: {}; {cases} of {selected} cases were judged.", short(why, 300)));
        }
        Some(_) => {}
    }
    if let Some(baseline) = subject.baseline {
        lines.push(format!(
            "Baseline: {} as listed, {} not listed, {} listed that are gone.",
            words::count(baseline.expected(), "deviation"),
            subject.unlisted_failures().count(),
            baseline.stale.len()
        ));
        let stale = baseline.stale.iter().map(|(name, _)| format!("{name} passes now; take its entry out"));
        let all: Vec<String> = stale.chain(baseline.problems.iter().map(ToString::to_string)).collect();
        lines.extend(all.iter().take(PROBLEMS).map(|line| format!("Baseline: {}", short(line, 300))));
        if all.len() > PROBLEMS {
            lines.push(format!("Baseline: and {} more of the kind.", all.len() - PROBLEMS));
        }
    }
    lines
}

pub(super) fn profiles(out: &mut String, subject: &Subject<'_>) {
    out.push_str("<h2 id=\"profiles\">Profiles</h2>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Profile</th>\
                  <th scope=\"col\">Verdict</th><th scope=\"col\" class=\"n\">Required MUSTs</th><th scope=\"col\">Broken</th>\
                  <th scope=\"col\">Not verified</th></tr></thead>\n<tbody>\n");
    for verdict in subject.tally.profiles(subject.strict) {
        let (class, word) = match verdict.standing {
            Standing::Conformant => ("pass", "conformant"),
            Standing::NotConformant => ("fail", "not conformant"),
            Standing::Incomplete => ("warn", "incomplete"),
            Standing::NotJudged => ("not_run", "not judged"),
        };
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"word {class}\">{word}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>\n",
            verdict.name,
            verdict.required,
            links(subject, verdict.broken.iter().map(String::as_str)),
            links(subject, verdict.unverified.iter().map(String::as_str)),
        ));
    }
    out.push_str("</tbody></table></div>\n");
}

/// Links to the rows of requirements.
fn links<'a>(subject: &Subject<'_>, ids: impl Iterator<Item = &'a str>) -> String {
    let ids: Vec<&str> = ids.collect();
    let mut linked: Vec<String> = ids.iter().take(LINKS).map(|id| link(subject, id)).collect();
    if ids.len() > LINKS {
        linked.push(format!("and {} more", ids.len() - LINKS));
    }
    if linked.is_empty() { "–".to_owned() } else { linked.join(", ") }
}

fn link(subject: &Subject<'_>, id: &str) -> String {
    let row = subject.tally.requirements.iter().position(|row| row.brief.id == id).filter(|row| *row < ROWS);
    let name = short(id, 60);
    row.map_or_else(|| name.clone(), |row| format!("<a class=\"id\" href=\"#r{row}\">{name}</a>"))
}

pub(super) fn areas(out: &mut String, subject: &Subject<'_>) {
    out.push_str("<h2 id=\"areas\">Areas</h2>\n<div class=\"wide\"><table class=\"areas\">\n<thead><tr>");
    for name in ["Area", "", "", "Pass", "Fail", "Warn", "Info", "Not run", "Checks", "Missed"] {
        out.push_str(&format!("<th scope=\"col\">{name}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let requirements = &subject.tally.requirements;
    for area in subject.tally.areas() {
        let first =
            requirements.iter().position(|row| crate::requirement::area_of(&row.brief.id) == area.code);
        let code = short(&area.code, 40);
        let code = match first.filter(|row| *row < ROWS) {
            Some(row) => format!("<a href=\"#a{row}\">{code}</a>"),
            None => code,
        };
        out.push_str(&format!(
            "<tr><th scope=\"row\">{code}</th><td>{}</td><td>{}</td>",
            short(&area.title, 200),
            bar(&area)
        ));
        let cells = [
            (area.pass, ""),
            (area.fail, "fail"),
            (area.warn, "warn"),
            (area.info, ""),
            (area.not_run, ""),
            (area.checks, ""),
            (area.missed, ""),
        ];
        for (number, class) in cells {
            let class = if number == 0 { "zero" } else { class };
            out.push_str(&format!("<td class=\"n {class}\">{number}</td>"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n<p class=\"note\">Counts of requirements, then of checks.</p>\n");
}

/// The numbers of a row once more, as lengths.
fn bar(area: &AreaVerdict) -> String {
    let all = area.requirements().max(1) as f64;
    let mut at = 0.0;
    let mut text = String::from(
        "<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
    );
    let parts = [
        ("fail", area.fail),
        ("warn", area.warn),
        ("pass", area.pass),
        ("info", area.info),
        ("not_run", area.not_run),
    ];
    for (class, count) in parts {
        let width = 100.0 * count as f64 / all;
        if count > 0 {
            text.push_str(&format!(
                "<rect class=\"{class}\" x=\"{at:.2}\" width=\"{width:.2}\" height=\"10\"/>"
            ));
        }
        at += width;
    }
    text.push_str("</svg>");
    text
}

pub(super) fn causes(out: &mut String, subject: &Subject<'_>) {
    let causes = subject.tally.causes();
    let (failures, warnings): (Vec<_>, Vec<_>) =
        causes.iter().partition(|cause| counts(cause.level, subject.strict));
    section(out, subject, "Failures", "failures", &failures);
    section(out, subject, "Warnings", "warnings", &warnings);
}

fn section(out: &mut String, subject: &Subject<'_>, title: &str, anchor: &str, causes: &[&Cause<'_>]) {
    if causes.is_empty() {
        return;
    }
    out.push_str(&format!(
        "<h2 id=\"{anchor}\">{}</h2>\n<p class=\"note\">What probably is one defect stands together. The links lead to the \
         requirement, where every check is told in full.</p>\n<ol class=\"causes\">\n",
        escape(&words::section(subject, title, causes))
    ));
    for cause in causes.iter().take(CAUSES) {
        let first = &cause.misses[0];
        let listed = words::listed(subject, first.case, first.check);
        let listed = if listed.is_empty() {
            listed
        } else {
            format!("<br><span class=\"note\">{}</span>", short(&listed, 300))
        };
        out.push_str(&format!(
            "<li><b>{}</b> <span class=\"note\">{} · {} in {}</span><br>{}<br><span class=\"note\">{}</span>{listed}</li>\n",
            short(cause.name, 120),
            words::level(cause.level),
            words::count(cause.misses.len(), "check"),
            words::count(cause.cases(), "case"),
            short(&first.case.why, 400),
            links(subject, cause.requirements.iter().copied()),
        ));
    }
    if causes.len() > CAUSES {
        out.push_str(&format!("<li>and {} more</li>\n", causes.len() - CAUSES));
    }
    out.push_str("</ol>\n");
}

pub(super) fn not_run(out: &mut String, subject: &Subject<'_>) {
    let mut reasons: Vec<(&str, usize, Vec<&str>)> = Vec::new();
    for (_, check) in subject.tally.checks().filter(|(_, check)| check.outcome == Outcome::NotApplicable) {
        let at = reasons.iter().position(|(why, ..)| *why == check.note).unwrap_or_else(|| {
            reasons.push((&check.note, 0, Vec::new()));
            reasons.len() - 1
        });
        let reason = &mut reasons[at];
        reason.1 += 1;
        for id in &check.requirements {
            if !reason.2.contains(&id.as_str()) {
                reason.2.push(id);
            }
        }
    }
    if reasons.is_empty() {
        return;
    }
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let checks: usize = reasons.iter().map(|reason| reason.1).sum();
    out.push_str(&format!(
        "<h2 id=\"not-run\">Not run: {}</h2>\n<div class=\"wide\"><table class=\"words\">\n<thead><tr><th scope=\"col\">Why</th>\
         <th scope=\"col\">Checks</th><th scope=\"col\">Requirements</th></tr></thead>\n<tbody>\n",
        words::count(checks, "check")
    ));
    for (why, checks, mut ids) in reasons.iter().take(REASONS).cloned() {
        ids.sort_unstable();
        let why = if why.is_empty() { "does not apply" } else { why };
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{checks}</td><td>{}</td></tr>\n",
            short(why, 300),
            links(subject, ids.into_iter())
        ));
    }
    out.push_str("</tbody></table></div>\n");
    if reasons.len() > REASONS {
        out.push_str(&format!("<p class=\"note\">and {} more reasons</p>\n", reasons.len() - REASONS));
    }
}
