//! The matrix as one page that needs nothing else.
//!
//! Whatever came from an implementation passes `escape`; `page` is what keeps the rest from running.

mod overview;
mod readings;
mod requirements;

use super::entry::Entry;
use super::{Matrix, markdown};
use crate::report::html::{escape, page};
use crate::report::words;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders it.
pub fn render(matrix: &Matrix) -> String {
    let mut out = page::open("Conformance matrix", STYLE, SCRIPT);
    out.push_str(&format!(
        "<header>\n<p class=\"kind\">Agent Vector Protocol</p>\n<h1>Conformance matrix</h1>\n\
         <p class=\"headline\">{}</p>\n<p>{}</p>\n",
        escape(&headline(matrix)),
        escape(&markdown::intro(matrix))
    ));
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
    out.push_str(&page::close(SCRIPT));
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
