//! Text of others → text that a page shows and nothing else.

use crate::report::words;

/// Markup characters as entities, for an element or a quoted attribute. Characters that steer a terminal or turn the
/// direction of what follows are written as escapes: nothing that an adapter says may pass for something else.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || steers(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// [`escape`], with no more than `most` characters on one line.
pub(super) fn short(text: &str, most: usize) -> String {
    escape(&words::shorten(text, most))
}

/// Marks of direction, and characters that XML does not know.
fn steers(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_markup_or_turns_the_text() {
        assert_eq!(escape("<a href='x' b=\"y\">&"), "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;");
        assert_eq!(escape("a\u{202e}b\u{0}c\u{1b}[1m"), "a\\u{202e}b\\u{0}c\\u{1b}[1m");
        assert_eq!(short("one\ntwo", 5), "one t… (7 characters)");
    }
}
