//! Word problems whose answer is a number.
//!
//! Strict: the last `\boxed{…}`, else what follows the last `####`, else what follows the last `answer is` or `answer:`, else a
//! reply of one short line as a whole. That has to be a number in any of its forms (see [`super::tex`]), which words may follow, and equal to
//! the gold one as a fraction. A number somewhere in the text is no answer.
//!
//! `compat`, as the upstream project scores: the first number in the last box without braces in it, else that behind the last
//! `####`, else behind the last `answer is`, else the last number of the text; equal as texts without commas and a `.0` at the end.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::formula::Formula;
use super::rational::Rational;
use super::said::{self, Boxed};
use super::{COMPAT, Score, mark, pattern};
use crate::task::TaskItem;

/// A number as upstream sees one.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?"));
/// A box as upstream sees one.
static BOX: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\boxed\{([^}]*)\}"));
static HASHES: LazyLock<Regex> = LazyLock::new(|| pattern(r"####\s*([-+]?\d+(?:,\d{3})*(?:\.\d+)?)"));
static ANSWER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(?:the\s+)?(?:final\s+)?answer\s+is\s*:?\s*\$?\s*([-+]?\d+(?:,\d{3})*(?:\.\d+)?)")
});

/// Scores a reply.
#[must_use]
pub fn score(item: &TaskItem, reply: &str) -> Score {
    let reply = said::end(reply);
    let answer = strict(reply);
    let right = answer.and_then(number).is_some_and(|said| Some(said) == number(&item.answer));
    let compat = compat(reply).is_some_and(|said| plain(&said) == plain(&item.answer));
    Score {
        answer: answer.map(str::to_owned),
        right,
        marks: mark([(COMPAT, f64::from(u8::from(compat)))]),
        error: None,
    }
}

fn strict(reply: &str) -> Option<&str> {
    match said::boxed(reply) {
        Boxed::Whole(inner) => return Some(inner.trim()),
        Boxed::Cut => return None,
        Boxed::None => {}
    }
    let hashes = reply.rsplit_once("####").and_then(|(_, rest)| rest.lines().next()).map(str::trim);
    if let Some(hashes) = hashes {
        return Some(hashes).filter(|rest| !rest.is_empty());
    }
    let line = said::stated(reply)?;
    // Up to the end of its sentence.
    Some(line.split_once(". ").map_or(line, |(sentence, _)| sentence))
}

/// A number, or one with words behind it.
fn number(text: &str) -> Option<Rational> {
    let text = text.trim().trim_end_matches(['.', '*', ' ']);
    let inner = text.strip_prefix("\\text{").and_then(|rest| rest.strip_suffix('}'));
    let text = inner.filter(|inner| !inner.contains('}')).unwrap_or(text);
    let read = |text: &str| Formula::read(text).and_then(|formula| formula.number());
    let words = |rest: &str| {
        rest.contains(char::is_alphabetic)
            && !rest.contains(|c: char| c.is_ascii_digit() || "\\={}".contains(c))
    };
    read(text).or_else(|| {
        let (front, _) =
            text.match_indices(' ').map(|(at, _)| text.split_at(at)).find(|(_, rest)| words(rest))?;
        read(front)
    })
}

fn compat(reply: &str) -> Option<String> {
    let first = |regex: &Regex, text: &str| regex.find(text).map(|found| found.as_str().replace(',', ""));
    let last = |regex: &Regex| {
        let found = regex.captures_iter(reply).last()?.get(1)?;
        Some(found.as_str().to_owned())
    };
    last(&BOX)
        .and_then(|inner| first(&NUMBER, &inner))
        .or_else(|| last(&HASHES))
        .or_else(|| last(&ANSWER))
        .or_else(|| NUMBER.find_iter(reply).last().map(|found| found.as_str().to_owned()))
}

fn plain(text: &str) -> String {
    let text = text.trim().to_lowercase().replace(',', "");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
