//! One missed check that stands for all that a requirement missed.

use std::collections::HashMap;

use crate::case::{Level, Source};
use crate::dissect::render::Style;
use crate::event::{CaseEvent, PartDump};
use crate::report::words;
use crate::tally::Tally;
use crate::verdict::{Check, Outcome};

/// Most characters of an expected or actual value: enough for the metadata of a message.
const VALUE: usize = 500;
/// Most characters of a sentence that an implementation may have had a hand in.
const NOTE: usize = 300;
/// Columns of the hexdumps.
const DUMP: Style = Style { ansi: false, width: 92 };
/// Most lines of a dump: the header, the metadata and the beginning of the payload of every short message. A page of
/// twenty implementations has thousands of dumps.
const LINES: usize = 24;

/// A missed check, in words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Example {
    /// `case-id@spec#check`.
    pub check: String,
    /// How it ended.
    pub outcome: &'static str,
    /// Why the case exists.
    pub why: String,
    /// What the judge said.
    pub note: String,
    /// What was expected.
    pub expected: String,
    /// What was there.
    pub actual: String,
    /// The bytes that were sent, or that came, field by field.
    pub dump: String,
    /// The command that repeats the case, without the implementation.
    pub repeat: String,
}

impl Example {
    /// The best example of every requirement that missed a check.
    pub fn of_each(tally: &Tally) -> HashMap<String, Self> {
        let mut best: HashMap<&str, (Rank<'_>, &CaseEvent, &Check)> = HashMap::new();
        for (case, check) in tally.checks().filter(|(_, check)| check.missed()) {
            for id in &check.requirements {
                let rank = Rank::of(case, check);
                let known = best.get(id.as_str());
                if known.is_none_or(|(old, _, _)| rank < *old) {
                    best.insert(id, (rank, case, check));
                }
            }
        }
        best.into_iter().map(|(id, (_, case, check))| (id.to_owned(), Self::new(case, check))).collect()
    }

    fn new(case: &CaseEvent, check: &Check) -> Self {
        let seed = match case.source {
            Source::Generated { seed, .. } => format!(" --seed {seed}"),
            _ => String::new(),
        };
        Self {
            check: format!("{}#{}", case.key, check.name),
            outcome: words::outcome(check.outcome),
            why: case.why.clone(),
            note: words::shorten(&check.note, NOTE),
            expected: words::value(&check.expected, VALUE),
            actual: words::value(&check.actual, VALUE),
            dump: dump(case, check),
            repeat: format!("--id '{}'{seed}", case.key),
        }
    }
}

/// What comes first says more: failures before deaths, vectors before what was made at random, small before large.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'a> {
    level: std::cmp::Reverse<Level>,
    died: bool,
    generated: bool,
    size: usize,
    key: &'a str,
}

impl<'a> Rank<'a> {
    fn of(case: &'a CaseEvent, check: &Check) -> Self {
        Self {
            level: std::cmp::Reverse(check.level),
            died: check.outcome != Outcome::Fail,
            generated: !matches!(case.source, Source::Vector { .. }),
            size: case.steps.iter().flat_map(|step| &step.parts).map(|part| part.len).sum(),
            key: &case.key,
        }
    }
}

/// The message that was sent, or else the one that came back.
fn dump(case: &CaseEvent, check: &Check) -> String {
    let Some(step) = case.steps.iter().find(|step| step.step == check.step) else { return String::new() };
    let known = |part: &&PartDump| !part.fields.is_empty();
    let text = match step.parts.iter().find(known) {
        Some(part) => words::dump(case, check.step, part, true, &DUMP),
        None => match &step.answer {
            crate::event::AnswerDump::Ok { parts, .. } => parts
                .iter()
                .find(known)
                .map(|part| words::dump(case, check.step, part, false, &DUMP))
                .unwrap_or_default(),
            _ => String::new(),
        },
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = lines.iter().take(LINES).copied().collect::<Vec<_>>().join("\n");
    if lines.len() > LINES {
        kept.push_str(&format!("\n… {} more lines", lines.len() - LINES));
    }
    kept
}
