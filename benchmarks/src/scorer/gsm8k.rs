//! Word problems whose answer is a number.
//!
//! Strict: the last `\boxed{…}` that is not empty, else what follows the last `####`, else what is announced (see `said`),
//! else a reply of one short line as a whole. That has to be a number in any of its forms (see `tex`), equal to the gold one
//! as a fraction. A number somewhere in the text is no answer. Around it may stand:
//!
//! - marks of Markdown, quotation marks, commands that set letters, and `!` at the end of a sentence;
//! - in front `about`, `therefore` and the like, or a name with a colon (`Total: 18`);
//! - behind it words that begin with one of two letters or more. Not a digit, a sign of reckoning or comparing (but for a hyphen or
//!   a slash inside a word), `or`, `and`, `plus`, `minus`, or a magnitude such as `thousand` or `half`;
//! - outside a box an explanation that begins with `because`, `since`, `which` or a bracket.
//!
//! Of `9 \times 2 = 18` the last side counts. Not where an unknown (`3x = 18`), another comparison, a
//! list, or a word like `or` or `not` goes before.
//!
//! `compat`, as the upstream project scores: the first number in the last box without braces in it, else that behind the last
//! `####`, else behind the last `answer is`, else the last number of the text; equal as texts without commas and a `.0` at the end.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::formula::Formula;
use super::rational::Rational;
use super::said::{self, Boxed};
use super::unit::multiplies;
use super::{COMPAT, Score, mark, pattern};
use crate::task::TaskItem;

/// Longest text that is read as a number with words, in bytes.
const MAX_ANSWER: usize = 1000;
/// Words that say more than what is counted.
const LINKS: [&str; 4] = ["or", "and", "plus", "minus"];

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
    let right = answer.and_then(Answer::number).is_some_and(|said| Some(said) == number(&item.answer));
    let compat = compat(reply).is_some_and(|said| plain(&said) == plain(&item.answer));
    Score {
        answer: answer.map(|answer| answer.text.to_owned()),
        right,
        marks: mark([(COMPAT, f64::from(u8::from(compat)))]),
        error: None,
    }
}

fn strict(reply: &str) -> Option<Answer<'_>> {
    match said::boxed(reply) {
        Boxed::Whole(inner) => return Some(Answer { text: inner.trim(), boxed: true }),
        Boxed::Cut => return None,
        Boxed::None => {}
    }
    let outside = |text| Some(Answer { text, boxed: false });
    let hashes = reply.rsplit_once("####").and_then(|(_, rest)| rest.lines().next()).map(str::trim);
    // A heading without a number is none of them.
    if let Some(hashes) = hashes.filter(|rest| rest.is_empty() || rest.contains(|c: char| c.is_ascii_digit()))
    {
        return outside(hashes).filter(|_| !hashes.is_empty());
    }
    let line = said::stated(reply)?;
    // Up to the end of its sentence.
    outside(line.split_once(". ").map_or(line, |(sentence, _)| sentence))
}

/// What was taken for an answer.
#[derive(Clone, Copy)]
struct Answer<'a> {
    text: &'a str,
    /// Whether it stands in a box, where there are no sentences.
    boxed: bool,
}

impl Answer<'_> {
    fn number(self) -> Option<Rational> {
        if self.boxed {
            return number(self.text);
        }
        let text = said::led(self.text.trim_end_matches(['!', '.', '*', ' ']));
        let claim = said::claim(text);
        let aside = |rest: &str| !multiplies(rest) && !rest.trim_start().to_lowercase().starts_with("or ");
        let claim = claim.split_once(" (").filter(|(_, rest)| aside(rest)).map_or(claim, |(claim, _)| claim);
        number(text).or_else(|| number(claim.trim_end_matches(['!', ','])))
    }
}

/// A number, one with words around it, or the last side of an equation.
fn number(text: &str) -> Option<Rational> {
    if text.len() > MAX_ANSWER {
        return None;
    }
    let text = said::unmarked(text.trim().trim_end_matches(['.', '*', ' ']));
    worded(named(text)).or_else(|| {
        let (before, last) = text.rsplit_once('=')?;
        worded(last.trim()).filter(|_| is_worked_out(before))
    })
}

