//! How alike two texts are (AVP-MET-007).

/// The distinct words of a text in lower case, sorted.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Words in common over the words of the text that has more: 1 for two texts without words, 0 when only one has any.
pub fn word_overlap(a: &str, b: &str) -> f64 {
    let (a, b) = (words(a), words(b));
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let both = a.iter().filter(|word| b.binary_search(word).is_ok()).count();
    both as f64 / a.len().max(b.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(word_overlap("a b c", "b c d"), 2.0 / 3.0);
        assert_eq!(
            (word_overlap("", " "), word_overlap("", "a"), word_overlap("a a", "A b b b")),
            (1.0, 0.0, 0.5)
        );
    }
}
