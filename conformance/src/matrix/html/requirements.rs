//! Requirement by requirement, with an example of everything that was missed.

use super::super::entry::{Cell, Entry};
use super::super::{Example, Matrix, markdown};
use super::overview::judged;
use super::{escape, spans};
use crate::case::Level;
use crate::event::RequirementBrief;
use crate::report::words;
use crate::requirement::{Basis, area_of};
use crate::tally::Status;

/// From this size of the page on, examples stand without their bytes: a page of a few megabytes opens slowly on a phone,
/// and the bytes of what the implementations differ in come first.
const DUMPS_UNTIL: usize = 1_700_000;

/// Most examples of one requirement: releases often miss it in the same way, and the others say little more.
const EXAMPLES: usize = 4;

pub(super) fn render(out: &mut String, matrix: &Matrix) {
    let columns = judged(matrix);
    out.push_str("<h2 id=\"requirements\">Requirements</h2>\n");
    filters(out, matrix, &columns);
    out.push_str("<p class=\"note legend\">");
    for status in [Status::Pass, Status::Fail, Status::Warn, Status::Info, Status::NotRun] {
        out.push_str(&format!(
            "<i class=\"{}\">{}</i> {} ",
            class(status),
            markdown::mark(status),
            word(status)
        ));
    }
    out.push_str(&format!("· left to right: {}</p>\n", escape(&spans(&columns))));
    out.push_str("<div id=\"rows\">\n");
    for brief in matrix.by_interest() {
        row(out, matrix, brief, &columns);
    }
    out.push_str("</div>\n<p class=\"note\" id=\"count\"></p>\n");
}

fn filters(out: &mut String, matrix: &Matrix, columns: &[(usize, &Entry)]) {
    out.push_str("<form class=\"filters\" id=\"filters\" hidden>\n<label>show <select id=\"show\">");
    out.push_str(
        "<option value=\"missed\">what some miss</option><option value=\"differs\">what they differ in</option>\
         <option value=\"\">everything</option></select></label>\n<label>area <select id=\"area\"><option value=\"\">all</option>",
    );
    for (code, title) in matrix.areas() {
        let (code, title) = (escape(&code), escape(&title));
        out.push_str(&format!("<option value=\"{code}\">{code} {title}</option>"));
    }
    out.push_str(
        "</select></label>\n<label>level <select id=\"level\"><option value=\"\">all</option>\
         <option>MUST</option><option>SHOULD</option><option>MAY</option></select></label>\n\
         <label>missed by <select id=\"by\"><option value=\"\">anyone</option>",
    );
    for (at, entry) in columns {
        out.push_str(&format!("<option value=\"{at}\">{}</option>", escape(&entry.label)));
    }
    out.push_str(
        "</select></label>\n<label>text <input id=\"text\" type=\"search\" placeholder=\"AVP-HDR-009, flag, …\"></label>\n</form>\n",
    );
}

fn row(out: &mut String, matrix: &Matrix, brief: &RequirementBrief, columns: &[(usize, &Entry)]) {
    let cells: Vec<(usize, &Entry, Option<&Cell>)> =
        columns.iter().map(|(at, entry)| (*at, *entry, entry.cell(&brief.id))).collect();
    let missed: Vec<String> = cells
        .iter()
        .filter(|(_, _, cell)| cell.is_some_and(|cell| matches!(cell.status, Status::Fail | Status::Warn)))
        .map(|(at, ..)| at.to_string())
        .collect();
    let id = escape(&brief.id);
    out.push_str(&format!(
        "<details class=\"row\" id=\"{id}\" data-area=\"{}\" data-level=\"{}\" data-differs=\"{}\" data-by=\" {} \">\n\
         <summary><span class=\"id\">{id}</span><span class=\"level\">{}</span><span class=\"strip\">",
        escape(area_of(&brief.id)),
        words::level(brief.level),
        u8::from(matrix.differs(&brief.id)),
        missed.join(" "),
        words::level(brief.level)
    ));
    let mut family = None;
    for (_, entry, cell) in &cells {
        let gap = if family.is_some_and(|name| name != entry.name.as_str()) { " gap" } else { "" };
        family = Some(entry.name.as_str());
        let (class, mark, word) = match cell {
            Some(cell) => (class(cell.status), markdown::mark(cell.status), word(cell.status)),
            None => ("absent", "", "not in its dialect"),
        };
        out.push_str(&format!(
            "<i class=\"{class}{gap}\" title=\"{}: {word}\">{mark}</i>",
            escape(&entry.label)
        ));
    }
    out.push_str(&format!("</span><span class=\"sentence\">{}</span></summary>\n", escape(&brief.sentence)));
    let basis = match brief.basis {
        Basis::Stated => "stated",
        Basis::InferredFromSdk => "inferred from the SDK",
        Basis::ProposedExtension => "proposed by this project",
    };
    out.push_str(&format!(
        "<div class=\"inside\"><p class=\"note\">{basis}: {}</p>\n",
        escape(&brief.source)
    ));
    groups(out, &cells, brief.level);
    out.push_str("</div></details>\n");
}

/// Implementations with their places.
type Column<'a> = Vec<(usize, &'a Entry)>;

