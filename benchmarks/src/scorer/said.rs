//! REPLY → ANSWER: where in a reply the answer stands.

/// Longest reply that is looked at, in bytes; its end, where answers stand. A model that writes more has lost its way.
const MAX_REPLY: usize = 256 << 10;
/// Longest reply that is taken for an answer as a whole, in bytes.
const MAX_BARE: usize = 300;
/// Most boxes that are one answer together; no list of a published answer is longer.
const MAX_BOXES: usize = 16;

/// What an answer stands in.
const BOX: &str = "\\boxed";
/// The same, as few write it.
const FRAME: &str = "\\fbox";
/// What begins an explanation behind an answer.
const REASONS: [&str; 6] = [", since ", ", because ", ", which ", " because ", " since ", " which "];
/// What may stand between `answer is` and the answer.
const LEADS: [&str; 4] = ["about", "approximately", "therefore", "thus"];
/// Marks of Markdown and quotation marks.
const MARKUP: [char; 9] = ['*', '`', '"', '“', '”', '\'', '‘', '’', ' '];

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
    /// The last one has no end: the reply was cut. Or nothing stands in any.
    Cut,
    /// What stands in the last one that is not empty.
    Whole(&'a str),
}

/// The last `\boxed{…}` or `\fbox{…}` with something in it, braces balanced; `\{` and `\}` are no braces. A reply that ends
/// within the word is cut; a lone backslash at its end cuts nothing where a whole box stands before it.
pub(super) fn boxed(reply: &str) -> Boxed<'_> {
    match last_box(reply) {
        (Boxed::Whole(inner), _) => Boxed::Whole(inner),
        (Boxed::None, _) if reply.ends_with('\\') => Boxed::Cut,
        (found, _) => found,
    }
}

/// The boxes at the end of a reply that are one answer: those in front of the last one that only `and`, `or` and commas part
/// from it. In their order; empty where [`boxed`] finds none.
pub(super) fn boxes(reply: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = reply;
    while let (Boxed::Whole(inner), start) = last_box(rest) {
        let inside = inner.as_ptr() as usize - rest.as_ptr() as usize + inner.len();
        let behind = rest[inside..].trim_start_matches('}');
        let joins = matches!(
            behind.trim_matches(['$', ' ', '\n']),
            "," | "and"
                | "or"
                | ", and"
                | ", or"
                | "\\text{ and }"
                | "\\text{ or }"
                | "\\text{and}"
                | "\\text{or}"
        );
        if found.len() == MAX_BOXES || !(found.is_empty() || joins) {
            break;
        }
        found.push(inner);
        rest = &rest[..start];
    }
    found.reverse();
    found
}

/// [`boxed`], and where the box begins. Empty boxes are passed over; each text is looked at once.
fn last_box(reply: &str) -> (Boxed<'_>, usize) {
    if (2..BOX.len()).any(|end| reply.ends_with(&BOX[..end])) {
        return (Boxed::Cut, reply.len());
    }
    let mut empty = false;
    for (at, _) in reply.rmatch_indices('\\') {
        let rest = &reply[at..];
        let Some(rest) = rest.strip_prefix(BOX).or_else(|| rest.strip_prefix(FRAME)) else { continue };
        match content(rest.trim_start()) {
            Boxed::Whole(inner) if inner.trim().is_empty() => empty = true,
            found => return (found, at),
        }
    }
    (if empty { Boxed::Cut } else { Boxed::None }, 0)
}

