//! REPLY → CODE: where in a reply the code stands, and how it can be read.

/// Bytes of a reply that are looked at. Replies are some kilobytes.
const MOST: usize = 256 << 10;
/// Blocks of code that are looked at, the last ones where there are more.
const BLOCKS: usize = 16;
/// What stands before a block of code and after it.
const FENCES: [&str; 2] = ["```", "~~~"];
/// Names of the language behind a fence.
const LANGUAGES: [&str; 5] = ["", "python", "python3", "py", "py3"];
/// What a line of code at the left margin begins with, where code stands among other text without a fence.
const BEGINNINGS: [&str; 7] = ["def ", "class ", "import ", "from ", "@", "async def ", "#"];
/// The indentation of a function's body.
const INDENT: &str = "    ";

/// The blocks of code of a reply, in their order. Those that are named as another language count only where there are no others.
/// An open block ends with the reply.
pub(in crate::scorer) fn fenced(reply: &str) -> Vec<String> {
    let (mut python, mut other) = (Vec::new(), Vec::new());
    let mut open: Option<(Fence<'_>, Vec<&str>)> = None;
    for line in head(reply).lines() {
        match open.take() {
            None => open = Fence::of(line).map(|fence| (fence, Vec::new())),
            Some((fence, mut lines)) => {
                // In a list, a block is as far in as its fence.
                let line = dedented(line, fence.indent);
                // Some close a block at the end of its last line.
                let Some(last) = line.trim_end().strip_suffix(fence.mark) else {
                    lines.push(line);
                    open = Some((fence, lines));
                    continue;
                };
                lines.push(last);
                if fence.is_python { &mut python } else { &mut other }.push(lines.join("\n"));
            }
        }
    }
    if let Some((fence, lines)) = open {
        if fence.is_python { &mut python } else { &mut other }.push(lines.join("\n"));
    }
    let mut blocks = if python.iter().any(|block| !block.trim().is_empty()) { python } else { other };
    blocks.retain(|block| !block.trim().is_empty());
    blocks.drain(..blocks.len().saturating_sub(BLOCKS));
    blocks
}

/// What opens a block.
struct Fence<'a> {
    mark: &'a str,
    is_python: bool,
    /// Bytes of space before it.
    indent: usize,
}

impl Fence<'_> {
    /// In a line of its own; or at the end of one that says something first, where the language is named or a colon stands before.
    fn of(line: &str) -> Option<Self> {
        let text = line.trim();
        let language = |rest: &str| rest.trim().to_lowercase();
        if let Some(mark) = FENCES.iter().find(|mark| text.starts_with(**mark)) {
            let is_python = LANGUAGES.contains(&language(text.trim_start_matches(mark)).as_str());
            return Some(Self { mark, is_python, indent: line.len() - line.trim_start().len() });
        }
        FENCES.iter().find_map(|mark| {
            let (before, rest) = text.rsplit_once(*mark)?;
            let language = language(rest);
            let is_python = LANGUAGES.contains(&language.as_str());
            let opens = is_python && (!language.is_empty() || before.trim_end().ends_with(':'));
            // Two fences in a line are a block of their own, or text about one.
            (opens && !before.contains(*mark)).then_some(Self { mark, is_python, indent: 0 })
        })
    }
}

/// A line without so much of the space that it begins with.
fn dedented(line: &str, indent: usize) -> &str {
    let space = line.bytes().take(indent).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &line[space..]
}

/// The part of a reply without fences that is code: from the first line that begins like code to the last before other text at
/// the left margin.
pub(in crate::scorer) fn unfenced(reply: &str) -> Option<String> {
    let begins = |line: &&str| BEGINNINGS.iter().any(|word| line.starts_with(word));
    let lines: Vec<_> = head(reply).lines().collect();
    let first = lines.iter().position(|line| begins(line) && !line.starts_with('#'))?;
    let is_code =
        |line: &&str| begins(line) || line.trim().is_empty() || line.starts_with([' ', '\t', ')', ']', '}']);
    let code: Vec<_> = lines[first..].iter().copied().take_while(is_code).collect();
    Some(code.join("\n"))
}

