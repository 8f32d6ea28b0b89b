//! Pre-tokenization by a regular expression, in time linear in the text.
//!
//! Nearly every byte-level tokenizer since GPT-2 splits by an expression that ends in `\s+(?!\S)|\s+`: a run of white
//! space loses its last character to the word behind it. The look-ahead is the only thing in them that a regular
//! automaton can't do, and engines that can do it take exponential time on an expression made for that. So the end is cut
//! off here and done by hand, and everything else runs on an automaton.

use regex_automata::{
    Input,
    meta::{BuildError, Config, Regex},
    util::syntax,
};
use tokenizers::{Offsets, tokenizer::pattern::Pattern};

use crate::error::{Error, ErrorClass, Result, excerpt};

/// Longest expression: the longest in use has some 500 bytes.
const MAX_PATTERN: usize = 8 << 10;
/// Most memory of a compiled expression. Those with many Unicode classes take some hundred KiB.
const MAX_COMPILED: usize = 8 << 20;

/// What is cut off the end of an expression; whether a single space in front of a word is a match of its own.
const ENDS: [(&str, bool); 3] = [(r"|\s+(?!\S)|\s+", true), (r"|\s+(?!\S)|\s", true), (r"|\s+(?!\S)", false)];

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Splitter {
    /// The expression without its end; behind it, when there was such an end, `\s+`.
    regex: Regex,
    /// A single space in front of a word is a match of its own.
    single_space: bool,
}

impl Splitter {
    /// # Errors
    /// `limit_exceeded` for one that is too long or compiles to too much, `configuration` for one that is malformed, that
    /// matches nothing at all, or that no automaton can run.
    pub(crate) fn new(pattern: &str) -> Result<Self> {
        if pattern.len() > MAX_PATTERN {
            let expected = format!("a regular expression of at most {MAX_PATTERN} bytes");
            return Err(Error::new(
                ErrorClass::LimitExceeded,
                FIELD,
                expected,
                format!("{} bytes", pattern.len()),
            ));
        }
        let cut = ENDS.iter().find_map(|(end, single)| Some((pattern.strip_suffix(end)?, *single)));
        let (head, single_space) = cut.unwrap_or((pattern, false));
        if possessive(head) {
            return Err(refused("a regular expression without possessive quantifiers", pattern));
        }
        let patterns = if cut.is_some() { &[head, r"\s+"][..] } else { &[head] };
        let config = Config::new().nfa_size_limit(Some(MAX_COMPILED));
        let regex = Regex::builder().configure(config).build_many(patterns);
        let regex = regex.map_err(|error| uncompiled(&error, pattern))?;
        let parsed = syntax::parse(head).map_err(|_| refused("a regular expression", pattern))?;
        if parsed.properties().minimum_len() == Some(0) {
            return Err(refused("a regular expression that does not match nothing", pattern));
        }
        Ok(Self { regex, single_space })
    }

    /// The same, for an expression that is run as it stands, by the crate: without an end that is cut off.
    pub(crate) fn plain(pattern: &str) -> Result<Self> {
        if ENDS.iter().any(|(end, _)| pattern.ends_with(end)) {
            return Err(refused("a regular expression without look-around", pattern));
        }
        Self::new(pattern)
    }

    /// Matches of the whole expression, as byte ranges in order.
    fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.regex.find(Input::new(text).range(from..)) {
            let mut end = at.end();
            // A run of spaces in front of something else, from the part that was cut off.
            if at.pattern().as_usize() == 1 && end < text.len() {
                let run = &text[at.range()];
                let last = run.char_indices().next_back().map_or(0, |(last, _)| last);
                if last > 0 {
                    end = at.start() + last;
                } else if !self.single_space {
                    from = end;
                    continue;
                }
            }
            found.push((at.start(), end));
            from = end;
        }
        found
    }
}

impl Pattern for &Splitter {
    /// Every part of the text in order, each with whether it is a match.
    fn find_matches(&self, inside: &str) -> tokenizers::Result<Vec<(Offsets, bool)>> {
        if inside.is_empty() {
            return Ok(vec![((0, 0), false)]);
        }
        let mut parts = Vec::new();
        let mut end = 0;
        for (from, to) in self.find(inside) {
            if end < from {
                parts.push(((end, from), false));
            }
            parts.push(((from, to), true));
            end = to;
        }
        if end < inside.len() {
            parts.push(((end, inside.len()), false));
        }
        Ok(parts)
    }
}

