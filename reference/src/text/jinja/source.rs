//! What is looked at before the parser: how long a tag is, and the tag that only transformers has.

use std::ops::Range;

use super::FIELD;
use crate::error::{Error, ErrorClass, Result};

/// Most operators in a tag. The parser nests them without end, and taking such a tree down takes a stack as deep. Tags in
/// use have up to some 50.
const MAX_OPERATORS: usize = 400;

/// The source as the parser takes it: line ends are `\n`, and `{% generation %}`, which marks what a model says for
/// training, is a plain scope.
///
/// # Errors
/// `limit_exceeded` for a tag with too many operators.
pub(super) fn checked(source: &str) -> Result<String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut changed = String::with_capacity(source.len());
    let mut rest = &*source;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        changed.push_str(before);
        let len = match from.as_bytes().get(1) {
            Some(b'#') => from.find("#}").map_or(from.len(), |end| end + 2),
            Some(b'{') => tag(from)?.1,
            Some(b'%') => {
                let (word, len) = tag(from)?;
                let (head, tail) = (&from[..word.start], &from[word.end..len]);
                match &from[word] {
                    "generation" => changed.extend([head, "with", tail]),
                    "endgeneration" => changed.extend([head, "endwith", tail]),
                    "raw" => {
                        changed.push_str(&from[..len]);
                        // The parser would take this line end away, which Jinja does not.
                        if from[len..].starts_with('\n') && !from[..len].ends_with("-%}") {
                            changed.push('\n');
                        }
                        rest = &from[len..];
                        let end = rest.find("endraw").unwrap_or(rest.len());
                        let end = rest[..end].rfind("{%").unwrap_or(end);
                        changed.push_str(&rest[..end]);
                        rest = &rest[end..];
                        continue;
                    }
                    _ => changed.push_str(&from[..len]),
                }
                rest = &from[len..];
                continue;
            }
            _ => 1,
        };
        changed.push_str(&from[..len]);
        rest = &from[len..];
    }
    changed.push_str(rest);
    Ok(changed)
}

/// The first word of the tag that a text starts with, and how long the tag is.
fn tag(text: &str) -> Result<(Range<usize>, usize)> {
    let word = |from: usize| {
        let part = &text[from..];
        from..from + part.find(|char: char| !(char.is_alphanumeric() || char == '_')).unwrap_or(part.len())
    };
    let signs = |char: char| char.is_whitespace() || matches!(char, '-' | '+');
    let first = word(text.len() - text[2..].trim_start_matches(signs).len());
    let (mut operators, mut open, mut at) = (0, 0_usize, 2);
    while let Some(char) = text[at..].chars().next() {
        let name = word(at);
        at = if name.is_empty() { at + char.len_utf8() } else { name.end };
        match char {
            '\'' | '"' => at += string(&text[at..], char),
            '{' | '(' | '[' => (open, operators) = (open + 1, operators + 1),
            '}' | '%' if open == 0 && text[at..].starts_with('}') => return Ok((first, at + 1)),
            '}' | ')' | ']' => open = open.saturating_sub(1),
            '~' | '+' | '-' | '*' | '/' | '%' | '.' | '|' | '<' | '>' | '=' | '!' => operators += 1,
            _ if matches!(&text[name], "and" | "or" | "not" | "is" | "in" | "if" | "else") => operators += 1,
            _ => {}
        }
        if operators > MAX_OPERATORS {
            let expected = format!("tags of at most {MAX_OPERATORS} operators");
            return Err(Error::new(ErrorClass::LimitExceeded, FIELD, expected, "more"));
        }
    }
    Ok((first, text.len()))
}

/// Length of the rest of a string, its quote included.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_becomes_a_scope() {
        let source = "{%- generation -%}{{ '{% generation %}' }}{% endgeneration %}{# {% generation %} #}{% if generation %}";
        assert_eq!(
            checked(source).unwrap(),
            "{%- with -%}{{ '{% generation %}' }}{% endwith %}{# {% generation %} #}{% if generation %}"
        );
        let raw = "{% raw %}{% generation %}{% endraw %}{% generation %}";
        assert_eq!(checked(raw).unwrap(), "{% raw %}{% generation %}{% endraw %}{% with %}");
        assert_eq!(checked("{% raw %}\r\na\r{% endraw %}").unwrap(), "{% raw %}\n\na\n{% endraw %}");
        assert_eq!(checked("{%- raw -%}\na").unwrap(), "{%- raw -%}\na");
        for odd in ["{", "{%", "{{ 'a", "{#", "{{ {'a': {}} }}{% generation", "é{é", "{%é'\\"] {
            assert_eq!(checked(odd).unwrap(), odd.replace("generation", "with"));
        }
    }

    #[test]
    fn long_chains_are_refused_and_long_texts_are_not() {
        assert!(checked(&format!("{{{{ a{} }}}}", "~a".repeat(MAX_OPERATORS + 1))).is_err());
        assert!(checked(&format!("{{{{ a{} }}}}", " or a".repeat(MAX_OPERATORS + 1))).is_err());
        assert!(checked(&format!("{{{{ '{}' }}}}", "a.b|c ".repeat(MAX_OPERATORS))).is_ok());
        assert!(checked(&"{{ a.b }}".repeat(MAX_OPERATORS)).is_ok());
    }
}
