//! The matrix as Markdown.

mod readings;

pub(super) use self::readings::{counts, era_before, heading, signs};

use super::entry::{Entry, Outcome, Verdicts};
use super::{Matrix, steps};
use crate::report::words;
use crate::requirement::area_of;
use crate::tally::{Standing, Status};

/// Most characters of a requirement's sentence in a table.
const SENTENCE: usize = 160;

/// Renders it.
pub fn render(matrix: &Matrix) -> String {
    let mut out = String::from("# Conformance matrix\n\n");
    out.push_str(&intro(matrix));
    out.push_str("\n\n");
    summary(&mut out, matrix);
    areas(&mut out, matrix);
    changes(&mut out, matrix);
    if let Some(readings) = &matrix.readings {
        readings::render(&mut out, readings);
    }
    requirements(&mut out, matrix);
    out
}

/// What was run, in a paragraph that the page has too.
pub(super) fn intro(matrix: &Matrix) -> String {
    let judged = matrix.entries.iter().filter(|entry| entry.verdicts().is_some()).count();
    let suites = matrix.suites();
    let mut told = format!(
        "{} judged by {}.",
        words::count(judged, "implementation"),
        words::count(matrix.requirements.len(), "requirement")
    );
    let name = |(suite, vectors, seed): &(String, String, u64)| {
        let digest: String = vectors.chars().take(12).collect();
        format!("suite {suite}, vectors {digest}, seed {seed}")
    };
    match suites.iter().collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] => told.push_str(&format!(" All by the same questions: {}.", name(one))),
        several => {
            let names: Vec<String> = several.iter().map(|one| name(one)).collect();
            told.push_str(&format!(
                " The runs are of different suites, so columns can't be compared freely: {}.",
                names.join("; ")
            ));
        }
    }
    let narrowed: Vec<&str> = matrix
        .entries
        .iter()
        .filter(|entry| entry.verdicts().is_some_and(|run| run.narrowed))
        .map(|entry| entry.label.as_str())
        .collect();
    if narrowed.len() == judged && judged > 1 {
        told.push_str(" All runs were narrowed to a part of the suite.");
    } else if !narrowed.is_empty() {
        told.push_str(&format!(" Narrowed to a part of the suite: {}.", narrowed.join(", ")));
    }
    told
}

fn summary(out: &mut String, matrix: &Matrix) {
    let names = ["core", "kv", "handshake", "latent", "http"];
    out.push_str("| implementation | AVP | verdict | pass | fail | warn | recorded | not run |");
    names.iter().for_each(|name| out.push_str(&format!(" {name} |")));
    out.push_str("\n|---|---|---|--:|--:|--:|--:|--:|---|---|---|---|---|\n");
    for entry in &matrix.entries {
        match &entry.outcome {
            Outcome::Absent(why) => out.push_str(&format!(
                "| {} | | not run: {} | | | | | | | | | | |\n",
                escape(&entry.label),
                escape(why)
            )),
            Outcome::Judged(run) => {
                let counts = [Status::Pass, Status::Fail, Status::Warn, Status::Info, Status::NotRun]
                    .map(|status| run.count(status).to_string());
                out.push_str(&format!(
                    "| {} | {} | {} | {} |",
                    escape(&entry.label),
                    words::dialects(&run.specs),
                    escape(&run.verdict().0),
                    counts.join(" | ")
                ));
                for name in names {
                    out.push_str(&format!(" {} |", standing(run, name)));
                }
                out.push('\n');
            }
        }
    }
    out.push('\n');
}

/// The verdict on a profile in a word.
pub(super) fn standing(run: &Verdicts, profile: &str) -> &'static str {
    match run.profiles.iter().find(|verdict| verdict.name == profile).map(|verdict| verdict.standing) {
        None => "–",
        Some(Standing::Conformant) => "conformant",
        Some(Standing::NotConformant) => "broken",
        Some(Standing::Incomplete) => "incomplete",
        Some(Standing::NotJudged) => "no verdict",
    }
}

