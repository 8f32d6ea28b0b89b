//! What was run, against what: enough to run it again.

use chrono::DateTime;
use serde_json::Value;

use super::short;
use crate::report::{Subject, words};

/// Most entries of a list that are told.
const ENTRIES: usize = 200;
/// Most characters of a value.
const VALUE: usize = 600;

pub(super) fn write(out: &mut String, subject: &Subject<'_>) {
    let tally = subject.tally;
    let (start, hello) = (&tally.start, &tally.start.hello);
    out.push_str("<h2 id=\"provenance\">Provenance</h2>\n<dl class=\"facts\">\n");
    let started = i64::try_from(start.started).ok().and_then(|at| DateTime::from_timestamp(at, 0));
    entry(out, "Suite", &format!("avp-conformance {}", start.suite));
    entry(out, "Vectors", &start.vectors);
    entry(out, "Seed", &start.seed.to_string());
    entry(out, "Dialects", &words::dialects(&start.specs));
    entry(out, "Selection", &joined(start.selection.iter().map(String::as_str), "everything"));
    entry(
        out,
        "Cases",
        &format!("{} selected, {} of dialects that are not declared left out", start.cases, start.undeclared),
    );
    entry(
        out,
        "Started",
        &started.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
    );
    if let Some(summary) = &tally.summary {
        let children = if summary.children == 1 {
            "1 child".to_owned()
        } else {
            format!("{} children", summary.children)
        };
        entry(out, "Took", &format!("{:.1} s, {children}", summary.duration_ms / 1000.0));
    }
    // Where an adapter of the project lies is another place on every machine; its name says more.
    let named = match start.repeat.as_str() {
        "" if start.adapter.ends_with(" __reference") => "the built-in reference",
        "" => &start.adapter,
        repeat => repeat,
    };
    entry(out, "Implementation", named);
    out.push_str("</dl>\n<h3>What the adapter said of itself</h3>\n<dl class=\"facts\">\n");
    entry(out, "Name", &hello.name);
    entry(out, "Version", &hello.version);
    entry(out, "Language", &hello.language);
    entry(out, "Address", hello.url.as_deref().unwrap_or_default());
    entry(out, "Dialects", &words::dialects(&hello.specs));
    entry(out, "Operations", &joined(hello.ops.iter().map(String::as_str), "none"));
    entry(out, "Features", &object(&hello.features));
    entry(out, "Limits", &object(&hello.limits));
    let instances = if hello.instances == 0 { "any number".to_owned() } else { hello.instances.to_string() };
    entry(
        out,
        "At a time",
        &format!("{} unanswered, {instances} of children", words::count(hello.inflight, "request")),
    );
    out.push_str("</dl>\n");
    probes(out, subject);
}

/// A line of the list; text of others is escaped here.
fn entry(out: &mut String, label: &str, value: &str) {
    if !value.is_empty() {
        // Longer than a sentence, but whole lists must stay readable.
        out.push_str(&format!("<dt>{label}</dt><dd>{}</dd>\n", short(value, 4 * VALUE)));
    }
}

fn joined<'a>(items: impl Iterator<Item = &'a str>, none: &str) -> String {
    let mut told: Vec<String> = items.take(ENTRIES + 1).map(|item| words::shorten(item, VALUE)).collect();
    if told.len() > ENTRIES {
        told.truncate(ENTRIES);
        told.push("and more".to_owned());
    }
    if told.is_empty() { none.to_owned() } else { told.join(", ") }
}

fn object(map: &serde_json::Map<String, Value>) -> String {
    let told = map
        .iter()
        .take(ENTRIES)
        .map(|(name, value)| format!("{}: {}", words::shorten(name, 80), words::value(value, 200)));
    told.collect::<Vec<_>>().join(", ")
}

fn probes(out: &mut String, subject: &Subject<'_>) {
    if subject.tally.probes.is_empty() {
        return;
    }
    out.push_str("<h3>Honesty probes</h3>\n<ul>\n");
    for probe in subject.tally.probes.iter().take(ENTRIES) {
        let (class, word) = match probe.passed {
            Some(true) => ("pass", "passed"),
            Some(false) => ("fail", "failed"),
            None => ("not_run", "not asked"),
        };
        let note =
            if probe.note.is_empty() { String::new() } else { format!(": {}", short(&probe.note, VALUE)) };
        out.push_str(&format!(
            "<li>{} <span class=\"{class}\">{word}</span>{note}</li>\n",
            short(&probe.name, 80)
        ));
    }
    out.push_str("</ul>\n");
}