/// Implementations that miss the same check in the same way, whatever they answered.
struct Group<'a> {
    status: Status,
    /// That of the first.
    example: &'a Example,
    who: Column<'a>,
    /// Different answers, and whose they are.
    actual: Vec<(&'a str, Column<'a>)>,
}

impl<'a> Group<'a> {
    fn new(at: usize, entry: &'a Entry, example: &'a Example, status: Status) -> Self {
        let actual = vec![(example.actual.as_str(), vec![(at, entry)])];
        Self { status, example, who: vec![(at, entry)], actual }
    }

    fn is_of(&self, example: &Example, status: Status) -> bool {
        let own = self.example;
        self.status == status
            && (&own.check, own.outcome, &own.expected)
                == (&example.check, example.outcome, &example.expected)
    }

    fn add(&mut self, at: usize, entry: &'a Entry, example: &'a Example) {
        self.who.push((at, entry));
        match self.actual.iter_mut().find(|(known, _)| *known == example.actual) {
            Some((_, who)) => who.push((at, entry)),
            None => self.actual.push((&example.actual, vec![(at, entry)])),
        }
    }
}

/// The implementations by what became of the requirement, the missed first.
fn groups<'a>(out: &mut String, cells: &[(usize, &'a Entry, Option<&'a Cell>)], level: Level) {
    let mut misses: Vec<Group<'a>> = Vec::new();
    let mut others: Vec<(Status, Column<'_>)> = Vec::new();
    for (at, entry, cell) in cells {
        let Some(cell) = cell else { continue };
        match &cell.example {
            Some(example) => match misses.iter_mut().find(|group| group.is_of(example, cell.status)) {
                Some(group) => group.add(*at, entry, example),
                None => misses.push(Group::new(*at, entry, example, cell.status)),
            },
            None => match others.iter_mut().find(|(status, _)| *status == cell.status) {
                Some((_, list)) => list.push((*at, entry)),
                None => others.push((cell.status, vec![(*at, entry)])),
            },
        }
    }
    for group in misses.iter().take(EXAMPLES) {
        out.push_str(&format!(
            "<section class=\"{}\"><h4>{}: {}</h4>\n",
            class(group.status),
            word(group.status),
            escape(&spans(&group.who))
        ));
        example(out, group);
        out.push_str("</section>\n");
    }
    for group in misses.iter().skip(EXAMPLES) {
        out.push_str(&format!(
            "<p>{} in another way: {}</p>\n",
            word(group.status),
            escape(&spans(&group.who))
        ));
    }
    others.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
    for (status, who) in others {
        let word =
            if status == Status::Info && level == Level::May { "recorded (a MAY)" } else { word(status) };
        out.push_str(&format!("<p>{word}: {}</p>\n", escape(&spans(&who))));
    }
}

fn example(out: &mut String, group: &Group<'_>) {
    let example = group.example;
    out.push_str(&format!("<p>{}</p>\n<dl>\n", escape(&example.why)));
    let note = if example.note.is_empty() { String::new() } else { format!(", {}", example.note) };
    out.push_str(&format!(
        "<dt>check</dt><dd><code>{}</code>: {}{}</dd>\n",
        escape(&example.check),
        example.outcome,
        escape(&note)
    ));
    let mut value = |name: &str, value: &str, who: &str| {
        if !value.is_empty() {
            out.push_str(&format!("<dt>{name}</dt><dd><code>{}</code>{}</dd>\n", escape(value), escape(who)));
        }
    };
    value("expected", &example.expected, "");
    for (actual, who) in group.actual.iter().take(EXAMPLES) {
        let who = if group.actual.len() > 1 { format!(" ({})", spans(who)) } else { String::new() };
        value("actual", actual, &who);
    }
    if let Some(more) = group.actual.get(EXAMPLES..).filter(|more| !more.is_empty()) {
        let who: Vec<(usize, &Entry)> = more.iter().flat_map(|(_, who)| who.iter().copied()).collect();
        out.push_str(&format!("<dt>actual</dt><dd>others still: {}</dd>\n", escape(&spans(&who))));
    }
    let how = group.who.first().and_then(|(_, entry)| entry.verdicts()).map_or("", |run| run.repeat.as_str());
    // What stands behind `--` belongs to the command.
    let options = match how {
        "" => example.repeat.clone(),
        own if own.starts_with("-- ") => format!("{} {own}", example.repeat),
        adapter => format!("{adapter} {}", example.repeat),
    };
    out.push_str(&format!(
        "<dt>repeat</dt><dd><code>avp-conformance run {}</code></dd>\n</dl>\n",
        escape(&options)
    ));
    if !example.dump.is_empty() {
        if out.len() < DUMPS_UNTIL {
            out.push_str(&format!("<pre>{}</pre>\n", escape(&example.dump)));
        } else {
            out.push_str("<p class=\"note\">The bytes are left out here to keep the page small; the repetition shows them.</p>\n");
        }
    }
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Pass => "held",
        Status::Fail => "failed",
        Status::Warn => "warned",
        Status::Info => "noted",
        Status::NotRun => "grey",
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "holds",
        Status::Fail => "fails",
        Status::Warn => "warns",
        Status::Info => "only recorded",
        Status::NotRun => "not run",
    }
}