fn areas(out: &mut String, matrix: &Matrix) {
    let areas = matrix.areas();
    out.push_str(
        "## Areas\n\nRequirements that hold (or are only recorded) / **fail** / warn / were not run.\n\n",
    );
    out.push_str("| |");
    areas.iter().for_each(|(code, _)| out.push_str(&format!(" {code} |")));
    out.push_str(&format!("\n|---|{}\n", "---|".repeat(areas.len())));
    for entry in matrix.entries.iter() {
        let Some(run) = entry.verdicts() else { continue };
        out.push_str(&format!("| {} |", escape(&entry.label)));
        for (code, _) in &areas {
            let cell = run.areas.iter().find(|area| area.code == *code).map_or_else(
                || "–".to_owned(),
                |area| {
                    let fail = if area.fail == 0 { "0".to_owned() } else { format!("**{}**", area.fail) };
                    format!("{} / {fail} / {} / {}", area.pass + area.info, area.warn, area.not_run)
                },
            );
            out.push_str(&format!(" {cell} |"));
        }
        out.push('\n');
    }
    let titles: Vec<String> = areas.iter().map(|(code, title)| format!("{code} {}", escape(title))).collect();
    out.push_str(&format!("\n<sub>{}</sub>\n\n", titles.join(" · ")));
}

fn changes(out: &mut String, matrix: &Matrix) {
    let steps = steps(&matrix.entries);
    if steps.is_empty() {
        return;
    }
    out.push_str("## From release to release\n\n");
    for step in &steps {
        out.push_str(&format!("**{} → {}**", escape(&step.from), escape(&step.to)));
        if step.is_empty() {
            out.push_str(": no requirement came to another end.\n\n");
            continue;
        }
        out.push('\n');
        for (how, ids) in &step.moves {
            out.push_str(&format!("- {} {}: {}\n", ids.len(), how.words(), ids.join(", ")));
        }
        for (word, ops) in [("new operations", &step.gained), ("operations gone", &step.dropped)] {
            if !ops.is_empty() {
                let ops: Vec<String> = ops.iter().map(|op| escape(op)).collect();
                out.push_str(&format!("- {word}: {}\n", ops.join(", ")));
            }
        }
        out.push('\n');
    }
}

fn requirements(out: &mut String, matrix: &Matrix) {
    let judged: Vec<&Entry> = matrix.entries.iter().filter(|entry| entry.verdicts().is_some()).collect();
    let shown: Vec<_> =
        matrix.by_interest().into_iter().filter(|brief| matrix.is_missed(&brief.id)).collect();
    out.push_str(&format!(
        "## Requirements that some implementation misses\n\n{} of {}, those first in which implementations differ. ✓ holds, \
         ✗ fails, ! warns, · only recorded, – not run, empty: not in its dialect. Examples with their bytes are on the \
         [page](matrix.html).\n\n| | level |",
        shown.len(),
        matrix.requirements.len()
    ));
    // The name stands over the first release alone.
    let head = |(at, entry): (usize, &&Entry)| {
        let again = at.checked_sub(1).is_some_and(|before| judged[before].name == entry.name);
        escape(if again { entry.short() } else { &entry.label })
    };
    let heads: Vec<String> = judged.iter().enumerate().map(head).collect();
    out.push_str(&format!(
        " {} | sentence |\n|---|---|{}---|\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    ));
    for brief in shown {
        out.push_str(&format!("| {} | {} |", brief.id, words::level(brief.level)));
        for entry in &judged {
            let mark = entry.cell(&brief.id).map_or("", |cell| mark(cell.status));
            out.push_str(&format!(" {mark} |"));
        }
        let sentence = escape(&words::shorten(&brief.sentence, SENTENCE));
        out.push_str(&format!(" {}: {sentence} |\n", area_of(&brief.id)));
    }
    out.push('\n');
}

/// A status in a sign.
pub(super) fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "✓",
        Status::Fail => "✗",
        Status::Warn => "!",
        Status::Info => "·",
        Status::NotRun => "–",
    }
}

/// Keeps what an implementation said from becoming markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
