//! One error for the whole core: what was wrong, in which field, at which byte, what was expected and what was found.

use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an error: what a peer, a caller or an ACP/1 harness acts on.
///
/// `LimitExceeded` and `ShapeMismatch` are kinds of `Decode`; `IncompatibleModels` is a kind of `Handshake`,
/// `SessionExpired` of `Session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The first two bytes are not `AV`.
    InvalidMagic,
    /// The version byte is not one that this crate reads.
    UnsupportedVersion,
    /// Malformed input.
    Decode,
    /// Well-formed or not, the input asks for more than a limit allows.
    LimitExceeded,
    /// Bytes and shape do not agree.
    ShapeMismatch,
    /// A malformed or impossible handshake.
    Handshake,
    /// Two models that cannot share latent state.
    IncompatibleModels,
    /// A session rule was broken.
    Session,
    /// The session has outlived its time to live.
    SessionExpired,
    /// The carrier failed.
    Transport,
    /// A projection could not be made.
    Projection,
    /// A setting or a file that the caller chose is wrong.
    Configuration,
    /// The engine cannot do this.
    EngineUnavailable,
    /// The caller passed something that cannot be encoded.
    InvalidArgument,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::InvalidMagic,
        Self::UnsupportedVersion,
        Self::Decode,
        Self::LimitExceeded,
        Self::ShapeMismatch,
        Self::Handshake,
        Self::IncompatibleModels,
        Self::Session,
        Self::SessionExpired,
        Self::Transport,
        Self::Projection,
        Self::Configuration,
        Self::EngineUnavailable,
        Self::InvalidArgument,
    ];

    /// The class that this one is a kind of (AVP-API-018).
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::LimitExceeded | Self::ShapeMismatch => Some(Self::Decode),
            Self::IncompatibleModels => Some(Self::Handshake),
            Self::SessionExpired => Some(Self::Session),
            _ => None,
        }
    }

    /// The class of that name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// The name on the wire of ACP/1, e.g. `invalid_magic`.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidMagic => "invalid_magic",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Decode => "decode",
            Self::LimitExceeded => "limit_exceeded",
            Self::ShapeMismatch => "shape_mismatch",
            Self::Handshake => "handshake",
            Self::IncompatibleModels => "incompatible_models",
            Self::Session => "session",
            Self::SessionExpired => "session_expired",
            Self::Transport => "transport",
            Self::Projection => "projection",
            Self::Configuration => "configuration",
            Self::EngineUnavailable => "engine_unavailable",
            Self::InvalidArgument => "invalid_argument",
        }
    }
}

/// What went wrong, where, what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What a caller acts on.
    pub class: ErrorClass,
    /// The field, dotted: `header.magic`, `metadata.dtype`, `kv.num_layers`, `hello.identity.hidden_dim`.
    pub field: &'static str,
    /// Offset of the offending byte from the start of the message (or document), when there is one.
    pub offset: Option<u64>,
    /// What would have been right.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// Status of the HTTP answer that was refused or that refuses, when the error comes from one (AVP-HTTP-020).
    pub status: Option<u16>,
    /// The class by which the peer itself names the error in that answer.
    pub peer: Option<ErrorClass>,
}

impl Error {
    /// An error without an offset.
    pub fn new(
        class: ErrorClass,
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            class,
            field,
            offset: None,
            expected: expected.into(),
            found: found.into(),
            status: None,
            peer: None,
        }
    }

    /// The same error, at a byte offset.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset as u64);
        self
    }
}

/// A peer's text for an error message: quoted, and cut, since it may be as long as the metadata allows.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX: usize = 48;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        write!(f, "expected {}, found {}", self.expected, self.found)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_listed_once_and_parents_are_no_children() {
        for (index, class) in ErrorClass::ALL.into_iter().enumerate() {
            assert!(!ErrorClass::ALL[..index].contains(&class), "{class:?}");
            assert_eq!(class.parent().and_then(ErrorClass::parent), None);
            assert_eq!(ErrorClass::from_code(class.code()), Some(class));
        }
    }
}