/// Whether a text does something at its left margin that may fail: reads input, asserts, ends.
pub(in crate::scorer) fn acts(text: &str) -> bool {
    text.lines().filter(|line| !line.starts_with([' ', '\t'])).any(|line| {
        line.starts_with("assert") || ["input(", "exit(", "print("].iter().any(|call| line.contains(call))
    })
}

/// A reply that goes on where a prompt ends: up to the first line at the left margin, save the very first line, whose indentation
/// is often lost.
pub(in crate::scorer) fn continued(reply: &str) -> &str {
    let reply = head(reply).trim_start_matches(['\n', '\r']);
    let mut end = 0;
    for line in reply.split_inclusive('\n') {
        if end > 0 && !line.trim().is_empty() && !line.starts_with([' ', '\t']) {
            break;
        }
        end += line.len();
    }
    &reply[..end]
}

/// How a text can be the body of a function: as it stands; with the indentation that its first line lost; all of it moved.
pub(in crate::scorer) fn bodies(text: &str) -> Vec<String> {
    let text = text.trim_matches(['\n', '\r']).trim_end();
    let moved: Vec<_> = text
        .lines()
        .map(|line| if line.trim().is_empty() { String::new() } else { format!("{INDENT}{line}") })
        .collect();
    let first = format!("{INDENT}{}", text.trim_start());
    if text.starts_with([' ', '\t']) { vec![text.to_owned(), first] } else { vec![first, moved.join("\n")] }
}

/// The beginning of a reply.
pub(in crate::scorer) fn head(reply: &str) -> &str {
    let mut end = reply.len().min(MOST);
    while !reply.is_char_boundary(end) {
        end -= 1;
    }
    &reply[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_found_by_their_fences() {
        let reply = "So:\n```python\na = 1\n```\nand\n```text\nout\n```\n  ~~~\n b\n  ~~~\n```py\nc";
        assert_eq!(fenced(reply), ["a = 1\n", "b\n", "c"]);
        assert_eq!(fenced("```text\nonly\n```"), ["only\n"]);
        assert_eq!(fenced("```python\nx = 1```\ntext"), ["x = 1"]);
        let list = "1. The fix:\n\n   ```python\n   def f(x):\n       return x\n\n   ```\n2. Done";
        assert_eq!(fenced(list), ["def f(x):\n    return x\n\n"]);
        assert_eq!(fenced("Here is the code: ```python\nx = 1\n```\nIt works."), ["x = 1\n"]);
        assert_eq!(fenced("So: ```\nx = 1```"), ["x = 1"]);
        assert!(fenced("Call ```f``` or ```g```\nnow").is_empty() && fenced("an end```\nnow").is_empty());
        assert!(fenced("no code").is_empty() && fenced("```\n\n```").is_empty());
    }

    #[test]
    fn code_among_text_ends_where_text_goes_on() {
        let reply = "Here it is:\n\nimport math\n\ndef f(x):\n    return (\n        x\n    )\n\nIt works.\n";
        let code = unfenced(reply).unwrap();
        assert!(code.starts_with("import math") && code.trim_end().ends_with(')'), "{code}");
        assert_eq!(unfenced("nothing\nhere"), None);
        assert_eq!(continued("\n    a\n\n    b\ntext\n    c"), "    a\n\n    b\n");
        assert_eq!(continued("a\n    b\ndef g():"), "a\n    b\n");
    }

    #[test]
    fn a_body_gets_the_indentation_that_it_lost() {
        assert_eq!(bodies("a\n    b")[0], "    a\n    b");
        assert_eq!(bodies("a\nb\n")[1], "    a\n    b");
        assert_eq!(bodies("\n    a\n    b\n")[0], "    a\n    b");
    }

    proptest! {
        #[test]
        fn any_text_is_read(reply in "(```|~~~|python|def f\\(\\):|\\PC|\n| ){0,60}") {
            for block in fenced(&reply) {
                prop_assert!(!block.trim().is_empty() && block.len() <= reply.len());
            }
            prop_assert!(unfenced(&reply).is_none_or(|code| code.len() <= reply.len()));
            prop_assert!(continued(&reply).len() <= reply.len());
            prop_assert!(!bodies(&reply).is_empty());
        }
    }
}
