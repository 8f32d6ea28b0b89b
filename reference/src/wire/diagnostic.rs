//! What is odd about a message but no reason to refuse it.

use crate::error::Error;

/// The kind of an oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiagnosticCode {
    /// The KV or hybrid flag says otherwise than the metadata; the metadata wins (AVP-PAY-015, A-004).
    FlagConflict,
    /// The map flag and `avp_map_id` disagree; the metadata wins (AVP-PAY-016, A-004).
    MapFlagConflict,
    /// Flag bits without a meaning are set (AVP-HDR-015, A-015).
    ReservedFlags,
    /// Bytes follow the message (AVP-HDR-022) or the KV data (AVP-KV-009, A-017).
    TrailingBytes,
    /// `tensor_shape`, `hidden_dim` and the payload's length disagree (AVP-PAY-007, AVP-PAY-011, A-023).
    ShapeMismatch,
    /// A hybrid message whose payload is no hybrid payload: it is handed over as it is (AVP-PAY-014).
    HybridUnparsable,
    /// The KV header's dtype is not the metadata's; the KV header wins (AVP-KV-015, A-011).
    DtypeMismatch,
    /// The KV header's layer count is not the metadata's; the KV header wins (AVP-KV-015).
    LayersMismatch,
}

impl DiagnosticCode {
    /// The name in ACP/1 and in `avp inspect --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlagConflict => "flag_conflict",
            Self::MapFlagConflict => "map_flag_conflict",
            Self::ReservedFlags => "reserved_flags",
            Self::TrailingBytes => "trailing_bytes",
            Self::ShapeMismatch => "shape_mismatch",
            Self::HybridUnparsable => "hybrid_unparsable",
            Self::DtypeMismatch => "dtype_mismatch",
            Self::LayersMismatch => "layers_mismatch",
        }
    }
}

/// One oddity: what a strict decoder would have refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: DiagnosticCode,
    /// The requirement that speaks of it.
    pub requirement: &'static str,
    /// Field, offset, expected, found; the error that a strict decoder returns.
    pub error: Error,
}

impl Diagnostic {
    /// A diagnostic with the error that a strict reader returns in its place.
    pub(crate) fn new(code: DiagnosticCode, requirement: &'static str, error: Error) -> Self {
        Self { code, requirement, error }
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.code.as_str(), self.error, self.requirement)
    }
}
