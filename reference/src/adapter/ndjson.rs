//! The framing of one JSON object a line.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::OutPart;
use super::frame::protocol;
use super::{MAX_BLOB, MAX_VOCABULARY_JSON};

/// Longest line: the longest JSON, and the longest blob in base64.
pub(super) const MAX_LINE: usize = MAX_VOCABULARY_JSON + MAX_BLOB / 3 * 4 + 4;

/// The bytes of a line's blob.
pub(super) fn blob(base64: &str) -> io::Result<Vec<u8>> {
    let bytes = STANDARD.decode(base64).map_err(|error| protocol(format!("blob: {error}")))?;
    if bytes.len() > MAX_BLOB {
        return Err(protocol(format!("a blob of {} bytes", bytes.len())));
    }
    Ok(bytes)
}

/// Adds the member `blob` to the JSON object that `line` ends with.
pub(super) fn append_blob(parts: &[OutPart<'_>], line: &mut Vec<u8>) {
    let blob: Vec<u8> = parts.iter().flat_map(|part| part.bytes.iter().copied()).collect();
    let closed = line.pop();
    debug_assert_eq!(closed, Some(b'}'));
    line.extend_from_slice(b",\"blob\":\"");
    line.extend_from_slice(STANDARD.encode(blob).as_bytes());
    line.extend_from_slice(b"\"}");
}
