//! zstd on payload sections (AVP-CMP): one frame with its content size out, one bounded frame in.

use std::io;

use zstd::zstd_safe::{CParameter, DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::{
    enums::PayloadType,
    frame,
    header::{Flags, Header},
    limits::Limits,
};
use crate::error::{Error, ErrorClass, Result};

/// How hard the encoder tries (AVP-CMP-002, AVP-ENUM-013).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Payload as it is.
    #[default]
    None,
    /// zstd level 1.
    Fast,
    /// zstd level 3: what "compressed" means without a level.
    Balanced,
    /// zstd level 19.
    Max,
}

/// Below this many bytes a frame's overhead eats what it saves (AVP-CMP-010).
const WORTH_COMPRESSING: u64 = 1024;

impl Compression {
    /// The zstd level, `None` for no compression.
    pub fn level(self) -> Option<i32> {
        match self {
            Self::None => None,
            Self::Fast => Some(1),
            Self::Balanced => Some(3),
            Self::Max => Some(19),
        }
    }

    /// The name in ACP/1 and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Max => "max",
        }
    }

    /// The level with this name; `default` is balanced.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "fast" => Some(Self::Fast),
            "balanced" | "default" => Some(Self::Balanced),
            "max" => Some(Self::Max),
            _ => None,
        }
    }

    /// What the protocol advises for a payload of `len` bytes (AVP-CMP-010): compress embeddings above 1 KB; hidden
    /// states and caches are noise to zstd.
    pub fn advised(payload_type: PayloadType, len: u64) -> Self {
        match payload_type {
            PayloadType::Embedding if len > WORTH_COMPRESSING => Self::Balanced,
            _ => Self::None,
        }
    }
}

/// Appends the payload as one zstd frame with its content size, without checksum or dictionary (AVP-CMP-003,
/// AVP-CMP-004).
pub(super) fn compress_append(payload: &[u8], level: i32, out: &mut Vec<u8>) -> Result<()> {
    let failed = |error: io::Error| {
        Error::new(ErrorClass::InvalidArgument, "payload", "a compressible payload", error.to_string())
    };
    let mut compressor = zstd::bulk::Compressor::new(level).map_err(failed)?;
    compressor.set_parameter(CParameter::ContentSizeFlag(true)).map_err(failed)?;
    out.reserve(zstd::zstd_safe::compress_bound(payload.len()));
    let mut tail = io::Cursor::new(&mut *out);
    tail.set_position(tail.get_ref().len() as u64);
    compressor.compress_to_buffer(payload, &mut tail).map_err(failed)?;
    Ok(())
}

/// First allocation for a frame that does not tell its size. Most such messages are small.
const FIRST_CHUNK: u64 = 64 << 10;

/// Inflates the one frame that a compressed section consists of. `base` is the section's offset in the message.
///
/// The frame is walked first. So a section that is no single frame (AVP-CMP-005, AVP-CMP-006), a size beyond the limit
/// (AVP-CMP-018) or one that the blocks can't hold is refused in constant memory, without inflating anything.
pub(super) fn decompress(section: &[u8], base: usize, limits: &Limits) -> Result<Vec<u8>> {
    let frame = frame::walk(section, base)?;
    if frame.len < section.len() {
        return Err(Error::new(
            ErrorClass::Decode,
            "payload",
            "one zstd frame and nothing behind it",
            format!("{} more bytes", section.len() - frame.len),
        )
        .at(base + frame.len));
    }

    let max = limits.max_payload;
    let claimed = frame.content_size.unwrap_or(frame.min_content);
    if claimed > max {
        return Err(too_large(max, format!("{claimed} bytes"), base));
    }
    let max_window = 1u64.checked_shl(limits.max_window_log).unwrap_or(u64::MAX);
    if !frame.single_segment && frame.window > max_window {
        let expected = format!("a window of at most {max_window} bytes");
        let found = format!("{} bytes", frame.window);
        return Err(
            Error::new(ErrorClass::LimitExceeded, "payload.zstd.window", expected, found).at(base + 5)
        );
    }
    match frame.content_size {
        Some(size) if size < frame.min_content || size > frame.max_content => Err(Error::new(
            ErrorClass::Decode,
            "payload.zstd.content_size",
            format!("{} to {} bytes, as the blocks have it", frame.min_content, frame.max_content),
            size.to_string(),
        )
        .at(base)),
        Some(size) => decompress_sized(section, size, base),
        None => decompress_unsized(section, frame.max_content, base, limits),
    }
}

