//! Bearer tokens of a server: who may ask.

use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, ErrorClass, Result};

/// Most tokens of a server: each request is held against all of them.
pub const MAX_TOKENS: usize = 1024;
/// Shortest secret that is taken: 16 characters, 64 bits when they are hex digits, beyond guessing over a network.
pub const MIN_SECRET: usize = 16;
/// Longest secret that is taken. A JSON web token may have some kilobytes.
pub const MAX_SECRET: usize = 8 << 10;

/// Names and secrets. Secrets are kept as their hashes: they can't leak from memory, and comparing takes the same time
/// whatever their length and content.
#[derive(Clone, Default)]
pub struct Tokens(Vec<(String, [u8; 32])>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Tokens {
    /// No tokens: everybody may ask.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One token for the peer of that name.
    ///
    /// # Errors
    /// As [`Self::from_text`].
    pub fn one(name: &str, secret: &str) -> Result<Self> {
        let mut tokens = Self::default();
        tokens.add(1, name, secret)?;
        Ok(tokens)
    }

    /// One token a line, `NAME SECRET` or `SECRET` alone; empty lines and those that begin with `#` do not count. Errors
    /// name the line and never the secret.
    ///
    /// # Errors
    /// `configuration` for no token at all, a secret that is too short, too long or holds other than visible ASCII, a
    /// name that occurs twice, or more than [`MAX_TOKENS`].
    pub fn from_text(text: &str) -> Result<Self> {
        let mut tokens = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let (first, second, third) = (words.next().unwrap_or_default(), words.next(), words.next());
            let number = index + 1;
            if third.is_some() {
                return Err(refused(number, "NAME SECRET, or SECRET alone", "more words"));
            }
            match second {
                Some(secret) => tokens.add(number, first, secret)?,
                None => tokens.add(number, &format!("token-{number}"), first)?,
            }
        }
        if tokens.0.is_empty() {
            return Err(Error::new(ErrorClass::Configuration, "tokens", "a token", "none"));
        }
        Ok(tokens)
    }

    /// The tokens of a file, in the form of [`Self::from_text`].
    ///
    /// # Errors
    /// `configuration` when it can't be read, and as [`Self::from_text`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let found = format!("{}: {error}", path.display());
            Error::new(ErrorClass::Configuration, "tokens", "a readable file", found)
        })?;
        Self::from_text(&text)
    }

    fn add(&mut self, line: usize, name: &str, secret: &str) -> Result<()> {
        let len = secret.len();
        if !(MIN_SECRET..=MAX_SECRET).contains(&len) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let expected = format!("a secret of {MIN_SECRET} to {MAX_SECRET} visible ASCII characters");
            return Err(refused(line, &expected, &format!("{len} bytes")));
        }
        if self.0.len() == MAX_TOKENS {
            return Err(refused(line, &format!("at most {MAX_TOKENS} tokens"), "one more"));
        }
        if self.0.iter().any(|(other, _)| other == name) {
            return Err(refused(line, "names that differ", "a name again"));
        }
        self.0.push((name.to_owned(), Sha256::digest(secret).into()));
        Ok(())
    }

    /// Whether there are none, so that everybody may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose secret this is. Takes the same time whichever it is, or none.
    #[must_use]
    pub fn name_of(&self, secret: &str) -> Option<&str> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let mut found = None;
        for (name, token) in &self.0 {
            if bool::from(token.ct_eq(&hash)) {
                found = Some(name.as_str());
            }
        }
        found
    }
}

/// The secret in the value of an `Authorization` header: `Bearer SECRET`, the scheme in any case (RFC 9110, 11.1).
#[must_use]
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

fn refused(line: usize, expected: &str, found: &str) -> Error {
    Error::new(ErrorClass::Configuration, "tokens", expected, format!("{found} in line {line}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_secrets_comments_and_lone_secrets() {
        let tokens = Tokens::from_text(
            "# who may ask\n\nalice 0123456789abcdef\n  fedcba9876543210  \nbob  ABCDEFGHIJKLMNOP\n",
        )
        .unwrap();
        assert_eq!(tokens.name_of("0123456789abcdef"), Some("alice"));
        assert_eq!(tokens.name_of("fedcba9876543210"), Some("token-4"));
        assert_eq!(tokens.name_of("0123456789abcdeF"), None);
        assert_eq!(tokens.name_of(""), None);
        assert_eq!(format!("{tokens:?}"), r#"["alice", "token-4", "bob"]"#);
    }

    #[test]
    fn refusals_name_the_line_and_not_the_secret() {
        for (text, line) in [
            ("alice short", "line 1"),
            ("\nalice 0123456789abcdef x", "line 2"),
            ("a 0123456789abcdef\na 0123456789abcdeg", "line 2"),
            ("a 0123456789abcdé12", "line 1"),
        ] {
            let error = Tokens::from_text(text).unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration);
            assert!(error.found.contains(line), "{error}");
            assert!(!error.to_string().contains("0123") && !error.to_string().contains("short"), "{error}");
        }
        assert!(Tokens::from_text("# nothing\n").is_err());
        let many: String = (0..=MAX_TOKENS).map(|n| format!("n{n} {n:016}\n")).collect();
        assert!(Tokens::from_text(&many).is_err());
    }

    #[test]
    fn bearers() {
        for value in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(value), Some("abc"));
        }
        for value in ["", "abc", "Bearer", "Bearer ", "Basic abc", "Bearerabc"] {
            assert_eq!(bearer(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn only_the_very_secret_is_known(secret in "[!-~]{16,40}", other in "[!-~]{0,40}") {
            let tokens = Tokens::one("peer", &secret).unwrap();
            prop_assert_eq!(tokens.name_of(&secret), Some("peer"));
            prop_assert_eq!(tokens.name_of(&other).is_some(), other == secret);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = Tokens::from_text(&text);
            let _ = bearer(&text);
        }
    }
}
