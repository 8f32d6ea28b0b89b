//! Questions whose answer is a letter, or yes or no.
//!
//! Strict: the last `\boxed{…}` that is not empty, else what is announced (see `said`), else the last line where that is
//! nothing but an answer, else a reply of one short line. A letter is one of the question's choices, alone, in brackets, or in front
//! of its choice's text; a choice's text alone will do. Behind it an explanation may begin with `because`, `since`, `which` or a
//! bracket, in front may stand `therefore` and the like. Yes and no have nothing but punctuation or a reason behind them.
//!
//! `compat`, as the upstream project scores: a reply or its last line that is A to D, else the letter behind the first `answer is`, else the first
//! letter A to D that stands alone, an article `a` among them. Yes and no: the last line, else behind the last `answer is` or `answer:`, else the
//! last of all.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::hotpot::normal;
use super::said::{self, Boxed};
use super::{COMPAT, Score, mark, pattern};
use crate::task::TaskItem;

static LETTER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:the\s+)?(?:correct\s+)?answer\s+is\s*:?\s*([A-Da-d])\b"));
static ALONE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([A-Da-d])\b"));
static ANSWER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:my\s+)?(?:final\s+)?answer\s*(?:is|:)\s*(yes|no)\b"));
static YES_NO: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(yes|no)\b"));

/// Scores a reply: a letter where the item has `choices`, yes or no otherwise.
#[must_use]
pub fn score(item: &TaskItem, reply: &str) -> Score {
    let reply = said::end(reply);
    let choices = item.fields.get("choices");
    let read = |text: &str| match choices {
        Some(choices) => letter(choices, text).or_else(|| {
            let claim = said::claim(said::led(text));
            letter(choices, claim.split_once(" (").map_or(claim, |(claim, _)| claim))
        }),
        None => yes_no(said::led(text)),
    };
    let answer = strict(reply, read);
    let right = answer.as_ref().is_some_and(|answer| *answer == item.answer);
    let theirs = if choices.is_some() { compat_letter(reply) } else { compat_yes_no(reply) };
    let compat = theirs.is_some_and(|said| said.eq_ignore_ascii_case(&item.answer));
    Score { answer, right, marks: mark([(COMPAT, f64::from(u8::from(compat)))]), error: None }
}

fn strict(reply: &str, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    match said::boxed(reply) {
        Boxed::Whole(inner) => return read(inner),
        Boxed::Cut => return None,
        Boxed::None => {}
    }
    if let Some(line) = said::announced(reply) {
        return read(line);
    }
    let last = reply.trim_end().rsplit('\n').next().unwrap_or_default();
    let short = last.split_whitespace().count() == 1;
    read(last).filter(|_| short).or_else(|| said::bare(reply).and_then(read))
}

/// The letter that a text says: alone or in brackets, perhaps with its choice's text behind it; or the letter of the choice that it is.
fn letter(choices: &str, text: &str) -> Option<String> {
    let text = bared(text);
    let of = |line: &str| line.split_once(". ").map(|(letter, text)| (letter.to_owned(), text.to_owned()));
    let lines: Vec<(String, String)> = choices.lines().filter_map(of).collect();
    let says = |choice: &str, text: &str| !normal(text).is_empty() && normal(choice) == normal(text);
    let mut letters = text.chars();
    let first = letters.next()?;
    let rest = letters.as_str();
    if let Some((letter, choice)) =
        lines.iter().find(|(letter, _)| letter.eq_ignore_ascii_case(&first.to_string()))
    {
        let after = rest.trim_start_matches([')', '.', ':', ',', '*', ']', '}', '-', ' ']);
        let alone = after.is_empty() || rest.starts_with([')', '.', ':', ']', '}', '*']);
        if alone || (rest.starts_with([' ', ',', '-']) && says(choice, after)) {
            return Some(letter.clone());
        }
    }
    let mut same = lines.iter().filter(|(_, choice)| says(choice, text));
    same.next().filter(|_| same.next().is_none()).map(|(letter, _)| letter.clone())
}

fn yes_no(text: &str) -> Option<String> {
    said::yes_no(bared(text)).map(|said| if said == "yes" { "Yes" } else { "No" }.to_owned())
}

/// Without what stands around an answer.
fn bared(text: &str) -> &str {
    let mut text = text.trim().trim_matches(['*', '$', '"', '`', ' ']);
    for word in ["\\text{", "\\mathrm{", "\\textbf{", "option ", "Option ", "choice ", "Choice "] {
        text = text.strip_prefix(word).unwrap_or(text);
    }
    text.trim_start_matches(['(', '[', '*'])
}

fn compat_letter(reply: &str) -> Option<String> {
    let text = reply.trim();
    let whole = |text: &str| matches!(text.to_uppercase().as_str(), "A" | "B" | "C" | "D");
    let last = text.rsplit('\n').next().unwrap_or_default().trim();
    if let Some(letter) = [text, last].into_iter().find(|text| whole(text)) {
        return Some(letter.to_uppercase());
    }
    let first = |regex: &Regex| Some(regex.captures(text)?.get(1)?.as_str().to_uppercase());
    first(&LETTER).or_else(|| first(&ALONE))
}

fn compat_yes_no(reply: &str) -> Option<String> {
    let last = reply.trim().rsplit('\n').next().unwrap_or_default().trim().trim_end_matches('.');
    if matches!(last.to_lowercase().as_str(), "yes" | "no") {
        return Some(last.to_owned());
    }
    let found = |regex: &Regex| Some(regex.captures_iter(reply).last()?.get(1)?.as_str().to_owned());
    found(&ANSWER).or_else(|| found(&YES_NO))
}
