//! REPLY → ANSWER: where in a reply the answer stands.

/// Longest reply that is looked at, in bytes; its end, where answers stand. A model that writes more has lost its way.
const MAX_REPLY: usize = 256 << 10;
/// Longest reply that is taken for an answer as a whole, in bytes.
const MAX_BARE: usize = 300;

/// What an answer stands in.
const BOX: &str = "\\boxed";

/// The part of a reply that is looked at.
pub(super) fn end(reply: &str) -> &str {
    if reply.len() <= MAX_REPLY {
        return reply;
    }
    let from = (reply.len() - MAX_REPLY..).find(|&at| reply.is_char_boundary(at));
    &reply[from.unwrap_or(reply.len())..]
}

/// What was found of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boxed<'a> {
    /// There is none.
    None,
    /// The last one has no end: the reply was cut.
    Cut,
    /// What stands in the last one.
    Whole(&'a str),
}

/// The last `\boxed{…}` or `\fbox{…}`, braces balanced; `\{` and `\}` are no braces. A reply that ends within the word is cut.
pub(super) fn boxed(reply: &str) -> Boxed<'_> {
    if (1..BOX.len()).any(|end| reply.ends_with(&BOX[..end])) {
        return Boxed::Cut;
    }
    let last = [BOX, "\\fbox"].iter().filter_map(|word| Some((reply.rfind(word)?, word.len()))).max();
    let Some((at, length)) = last else { return Boxed::None };
    let rest = reply[at + length..].trim_start();
    let Some(inner) = rest.strip_prefix('{') else {
        // `\boxed 5`, as TeX takes it.
        let end = rest.find(|c: char| c.is_whitespace() || "$.,\\".contains(c)).unwrap_or(rest.len());
        return if end == 0 { Boxed::Cut } else { Boxed::Whole(&rest[..end]) };
    };
    let mut depth = 1_usize;
    let mut escaped = false;
    for (place, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 1 => return Boxed::Whole(&inner[..place]),
            '}' => depth -= 1,
            _ => {}
        }
    }
    Boxed::Cut
}

/// What follows the last `answer is`, `answer:` or `answer =`, up to the end of its line; of the next line that is not empty
/// where nothing follows in that one. Stars around it, as Markdown has them, are left out. Empty where the reply ends there.
pub(super) fn announced(reply: &str) -> Option<&str> {
    // Letters of ASCII alone change, so that places stay places.
    let lower = reply.to_ascii_lowercase();
    let after = |at: usize| {
        let rest = reply[at..].trim_start_matches(['*', ' ']);
        let word = ["is:", "is", ":", "="]
            .into_iter()
            .find(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))?;
        let rest = &rest[word.len()..];
        // "answer isn't" announces nothing.
        (!word.ends_with('s') || !rest.starts_with(|c: char| c.is_alphanumeric())).then_some(rest)
    };
    let places = lower
        .rmatch_indices("answer")
        .filter(|(at, _)| !lower[..*at].ends_with(|c: char| c.is_alphanumeric()));
    let rest = places.into_iter().find_map(|(at, word)| after(at + word.len()))?;
    let line = rest.trim_start_matches(['*', ' ', '\t']).lines().next().unwrap_or_default();
    let line = if line.trim().is_empty() {
        rest.lines()
            .map(|line| line.trim_matches(['*', ' ']))
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
    } else {
        line
    };
    Some(line.trim().trim_matches('*').trim())
}

/// What is announced; a reply that is one short line, where nothing is.
pub(super) fn stated(reply: &str) -> Option<&str> {
    announced(reply).or_else(|| bare(reply)).filter(|line| !line.is_empty())
}

/// The whole reply, where it is one short line.
pub(super) fn bare(reply: &str) -> Option<&str> {
    let whole = reply.trim();
    (!whole.is_empty() && whole.len() <= MAX_BARE && !whole.contains('\n')).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_box_counts_if_it_has_an_end() {
        for (reply, expected) in [
            (r"\boxed{1} and \boxed{\frac{1}{2}}.", Boxed::Whole(r"\frac{1}{2}")),
            (r"\boxed{\{1,2\}}", Boxed::Whole(r"\{1,2\}")),
            (r"\boxed{(0,1\}}", Boxed::Whole(r"(0,1\}")),
            (r"$\boxed 5$", Boxed::Whole("5")),
            (r"\fbox{a}", Boxed::Whole("a")),
            (r"\boxed{1}, so \boxed{2", Boxed::Cut),
            (r"\boxed{\frac{1}{2}", Boxed::Cut),
            (r"\boxed", Boxed::Cut),
            (r"The answer is \bo", Boxed::Cut),
            ("none", Boxed::None),
        ] {
            assert_eq!(boxed(reply), expected, "{reply}");
        }
    }

    #[test]
    fn an_answer_is_announced_to_the_end_of_its_line() {
        for (reply, expected) in [
            ("Answer: St. Louis\nBecause.", Some("St. Louis")),
            ("The answer is 4. No: the final answer is: **5**.", Some("5**.")),
            ("**Answer:** Rome", Some("Rome")),
            ("Answer:\n\nRome\nItaly", Some("Rome")),
            ("Answer:", Some("")),
            ("The answer isn't known", None),
            ("Answers: many", None),
            ("The answer", None),
            ("", None),
        ] {
            assert_eq!(announced(reply), expected, "{reply}");
        }
    }

    #[test]
    fn of_a_long_reply_the_end_is_read() {
        let long = "ä".repeat(MAX_REPLY) + "x";
        assert!(end(&long).len() <= MAX_REPLY && end(&long).ends_with('x'));
        assert_eq!((bare(&long), stated("Answer: **"), stated("5 ")), (None, None, Some("5")));
        assert_eq!(bare(" 5 \n"), Some("5"));
    }
}
