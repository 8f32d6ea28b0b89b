//! Patterns over names: case ids, check names, requirement ids.
//!
//! `*` stands for any characters inside a component, `**` for any characters at all, `?` for one character. The
//! components of a check's name `area/slug@0.4#rejects` end at `/`, `@` and `#`.

use std::fmt;

/// Likeness (1 = equal, by insertions, deletions, changes and swaps) from which a name is offered as "did you mean".
const NEAR_ENOUGH: f64 = 0.6;

/// A pattern over names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    text: String,
}

impl Glob {
    /// Takes the pattern as it is written; every text is a valid pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern holds no wildcard, and so names one thing only.
    pub fn is_literal(&self) -> bool {
        !self.text.contains(['*', '?'])
    }

    /// What every name that fits begins with: the pattern up to its first wildcard.
    pub fn prefix(&self) -> &str {
        &self.text[..self.text.find(['*', '?']).unwrap_or(self.text.len())]
    }

    /// Whether the whole of `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        // A baseline holds hundreds of patterns against hundreds of thousands of names; most differ in their first letters.
        let plain = self.prefix();
        let pattern = &self.text[plain.len()..];
        if pattern.is_empty() {
            return self.text == name;
        }
        let Some(name) = name.strip_prefix(plain) else { return false };
        let pattern: Vec<char> = pattern.chars().collect();
        // Which prefixes of the pattern fit the part of the name that has been read: linear in both, whatever the
        // pattern, where a backtracking matcher would be exponential in the number of stars.
        let mut fits = vec![false; pattern.len() + 1];
        fits[0] = true;
        open_stars(&pattern, &mut fits);
        for c in name.chars() {
            let mut next = vec![false; pattern.len() + 1];
            for (at, fit) in fits.iter().enumerate().take(pattern.len()) {
                if !fit {
                    continue;
                }
                match Token::at(&pattern, at) {
                    Token::AnyRun(_) => next[at] = true,
                    Token::ComponentRun if !is_border(c) => next[at] = true,
                    Token::One if !is_border(c) => next[at + 1] = true,
                    Token::Char(expected) if expected == c => next[at + 1] = true,
                    _ => {}
                }
            }
            open_stars(&pattern, &mut next);
            fits = next;
        }
        fits[pattern.len()]
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

enum Token {
    /// `**`, of that many characters (more than two stars in a row mean the same).
    AnyRun(usize),
    ComponentRun,
    One,
    Char(char),
}

impl Token {
    fn at(pattern: &[char], at: usize) -> Self {
        match pattern[at] {
            '*' => match pattern[at..].iter().take_while(|c| **c == '*').count() {
                1 => Self::ComponentRun,
                stars => Self::AnyRun(stars),
            },
            '?' => Self::One,
            c => Self::Char(c),
        }
    }
}

/// Whoever stands before a star also stands behind it: a star may be empty.
fn open_stars(pattern: &[char], fits: &mut [bool]) {
    for at in 0..pattern.len() {
        if !fits[at] {
            continue;
        }
        match Token::at(pattern, at) {
            Token::AnyRun(stars) => fits[at + stars] = true,
            Token::ComponentRun => fits[at + 1] = true,
            _ => {}
        }
    }
}

fn is_border(c: char) -> bool {
    matches!(c, '/' | '@' | '#')
}

/// The names most like `wanted`, best first, at most three: for "did you mean".
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(wanted, name), name))
        .filter(|(likeness, _)| *likeness >= NEAR_ENOUGH)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stays_inside_a_component() {
        let fits = |pattern: &str, name: &str| Glob::new(pattern).matches(name);
        assert!(fits("hdr/*", "hdr/magic"));
        assert!(!fits("hdr/*", "hdr/version/0"));
        assert!(!fits("hdr/*", "hdr/magic@0.4"));
        assert!(fits("hdr/**", "hdr/version/0@0.4#rejects"));
        assert!(fits("**", ""));
        assert!(fits("*/magic-*@0.?#rejects", "hdr/magic-swapped@0.4#rejects"));
        assert!(fits("a**", "a"));
        assert!(fits("hdr/magic", "hdr/magic"));
        assert!(!fits("hdr/magic", "hdr/magic-swapped"));
        assert!(!fits("magic", "hdr/magic"));
        assert!(!fits("", "hdr/magic"));
    }

    #[test]
    fn many_stars_stay_quick() {
        let pattern = "*a".repeat(60);
        assert!(!Glob::new(pattern).matches(&"a".repeat(59)));
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let names = ["hdr/magic-swapped", "hdr/version-unknown", "kv/layers-huge"];
        assert_eq!(nearest("hdr/magic-swaped", names), ["hdr/magic-swapped"]);
        assert!(nearest("entirely-different-thing", names).is_empty());
    }
}