/// What stands behind a name with a colon: `Total: 18`, `\text{Total: } 18`.
fn named(text: &str) -> &str {
    let Some((name, rest)) = text.split_once(':') else { return text };
    let command = name.strip_prefix("\\text{");
    let rest = if command.is_some() { rest.trim_start().strip_prefix('}') } else { Some(rest) };
    let words = |name: &str| name.chars().all(|c| c.is_alphabetic() || c == ' ');
    rest.filter(|_| words(command.unwrap_or(name)) && !name.is_empty()).map_or(text, str::trim)
}

/// A number, or one with words behind it.
fn worded(text: &str) -> Option<Rational> {
    let read = |text: &str| Formula::read(text).and_then(|formula| formula.number());
    read(text).or_else(|| {
        let (front, _) =
            text.match_indices(' ').map(|(at, _)| text.split_at(at)).find(|(_, rest)| is_counted(rest))?;
        read(front)
    })
}

/// Whether words say what is counted, and nothing of how many.
fn is_counted(words: &str) -> bool {
    let words = words.trim_start();
    let letters: Vec<char> = words.chars().collect();
    let inside = |at: usize| {
        at >= 2
            && letters[at - 2..at].iter().all(|c| c.is_alphabetic())
            && letters.get(at + 1..at + 3).is_some_and(|next| next.iter().all(|c| c.is_alphabetic()))
    };
    let reckons = letters.iter().enumerate().any(|(at, c)| match c {
        '-' | '/' => !inside(at),
        c => c.is_ascii_digit() || "\\{}+*^=<>≤≥≠≈×÷±−–".contains(*c),
    });
    let links = |word: &str| LINKS.contains(&word.to_lowercase().as_str());
    letters.len() >= 2
        && letters[..2].iter().all(|c| c.is_alphabetic())
        && !reckons
        && !multiplies(words)
        && !words.split(|c: char| !c.is_alphabetic()).any(links)
}

/// Whether one side of an equation holds an unknown: a letter that is neither the whole side nor a sign of times.
fn asks(side: &str) -> bool {
    let signs: Vec<char> = side.chars().filter(|c| !matches!(c, ' ' | '$' | '*')).collect();
    let spaced: Vec<char> = side.chars().collect();
    let alone = |at: usize| {
        let letter = |at: Option<usize>| at.and_then(|at| spaced.get(at)).is_some_and(|c| c.is_alphabetic());
        letter(Some(at)) && !letter(at.checked_sub(1)) && !letter(Some(at + 1))
    };
    let times = |at: usize| {
        let before = spaced[..at].iter().rfind(|c| !c.is_whitespace());
        let behind = spaced[at + 1..].iter().find(|c| !c.is_whitespace());
        matches!(spaced[at], 'x' | 'X')
            && before.is_some_and(|c| c.is_ascii_digit() || *c == ')')
            && behind.is_some_and(|c| c.is_ascii_digit() || *c == '(')
    };
    signs.len() > 1 && (0..spaced.len()).any(|at| alone(at) && !times(at))
}

/// Whether what stands in front of the last `=` may lead to one number.
fn is_worked_out(before: &str) -> bool {
    let compares = ["<", ">", "≤", "≥", "≠", "≈", "\\le", "\\ge", "\\ne", "\\approx", "\\not", ";", "\\\\"];
    let ends = before.ends_with(['!', ':', '~']);
    // Commas part thousands, or they part answers.
    let mut commas = before.match_indices(',');
    let parts = commas.any(|(at, _)| {
        let digits = before[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        digits != 3 || !before[..at].ends_with(|c: char| c.is_ascii_digit())
    });
    let mut words = before.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
    !ends
        && !parts
        && !before.split('=').any(asks)
        && !words.any(|word| matches!(word.as_str(), "or" | "and" | "not" | "if"))
        && !compares.iter().any(|sign| before.replace("\\left", "").contains(sign))
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