/// Bytes that decoding `message` allocates for its payload at most: 0 for one that is not compressed. A frame says how much
/// it holds, or its blocks bound it; both are held against the limit when it inflates.
///
/// # Errors
/// As [`super::Decoder::decode`] for header and frame.
pub fn inflated_bound(message: &[u8], limits: Limits) -> Result<u64> {
    let header = Header::parse(message)?;
    if !Flags(header.flags).compressed() {
        return Ok(0);
    }
    let (_, payload) = header.sections()?;
    let base = payload.start;
    let frame = frame::walk(message.get(payload).unwrap_or_default(), base)?;
    Ok(frame.content_size.unwrap_or(frame.max_content).min(limits.max_payload))
}

/// Straight into a buffer of the right size: no window, no second copy.
fn decompress_sized(section: &[u8], size: u64, base: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    grow(&mut out, size, base)?;
    let mut context = context(base)?;
    let written = context.decompress(&mut out, section).map_err(|code| corrupt(code, base))?;
    // `Vec` may have allocated more than it was asked for, so zstd could not judge this.
    if written as u64 != size {
        let expected = format!("{size} bytes, the frame's content size");
        return Err(Error::new(ErrorClass::Decode, "payload", expected, format!("{written} bytes")).at(base));
    }
    Ok(out)
}

/// In steps, the buffer doubling up to what the blocks or the limit allow.
fn decompress_unsized(section: &[u8], max_content: u64, base: usize, limits: &Limits) -> Result<Vec<u8>> {
    let most = max_content.min(limits.max_payload);
    let mut context = context(base)?;
    // zstd knows windows of 2^10 to 2^31 bytes; the limit itself was held against the frame's header.
    context
        .set_parameter(DParameter::WindowLogMax(limits.max_window_log.clamp(10, 31)))
        .map_err(|code| corrupt(code, base))?;
    let mut input = InBuffer::around(section);
    let mut out = Vec::new();
    loop {
        let filled = out.len();
        if (filled as u64) < most && filled == out.capacity() {
            let next = (2 * filled as u64).clamp(FIRST_CHUNK, most.max(FIRST_CHUNK)).min(most);
            grow(&mut out, next, base)?;
        }
        let consumed = input.pos();
        let left = if filled as u64 >= most {
            // Full. One byte more tells content that ends here from content that goes on.
            let mut probe = [0u8; 1];
            let mut output = OutBuffer::around(&mut probe[..]);
            let left =
                context.decompress_stream(&mut output, &mut input).map_err(|code| corrupt(code, base))?;
            if output.pos() > 0 {
                return Err(too_large(limits.max_payload, "more".to_owned(), base));
            }
            left
        } else {
            let mut output = OutBuffer::around_pos(&mut out, filled);
            context.decompress_stream(&mut output, &mut input).map_err(|code| corrupt(code, base))?
        };
        if left == 0 {
            return Ok(out);
        }
        if input.pos() == consumed && out.len() == filled {
            return Err(Error::new(ErrorClass::Decode, "payload", "the frame's end", "no progress").at(base));
        }
    }
}

fn grow(out: &mut Vec<u8>, capacity: u64, base: usize) -> Result<()> {
    usize::try_from(capacity)
        .ok()
        .and_then(|capacity| out.try_reserve_exact(capacity - out.len()).ok())
        .ok_or_else(|| too_large(capacity, "less memory".to_owned(), base))
}

fn context(base: usize) -> Result<DCtx<'static>> {
    DCtx::try_create().ok_or_else(|| too_large(0, "no memory for zstd".to_owned(), base))
}

fn corrupt(code: usize, base: usize) -> Error {
    Error::new(ErrorClass::Decode, "payload", "an intact zstd frame", get_error_name(code)).at(base)
}

fn too_large(max: u64, found: String, base: usize) -> Error {
    let expected = format!("a payload of at most {max} bytes after decompression");
    Error::new(ErrorClass::LimitExceeded, "payload", expected, found).at(base)
}
