//! How the upstream project finds code in a reply, by its rules.

/// The inside of the last pair of fences. The second fence of a pair may stand anywhere, and what follows `python` may too.
pub(super) fn last_fence(reply: &str) -> Option<&str> {
    let mut last = None;
    let mut rest = reply;
    while let Some((_, behind)) = rest.split_once("```") {
        let Some((inside, after)) = behind.split_once("```") else { break };
        last = Some(inside.strip_prefix("python").unwrap_or(inside));
        rest = after;
    }
    last
}

/// Whether the text holds `word name (`, with any space between.
pub(super) fn defines(text: &str, word: &str, name: &str) -> bool {
    position(text, word, name, &['(']).is_some()
}

/// Whether the text begins with `word name`, followed by one of `next`, with any space between.
pub(super) fn begins(text: &str, word: &str, name: &str, next: &[char]) -> bool {
    text.strip_prefix(word).is_some_and(|rest| {
        let trimmed = rest.trim_start();
        trimmed.len() < rest.len()
            && trimmed.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(next))
    })
}

/// Where `word name` begins, followed by one of `next`, with any space between.
pub(super) fn position(text: &str, word: &str, name: &str, next: &[char]) -> Option<usize> {
    text.match_indices(word).map(|(at, _)| at).find(|at| begins(&text[*at..], word, name, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pair_of_fences_counts() {
        assert_eq!(last_fence("a ```python\nx\n``` b ```y``` c").map(str::trim), Some("y"));
        assert_eq!(last_fence("```python\nx\n``` ```open").map(str::trim), Some("x"));
        assert_eq!(last_fence("```open"), None);
    }

    #[test]
    fn definitions_may_be_spaced() {
        assert!(defines("def  f (x)", "def", "f") && defines("  def f(x)", "def", "f"));
        assert!(
            !defines("deff(x)", "def", "f")
                && !defines("def fg(x)", "def", "f")
                && !defines("def f", "def", "f")
        );
    }
}