const FIELD: &str = "tokenizer.pre_tokenizer.pattern";

fn refused(expected: &str, pattern: &str) -> Error {
    Error::new(ErrorClass::Configuration, FIELD, expected, excerpt(pattern))
}

fn uncompiled(error: &BuildError, pattern: &str) -> Error {
    if error.size_limit().is_some() {
        let expected = format!("a regular expression of at most {MAX_COMPILED} bytes compiled");
        return Error::new(ErrorClass::LimitExceeded, FIELD, expected, excerpt(pattern));
    }
    refused("a regular expression without look-around (but `\\s+(?!\\S)` at its end) and references", pattern)
}

/// Whether a quantifier is followed by `+`. Automata read that as a repetition of a repetition, other engines as a match
/// that is never given back.
fn possessive(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    let (mut class, mut quantified) = (0_usize, false);
    while let Some(char) = chars.next() {
        let quantifier = class == 0 && matches!(char, '*' | '+' | '?' | '}');
        match char {
            '+' if quantified && class == 0 => return true,
            '\\' => {
                // `\p{…}`: its brace is no quantifier.
                let braced = matches!(chars.next(), Some('p' | 'P' | 'x' | 'u'));
                if braced && chars.as_str().starts_with('{') {
                    chars.find(|char| *char == '}');
                }
            }
            '[' => class += 1,
            ']' => class = class.saturating_sub(1),
            _ => {}
        }
        quantified = quantifier;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::families::{GPT_2, QWEN_2};

    fn parts(pattern: &str, text: &str) -> Vec<String> {
        let splitter = Splitter::new(pattern).unwrap();
        (&splitter)
            .find_matches(text)
            .unwrap()
            .iter()
            .map(|((from, to), _)| text[*from..*to].into())
            .collect()
    }

    #[test]
    fn spaces_go_to_the_word_behind_them() {
        assert_eq!(parts(GPT_2, "a   b"), ["a", "  ", " b"]);
        assert_eq!(parts(GPT_2, "a\n\n b\t"), ["a", "\n\n", " b", "\t"]);
        assert_eq!(parts(GPT_2, "   "), ["   "]);
        assert_eq!(parts(GPT_2, "\u{3000}\u{3000}漢"), ["\u{3000}", "\u{3000}", "漢"]);
        assert_eq!(parts(QWEN_2, "x \r\n  y"), ["x", " \r\n", " ", " y"]);
        assert_eq!(parts(r"\w+|\s+(?!\S)", "a  b c"), ["a", " ", " ", "b", " ", "c"]);
    }

    #[test]
    fn what_no_automaton_runs_is_refused() {
        for pattern in
            [r"(?=a)b", r"(a)\1", r"(?<!a)b", r"a++b|\s+(?!\S)|\s+", r"\p{L}{1,3}+", r"a*", r"\b", "", r"("]
        {
            let error = Splitter::new(pattern).unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration, "{pattern}");
        }
        for pattern in ["(\\p{L}{500}){500}", &"a".repeat(MAX_PATTERN + 1)] {
            assert_eq!(Splitter::new(pattern).unwrap_err().class, ErrorClass::LimitExceeded);
        }
        assert!(Splitter::new(r"[+*+]+|\p{L}+|\++|x\}+").is_ok());
    }

    proptest! {
        /// The parts are the text, and an engine with look-ahead finds the same.
        #[test]
        fn as_with_look_ahead(text in "[ab1 \\t\\n\\r\u{3000}é漢'st!]{0,40}") {
            for pattern in [GPT_2, QWEN_2] {
                let ours = parts(pattern, &text);
                prop_assert_eq!(ours.concat(), text.clone());
                let theirs = tokenizers::utils::SysRegex::new(pattern).unwrap();
                let theirs: Vec<_> = theirs.find_iter(&text).map(|(from, to)| &text[from..to]).collect();
                prop_assert_eq!(ours.iter().filter(|part| !part.is_empty()).collect::<Vec<_>>(), theirs);
            }
        }
    }
}
