//! BLOCKS → one page that needs nothing else.
//!
//! Everything that came from a model or a file passes [`escape`], or [`items`] as JSON that the page's script writes as text. A
//! policy in the page allows its own style and script by their sums and nothing else, so that what slips through could still not run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::document::{Block, Table};
use super::items::items;
use super::plot::Plot;
use crate::analysis::{Analysis, Merged};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The report as `index.html`.
#[must_use]
pub(super) fn html(run: &Merged, analysis: &Analysis, blocks: &[Block], plots: &[Plot]) -> String {
    let sum = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        sum(STYLE),
        sum(SCRIPT)
    );
    let mut page = Page { text: String::new(), plots, items: items(run) };
    let name = escape(&analysis.name);
    page.text.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<p class=\"kind\">Benchmark report</p>\n<h1>{name}</h1>\n<p class=\"headline\">{}</p>\n<ul class=\"evidence\">\n",
        escape(&analysis.answer.headline)
    ));
    for evidence in &analysis.answer.evidence {
        page.text.push_str(&format!("<li>{}</li>\n", escape(evidence)));
    }
    page.text.push_str("</ul>\n<nav>");
    for (number, heading) in headings(blocks).enumerate() {
        page.text.push_str(&format!("<a href=\"#s{number}\">{}</a> ", escape(heading)));
    }
    page.text.push_str("</nav>\n</header>\n<main>\n");
    let mut number = 0;
    page.blocks(blocks, &mut number);
    page.text.push_str(&format!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    page.text
}

fn headings(blocks: &[Block]) -> impl Iterator<Item = &str> {
    blocks.iter().filter_map(|block| match block {
        Block::Heading(2, words) => Some(words.as_str()),
        _ => None,
    })
}

struct Page<'a> {
    text: String,
    plots: &'a [Plot],
    items: String,
}

impl Page<'_> {
    fn blocks(&mut self, blocks: &[Block], heading: &mut usize) {
        for block in blocks {
            match block {
                Block::Heading(2, words) => {
                    self.text.push_str(&format!("<h2 id=\"s{heading}\">{}</h2>\n", escape(words)));
                    *heading += 1;
                }
                Block::Heading(level, words) => {
                    self.text.push_str(&format!("<h{level}>{}</h{level}>\n", escape(words)));
                }
                Block::Text(words) => self.text.push_str(&format!("<p>{}</p>\n", escape(words))),
                Block::List(points) => {
                    let points: String =
                        points.iter().map(|point| format!("<li>{}</li>\n", escape(point))).collect();
                    self.text.push_str(&format!("<ul>\n{points}</ul>\n"));
                }
                Block::Table(table) => self.table(table),
                Block::Plots(names) => {
                    self.text.push_str("<div class=\"plots\">\n");
                    for plot in
                        names.iter().filter_map(|name| self.plots.iter().find(|plot| plot.name == *name))
                    {
                        self.text.push_str(&format!("<figure>{}</figure>\n", plot.inline()));
                    }
                    self.text.push_str("</div>\n");
                }
                Block::Details(summary, inner) => {
                    self.text.push_str(&format!("<details><summary>{}</summary>\n", escape(summary)));
                    self.blocks(inner, heading);
                    self.text.push_str("</details>\n");
                }
                Block::Code(code) => self.text.push_str(&format!("<pre>{}</pre>\n", escape(code))),
                Block::Items => self.text.push_str(&self.items),
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let mut text = format!(
            "<section class=\"table\">\n<h3>{}</h3>\n<div class=\"wide\"><table{}>\n<thead><tr>",
            escape(&table.caption),
            if is_worded(table) { " class=\"words\"" } else { "" }
        );
        table.head.iter().for_each(|name| text.push_str(&format!("<th scope=\"col\">{}</th>", escape(name))));
        text.push_str("</tr></thead>\n<tbody>\n");
        for row in &table.rows {
            text.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let cell = escape(cell);
                match column {
                    0 => text.push_str(&format!("<th scope=\"row\">{cell}</th>")),
                    _ if is_number(&cell) => text.push_str(&format!("<td class=\"n\">{cell}</td>")),
                    _ => text.push_str(&format!("<td>{cell}</td>")),
                }
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody></table></div>\n");
        if !table.note.is_empty() {
            text.push_str(&format!("<p class=\"note\">{}</p>\n", escape(&table.note)));
        }
        text.push_str("</section>\n");
        self.text.push_str(&text);
    }
}

/// Whether its rows are named by more than a few words: those are broken, not scrolled past.
fn is_worded(table: &Table) -> bool {
    const LONG: usize = 36;
    table.rows.iter().filter_map(|row| row.first()).any(|name| name.chars().count() > LONG)
}

/// Cells that stand right: those that begin with a digit or a minus sign, or hold nothing.
fn is_number(cell: &str) -> bool {
    cell.len() < 40 && cell.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '−' | '–' | '&'))
}

/// Text that a page shows as it is, in an element or in a quoted attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
