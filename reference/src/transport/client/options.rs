//! How a client speaks.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};
use crate::session::{MapLookup, ModelIdentity, Vocabulary};
use crate::wire::Dialect;

/// Longest token, in bytes: half of what servers commonly take for all headers.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// Under TLS what the server chooses by ALPN, HTTP/2 first. In cleartext HTTP/1.1: there is nothing to choose by, and
    /// every server speaks it.
    #[default]
    Auto,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone; in cleartext by prior knowledge.
    Http2,
}

/// A bearer token. Shown nowhere: not in `Debug`, not in errors, not in the header tables of HTTP/2.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Of its text.
    ///
    /// # Errors
    /// `configuration` when it is empty, longer than 8 KiB, or has characters that no header can hold.
    pub fn new(text: &str) -> Result<Self> {
        let refused = |found: String| {
            let expected = format!("1 to {MAX_TOKEN_BYTES} characters of ASCII without spaces");
            Error::new(ErrorClass::Configuration, "token", expected, found)
        };
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Err(refused(format!("{} bytes", text.len())));
        }
        if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(refused(format!("another one, at byte {at}")));
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| refused("characters that no header can hold".to_owned()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Of a file that holds nothing else. Spaces and line ends around it do not count.
    ///
    /// # Errors
    /// `configuration` when it can't be read, or as [`Token::new`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let found = format!("{}: {error}", path.display());
            Error::new(ErrorClass::Configuration, "token", "a file with the token", found)
        })?;
        Self::new(text.trim())
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Settings of a client.
#[derive(Clone)]
pub struct ClientOptions {
    /// Who speaks (AVP-HTTP-016).
    pub agent_id: String,
    /// The speaker's model; a handshake needs it (AVP-HTTP-021).
    pub identity: Option<ModelIdentity>,
    /// What the hello says beside it.
    pub capabilities: Map<String, Value>,
    /// Sent on every path (AVP-HTTP-019).
    pub token: Option<Token>,
    /// From a call to the end of its answer, waits and further attempts included; at most [`Self::MAX_TIMEOUT`]. A large
    /// context takes its time: 390 MiB at 100 Mbit/s are 33 s.
    pub timeout: Duration,
    /// From a call to an open connection, TLS included; at most [`Self::MAX_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Allows `http://` to this machine (AVP-SEC-001). There is no way to allow it to another.
    pub insecure_loopback: bool,
    /// Certificates in PEM that are trusted beside those of the platform. There is no way to trust any.
    pub roots: Vec<Vec<u8>>,
    /// Which HTTP.
    pub version: HttpVersion,
    /// Of which dialect the messages are; every request says so (AVP-HTTP-015).
    pub dialect: Dialect,
    /// Stored projections of the own model onto others (rule 4 of the handshake).
    pub maps: Option<Arc<dyn MapLookup + Send + Sync>>,
    /// The own and the server's vocabulary, where both are known (rule 5).
    pub vocabularies: Option<Arc<(Vocabulary<'static>, Vocabulary<'static>)>>,
}

impl ClientOptions {
    /// Default of [`Self::timeout`] (AVP-HTTP-022).
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// Default of [`Self::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// Longest time that can be waited for anything: far beyond it the clock's numbers end.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            agent_id: "default".to_owned(),
            identity: None,
            capabilities: Map::new(),
            token: None,
            timeout: Self::TIMEOUT,
            connect_timeout: Self::CONNECT_TIMEOUT,
            insecure_loopback: false,
            roots: Vec::new(),
            version: HttpVersion::Auto,
            dialect: Dialect::V04,
            maps: None,
            vocabularies: None,
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("agent_id", &self.agent_id)
            .field("identity", &self.identity)
            .field("token", &self.token)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("insecure_loopback", &self.insecure_loopback)
            .field("roots", &self.roots.len())
            .field("version", &self.version)
            .field("dialect", &self.dialect)
            .field("maps", &self.maps.is_some())
            .field("vocabularies", &self.vocabularies.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_show_nowhere() {
        let token = Token::new("s3cret").unwrap();
        let options = ClientOptions { token: Some(token.clone()), ..ClientOptions::default() };
        assert!(!format!("{token:?} {options:?} {:?}", token.header()).contains("s3cret"));
        assert_eq!(token.header().as_bytes(), b"Bearer s3cret");
        assert!(token.header().is_sensitive());
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_repeated() {
        let long = "s3cret".repeat(2000);
        for text in ["", " ", "s3cret x", "s3cret\r\nX: y", "s3crét", "s3cret\0", &long] {
            let error = Token::new(text).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::Configuration, "token"));
            assert!(!format!("{error:?}").contains("s3cr"), "{error}");
        }
    }

    #[test]
    fn files_may_end_with_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\r\n").unwrap();
        assert_eq!(Token::from_file(&path).unwrap().header().as_bytes(), b"Bearer s3cret");
        let error = Token::from_file(&folder.path().join("none")).unwrap_err();
        assert_eq!(error.class, ErrorClass::Configuration);
    }
}
