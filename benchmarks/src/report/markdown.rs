//! BLOCKS → Markdown.

use std::fmt::Write as _;

use super::document::{Block, Table};
use super::plot::Plot;
use crate::analysis::Analysis;

/// The report as `report.md`; pictures stand beside it in `plots/`.
#[must_use]
pub(super) fn markdown(analysis: &Analysis, blocks: &[Block], plots: &[Plot]) -> String {
    let mut text = format!("# {}\n\n**{}**\n\n", escape(&analysis.name), escape(&analysis.answer.headline));
    for evidence in &analysis.answer.evidence {
        let _ = writeln!(text, "- {}", escape(evidence));
    }
    text.push('\n');
    write(&mut text, blocks, plots);
    text.trim_end().to_owned() + "\n"
}

fn write(text: &mut String, blocks: &[Block], plots: &[Plot]) {
    for block in blocks {
        match block {
            Block::Heading(level, words) => {
                let _ = writeln!(text, "{} {}\n", "#".repeat((*level).into()), escape(words));
            }
            Block::Text(words) => {
                let _ = writeln!(text, "{}\n", escape(words));
            }
            Block::List(points) => {
                points.iter().for_each(|point| {
                    let _ = writeln!(text, "- {}", escape(point));
                });
                text.push('\n');
            }
            Block::Table(table) => write_table(text, table),
            Block::Plots(names) => {
                for plot in names.iter().filter_map(|name| plots.iter().find(|plot| plot.name == *name)) {
                    let _ = writeln!(text, "![{}](plots/{}.svg)", escape(&plot.alt), plot.name);
                }
                text.push('\n');
            }
            Block::Details(summary, inner) => {
                let _ = writeln!(text, "### {}\n", escape(summary));
                write(text, inner, plots);
            }
            Block::Code(code) => {
                // A fence longer than any in the text: nothing in it ends the block.
                let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
                let fence = "`".repeat(longest.max(2) + 1);
                let _ = writeln!(text, "{fence}\n{code}\n{fence}\n");
            }
            Block::Items => {
                text.push_str(
                    "Every answer is in [`tables/items.csv`](tables/items.csv), every agent's turn in ",
                );
                text.push_str("[`tables/agents.csv`](tables/agents.csv); [`index.html`](index.html) shows and filters them.\n\n");
            }
        }
    }
}

fn write_table(text: &mut String, table: &Table) {
    let _ = writeln!(text, "**{}**\n", escape(&table.caption));
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&line(&table.head));
    text.push_str(&format!("|{}\n", "---|".repeat(table.head.len())));
    table.rows.iter().for_each(|row| text.push_str(&line(row)));
    if !table.note.is_empty() {
        let _ = write!(text, "\n{}\n", escape(&table.note));
    }
    text.push('\n');
}

/// Text that Markdown shows as it is, on one line: nothing in a label starts a tag, a link, a cell or an emphasis.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => escaped.extend(['\\', c]),
            c if c.is_control() || c.is_whitespace() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
