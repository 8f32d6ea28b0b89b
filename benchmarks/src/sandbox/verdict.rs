//! What a run says of the code in it.

use std::fmt::Write as _;

/// What a run says of the code in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does what it should.
    Passed,
    /// It does not.
    Failed {
        /// What happened, in words.
        how: String,
    },
    /// It took too long.
    TimedOut,
    /// It wrote more than is read.
    OutputFlood,
    /// Nothing was learnt about the code.
    Infrastructure(String),
}

/// Bytes of what a program says that an outcome shows.
const SHOWN: usize = 400;

impl Outcome {
    /// A failure in words, of bounded length.
    pub fn failed(how: impl AsRef<str>) -> Self {
        Self::Failed { how: shown(how.as_ref()) }
    }
}

/// The first words of what a program says, in one line.
pub(super) fn shown(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().find(|(at, _)| *at >= SHOWN) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// A word that no program can guess: 128 random bits. A verdict counts only behind it.
#[derive(Clone, Debug)]
pub struct Nonce(String);

impl Nonce {
    /// A new one.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn new() -> Result<Self, String> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
        let mut text = String::new();
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the word at the start of a line: the last such line counts.
    #[must_use]
    pub fn verdict(&self, text: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(text);
        let line = text.lines().rev().find_map(|line| line.strip_prefix(self.as_str()))?;
        Some(line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_counts_only_behind_the_word() {
        let nonce = Nonce::new().unwrap();
        assert_ne!(nonce.as_str(), Nonce::new().unwrap().as_str());
        let text = format!("passed\nnoise {0} passed\n{0} failed: it\n", nonce.as_str());
        assert_eq!(nonce.verdict(text.as_bytes()).as_deref(), Some("failed: it"));
        assert_eq!(nonce.verdict(b"passed\n\xff"), None);
    }

    #[test]
    fn words_are_bounded() {
        assert_eq!(shown(" a\n\tb "), "a b");
        assert!(shown(&"é".repeat(10_000)).len() < SHOWN + 8);
    }
}
