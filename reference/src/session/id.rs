//! Session ids.

use std::borrow::Borrow;
use std::fmt;

use crate::error::{Error, ErrorClass, Result};

/// Longest id that is taken from a peer. Ours have 32 characters; this leaves room and keeps a store's keys small.
pub const MAX_ID_BYTES: usize = 1024;

/// A session's id. Ours are 32 lowercase hex digits, a random UUID without dashes; a peer's may be any text that is not
/// empty (AVP-HS-042, AVP-HS-043).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// A fresh one from the operating system's random source.
    ///
    /// # Errors
    /// `session` when the source fails.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(ErrorClass::Session, "session_id", "random bytes", error.to_string())
        })?;
        // Version 4, variant 1 of RFC 9562.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes)).into()))
    }

    /// A peer's.
    ///
    /// # Errors
    /// `session` when it is empty or longer than [`MAX_ID_BYTES`].
    pub fn from_peer(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > MAX_ID_BYTES {
            return Err(Error::new(
                ErrorClass::Session,
                "session_id",
                format!("1 to {MAX_ID_BYTES} bytes"),
                format!("{} bytes", text.len()),
            ));
        }
        Ok(Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fresh_hex() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| SessionId::random().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        for id in &ids {
            assert_eq!(id.as_str().len(), 32);
            assert!(id.as_str().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
            assert_eq!(&id.as_str()[12..13], "4");
        }
    }

    #[test]
    fn a_peer_may_use_any_text() {
        assert_eq!(SessionId::from_peer("sess-1").unwrap().as_str(), "sess-1");
        assert!(SessionId::from_peer("").is_err());
        assert!(SessionId::from_peer(&"x".repeat(1025)).is_err());
    }
}
