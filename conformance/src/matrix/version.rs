//! Releases in their order.

use std::cmp::Ordering;

/// Compares versions piece by piece, numbers as numbers: 0.10 comes after 0.9.
pub fn compare(a: &str, b: &str) -> Ordering {
    let pieces = |text: &str| -> Vec<Piece> { text.split(['.', '-', '+']).map(Piece::of).collect() };
    pieces(a).cmp(&pieces(b)).then_with(|| a.cmp(b))
}

/// Words come before numbers: a release candidate before the release behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Word(String),
    Number(u64),
}

impl Piece {
    fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Word(text.to_owned()), Self::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut versions = ["0.10.0", "0.2.3", "1", "0.9", "0.2.0", ""];
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(versions, ["", "0.2.0", "0.2.3", "0.9", "0.10.0", "1"]);
    }
}
