//! The matrix as one page that needs nothing else.
//!
//! Whatever came from an implementation passes `escape`. A policy in the page allows its own style and script by their
//! sums and nothing else, so that what slips through could still not run.

mod overview;
mod readings;
mod requirements;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::entry::Entry;
use super::{Matrix, markdown};
use crate::report::words;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders it.
pub fn render(matrix: &Matrix) -> String {
    let sum = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        sum(STYLE),
        sum(SCRIPT)
    );
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Conformance matrix</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<header>\n<p class=\"kind\">Agent Vector Protocol</p>\n<h1>Conformance matrix</h1>\n\
         <p class=\"headline\">{}</p>\n<p>{}</p>\n",
        escape(&headline(matrix)),
        escape(&markdown::intro(matrix))
    );
    let table = matrix.readings.as_ref().map(super::reading::table::Table::new);
    out.push_str("<nav><a href=\"#implementations\">Implementations</a> <a href=\"#areas\">Areas</a> ");
    out.push_str("<a href=\"#releases\">From release to release</a> ");
    if table.is_some() {
        out.push_str("<a href=\"#eras\">Eras</a> <a href=\"#readings\">Who understands whom</a> ");
    }
    out.push_str("<a href=\"#requirements\">Requirements</a></nav>\n</header>\n<main>\n");
    overview::implementations(&mut out, matrix);
    overview::areas(&mut out, matrix);
    overview::releases(&mut out, matrix);
    if let Some(table) = &table {
        readings::render(&mut out, table);
    }
    requirements::render(&mut out, matrix);
    out.push_str(&format!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    out
}

fn headline(matrix: &Matrix) -> String {
    let judged: Vec<_> = matrix.entries.iter().filter_map(Entry::verdicts).collect();
    let good = judged.iter().filter(|run| run.verdict().1 == Some(true)).count();
    let differ = matrix.requirements.iter().filter(|brief| matrix.differs(&brief.id)).count();
    format!(
        "{good} of {} conform in full; they differ in {}.",
        words::count(judged.len(), "implementation"),
        words::count(differ, "requirement")
    )
}

/// Text that a page shows as it is, in an element or in a quoted attribute. Signs that turn the direction of what follows
/// are shown as such.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Implementations in few words: releases in a row as a span. `entries` stand in the order of the page.
fn spans(entries: &[(usize, &Entry)]) -> String {
    let mut runs: Vec<(usize, &Entry, &Entry)> = Vec::new();
    for (at, entry) in entries {
        match runs.last_mut() {
            Some((last, first, end)) if *last + 1 == *at && first.name == entry.name => {
                *last = *at;
                *end = entry;
            }
            _ => runs.push((*at, entry, entry)),
        }
    }
    let told: Vec<String> = runs
        .iter()
        .map(|(_, first, end)| {
            if first.label == end.label {
                first.label.clone()
            } else {
                format!("{} – {}", first.label, end.short())
            }
        })
        .collect();
    told.join(", ")
}
