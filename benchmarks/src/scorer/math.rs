//! Problems whose answer is a formula.
//!
//! Strict: the last `\boxed{…}` that is not empty, with those before it that only `and`, `or` or a comma part from it; else what is
//! announced (see `said`), else a reply of one short line. It is right if it is the gold answer sign by sign, or in the one
//! form of `formula`, which is made of the rules of `tex` and `term`. A box that has no end is no answer. Outside a box
//! `about`, `therefore` and the like may stand in front, and an explanation that begins with `because`, `since` or `which` behind.
//!
//! `compat`, as the upstream project scores: the last box whose braces balance, else what follows the last `answer is` up to a
//! full stop; equal as texts without `$`, spaces and sizes, where a `\text{…}` stands for the whole.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::formula::Formula;
use super::said::{self, Boxed};
use super::{COMPAT, Score, mark, pattern};
use crate::task::TaskItem;

static ANSWER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:the\s+)?(?:final\s+)?answer\s+is\s*:?\s*(.+?)(?:\.|\n?\z)"));
static TEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\text\{([^}]*)\}"));
/// What upstream leaves out, in its order.
const SILENT: [&str; 13] = [
    "\\,", "\\;", "\\:", "\\!", "\\ ", "\\quad", "\\qquad", "\\left", "\\right", "\\big", "\\Big", "\\bigg",
    "\\Bigg",
];

/// Scores a reply.
#[must_use]
pub fn score(item: &TaskItem, reply: &str) -> Score {
    let reply = said::end(reply);
    let answer = strict(reply);
    let right = answer.as_ref().is_some_and(|answer| is_same(&item.answer, answer));
    let compat = compat(reply).is_some_and(|said| plain(said) == plain(&item.answer));
    Score { answer, right, marks: mark([(COMPAT, f64::from(u8::from(compat)))]), error: None }
}

/// Whether two answers are the same.
pub(super) fn is_same(gold: &str, said: &str) -> bool {
    let (gold, said) = (gold.trim(), said.trim());
    if gold == said {
        return true;
    }
    Formula::read(gold).zip(Formula::read(said)).is_some_and(|(gold, said)| gold.is_same(&said))
}

fn strict(reply: &str) -> Option<String> {
    match said::boxed(reply) {
        Boxed::Whole(_) => {
            return Some(said::boxes(reply).iter().map(|inner| inner.trim()).collect::<Vec<_>>().join(", "));
        }
        Boxed::Cut => return None,
        Boxed::None => {}
    }
    let line = said::stated(reply)?;
    let line = line.split_once(". ").map_or(line, |(sentence, _)| sentence);
    let line = said::claim(said::led(line)).trim_end_matches(['.', '*', ' ']);
    // No command of TeX goes: what is set in letters is a word.
    let line = line.trim_matches(['*', '`', '"', '“', '”', ' ']);
    Some(line.to_owned()).filter(|line| !line.is_empty())
}

fn compat(reply: &str) -> Option<&str> {
    last_balanced(reply).or_else(|| Some(ANSWER.captures_iter(reply).last()?.get(1)?.as_str().trim()))
}

/// The last box whose braces balance; every brace counts. In one pass: a box inside a box is looked at once.
fn last_balanced(reply: &str) -> Option<&str> {
    const OPEN: &str = "\\boxed{";
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    for (at, byte) in reply.bytes().enumerate() {
        match byte {
            b'{' => open.push(reply[..=at].ends_with(OPEN).then_some(at + 1)),
            b'}' => {
                if let Some(Some(start)) = open.pop()
                    && last.is_none_or(|(before, _)| before < start)
                {
                    last = Some((start, at));
                }
            }
            _ => {}
        }
    }
    last.map(|(start, end)| reply[start..end].trim())
}

fn plain(text: &str) -> String {
    let mut text = text.trim().replace('$', "");
    if let Some(inner) = TEXT.captures(&text).and_then(|found| found.get(1)) {
        text = inner.as_str().trim().to_owned();
    }
    for sign in SILENT {
        text = text.replace(sign, "");
    }
    let text = text.strip_suffix(".0").unwrap_or(&text);
    let text = text.strip_suffix('.').unwrap_or(text);
    text.split_whitespace().collect()
}