/// What stands behind the word of a box, which may be nothing.
fn content(rest: &str) -> Boxed<'_> {
    let Some(inner) = rest.strip_prefix('{') else {
        // `\boxed 5`, as TeX takes it.
        let end = rest.find(|c: char| c.is_whitespace() || "$.,\\".contains(c)).unwrap_or(rest.len());
        return if rest.is_empty() { Boxed::Cut } else { Boxed::Whole(&rest[..end]) };
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

/// The answer that a reply announces, up to the end of its line; the next line that is not empty where nothing follows in that
/// one. First the last line that begins with `Answer:`, or is a heading `Answer`; else what follows the last `answer is`,
/// `answer:` or `answer =` in a sentence. Stars around it, as Markdown has them, are left out. Empty where the reply ends there.
pub(super) fn announced(reply: &str) -> Option<&str> {
    let headed =
        reply.rmatch_indices('\n').map(|(at, _)| at + 1).chain([0]).find_map(|at| headed(&reply[at..]));
    if let Some(rest) = headed {
        let line = first_line(rest);
        // `Answer: The final answer is 5.`
        let lead = line.get(..line.len().min(32)).unwrap_or_default().to_ascii_lowercase();
        let says = ["the answer is", "the final answer is", "the correct answer is"];
        return match says.iter().find(|says| lead.starts_with(**says)) {
            Some(says) => Some(first_line(line[says.len()..].trim_start_matches(':'))),
            None => Some(line),
        };
    }
    // Letters of ASCII alone change, so that places stay places.
    let lower = reply.to_ascii_lowercase();
    let after = |at: usize| {
        let rest = reply[at..].trim_start_matches(['*', ' ']);
        let word = ["is:", "is", ":", "：", "="]
            .into_iter()
            .find(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))?;
        let rest = &rest[word.len()..];
        // "answer isn't" announces nothing.
        (!word.ends_with('s') || !rest.starts_with(|c: char| c.is_alphanumeric())).then_some(rest)
    };
    let places = lower
        .rmatch_indices("answer")
        .filter(|(at, _)| !lower[..*at].ends_with(|c: char| c.is_alphanumeric()));
    places.into_iter().find_map(|(at, word)| after(at + word.len())).map(first_line)
}

/// What follows `Answer:` at the beginning of a line, or the heading `Answer`; marks of Markdown and `Final` may go before.
fn headed(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(['*', '#', '>', ' ', '\t']);
    let marked = text[..text.len() - rest.len()].contains(['*', '#']);
    let skip = |text: &'_ str, word: &str| {
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)).then_some(word.len())
    };
    let rest = &rest[skip(rest, "final ").unwrap_or(0)..];
    let rest = rest[skip(rest, "answer")?..].trim_start_matches(['*', ' ']);
    match rest.strip_prefix([':', '：']) {
        None if marked && (rest.starts_with(['\n', '\r'])) => Some(rest),
        behind => behind,
    }
}

/// The line that a text begins with, or the next one that is not empty, without stars around it.
fn first_line(text: &str) -> &str {
    let bare = |line: &'_ str| line.trim_matches(['*', ' ', '\t', '\r']).len();
    let line = text.lines().find(|line| bare(line) > 0).unwrap_or_default();
    line.trim().trim_matches('*').trim()
}

/// An answer without the explanation behind it: `B because …`, `18, since …`.
pub(super) fn claim(line: &str) -> &str {
    let end = REASONS.iter().filter_map(|reason| line.find(reason)).min();
    line[..end.unwrap_or(line.len())].trim()
}

/// An answer without `about`, `thus` and the like in front of it.
pub(super) fn led(line: &str) -> &str {
    let mut line = line.trim();
    for _ in LEADS {
        let (word, rest) = line.split_at(line.find([' ', ',']).unwrap_or(line.len()));
        if !LEADS.iter().any(|lead| word.eq_ignore_ascii_case(lead)) {
            break;
        }
        line = rest.trim_start_matches([',', ':', ' ']);
    }
    line
}

/// An answer without marks of Markdown and quotation marks around it, and without the commands of TeX that set it in letters.
pub(super) fn unmarked(text: &str) -> &str {
    let mut text = text.trim_matches(MARKUP).trim();
    for _ in 0..MAX_BOXES {
        let inner = ["\\text", "\\mathrm", "\\mathbf", "\\textrm", "\\textbf", "\\textit", "\\mbox"]
            .iter()
            .find_map(|word| text.strip_prefix(word)?.strip_prefix('{')?.strip_suffix('}'));
        let Some(inner) = inner.filter(|inner| !closes_early(inner)) else { break };
        text = inner.trim_matches(MARKUP).trim();
    }
    text
}

/// Whether a brace closes in front of the end that one opened before the text.
fn closes_early(inner: &str) -> bool {
    let mut depth = 0_i64;
    inner.bytes().any(|byte| {
        depth += i64::from(byte == b'{') - i64::from(byte == b'}');
        depth < 0
    })
}

/// `yes` or `no`, where a text is that word alone, or that word with punctuation or a reason behind it.
pub(super) fn yes_no(text: &str) -> Option<&'static str> {
    let text = unmarked(claim(text));
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(['*', '`', '"', '}', ')', ']', '$']);
    let ends = rest.trim().is_empty()
        || rest.starts_with(['.', ',', ';', ':', '!', '?', '—', '–'])
        || rest.trim_start().starts_with(['-', '—', '–', '(']) && rest.starts_with(' ');
    ["yes", "no"].into_iter().find(|known| ends && word.eq_ignore_ascii_case(known))
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
