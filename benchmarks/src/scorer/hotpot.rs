//! Questions whose answer is a few words.
//!
//! Strict: the last `\boxed{…}` that is not empty, else what is announced (see `said`) up to the end of its line, else a
//! reply of one short line; equal to the gold answer after the data set's own normalisation: small letters, no punctuation, then no
//! articles, single spaces. Besides, curved quotation marks are straight ones, and letters with accents are one sign each. Where
//! the gold answer is yes or no, that word counts with punctuation or a reason behind it; a sentence that only begins with it does
//! not. `f1` is the data set's token F1 of the same answer.
//!
//! `compat` and `compat_f1`, as the upstream project scores: the first line that begins with `Answer:`, else what follows `the answer is` up
//! to a full stop, else the last line; articles go before punctuation does.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex_lite::Regex;
use unicode_normalization::UnicodeNormalization as _;

use super::said::{self, Boxed};
use super::{COMPAT, Score, mark, pattern};
use crate::task::TaskItem;

static LINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:^|\n)\s*Answer\s*:\s*(.+?)(?:\n|\z)"));
static SENTENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)the answer is\s+(.+?)(?:\.|\n?\z)"));

/// Scores a reply.
#[must_use]
pub fn score(item: &TaskItem, reply: &str) -> Score {
    let reply = said::end(reply);
    let answer = match said::boxed(reply) {
        Boxed::Whole(inner) => Some(said::unmarked(inner)),
        Boxed::Cut => None,
        Boxed::None => said::stated(reply).map(|line| said::unmarked(line.trim_end_matches(['*', ' ']))),
    };
    let gold = normal(&item.answer);
    let said = answer.map(|answer| reduced(&gold, answer));
    let right = said.as_ref().is_some_and(|said| !gold.is_empty() && *said == gold);
    let f1 = said.as_ref().map_or(0.0, |said| strict_f1(said, &gold));
    let theirs = upstream_normal(compat(reply));
    let upstream_gold = upstream_normal(&item.answer);
    let marks = mark([
        (COMPAT, f64::from(u8::from(theirs == upstream_gold))),
        ("f1", f1),
        ("compat_f1", f1_of(&theirs, &upstream_gold)),
    ]);
    Score { answer: answer.map(str::to_owned), right, marks, error: None }
}

/// Yes or no, where that is asked and said; the whole otherwise.
fn reduced(gold: &str, answer: &str) -> String {
    let closed = said::yes_no(answer).filter(|_| matches!(gold, "yes" | "no"));
    closed.map_or_else(|| normal(answer), str::to_owned)
}

/// The data set's normalisation, of text whose signs are written in one way.
pub(super) fn normal(text: &str) -> String {
    let straight = text.nfc().map(|c| match c {
        '‘' | '’' | 'ʼ' => '\'',
        '“' | '”' => '"',
        c => c,
    });
    spaced(&without_articles(&without_punctuation(&straight.collect::<String>().to_lowercase())))
}

/// Upstream's: in another order.
fn upstream_normal(text: &str) -> String {
    spaced(&without_punctuation(&without_articles(&text.to_lowercase())))
}

fn without_punctuation(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_punctuation()).collect()
}

/// `a`, `an`, `the` as words of their own become spaces.
fn without_articles(text: &str) -> String {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| inside(c) != inside(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        kept.push_str(if matches!(run, "a" | "an" | "the") { " " } else { run });
        rest = after;
    }
    kept
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The data set's F1: nothing in part where one of the two is yes or no.
fn strict_f1(said: &str, gold: &str) -> f64 {
    let closed = |text: &str| matches!(text, "yes" | "no" | "noanswer");
    if said != gold && (closed(said) || closed(gold)) {
        return 0.0;
    }
    f1_of(said, gold)
}

fn f1_of(said: &str, gold: &str) -> f64 {
    let (said, gold): (Vec<_>, Vec<_>) =
        (said.split_whitespace().collect(), gold.split_whitespace().collect());
    if said.is_empty() || gold.is_empty() {
        return f64::from(u8::from(said.is_empty() && gold.is_empty()));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &gold {
        *left.entry(word).or_default() += 1;
    }
    let common = said.iter().filter(|word| match left.get_mut(**word) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    });
    let common = common.count();
    // 2PR/(P+R), in whole numbers up to the last step.
    2.0 * common as f64 / (said.len() + gold.len()) as f64
}

fn compat(reply: &str) -> &str {
    let found = |regex: &Regex| Some(regex.captures(reply)?.get(1)?.as_str().trim());
    found(&LINE)
        .or_else(|| found(&SENTENCE))
        .or_else(|| reply.split('\n').map(str::trim).rfind(|line| !line.is_empty()))
        .unwrap_or_default()
}
