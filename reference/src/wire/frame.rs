//! A zstd frame seen from outside (RFC 8878, section 3.1): where it ends and how much it can hold, without inflating a
//! byte of it. Every number here is the peer's claim; the walk makes sure that the claims fit each other before anything
//! is allocated for them.

use crate::error::{Error, ErrorClass, Result};

const MAGIC: u32 = 0xfd2f_b528;
/// Sixteen magic numbers introduce frames to be skipped.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;
/// No block regenerates more than this, whatever the window.
const MAX_BLOCK: u64 = 128 << 10;
const CHECKSUM_LEN: usize = 4;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of the frame, from magic to checksum.
    pub(super) len: usize,
    /// Content size, when the frame carries it.
    pub(super) content_size: Option<u64>,
    /// Bytes of history that a streaming decoder must keep.
    pub(super) window: u64,
    /// The content is the window: it is inflated in place and needs no history of its own.
    pub(super) single_segment: bool,
    /// The blocks hold at least this many bytes.
    pub(super) min_content: u64,
    /// The blocks hold at most this many bytes.
    pub(super) max_content: u64,
}

/// Walks the frame at the start of `bytes`. `base` is its offset in the message.
///
/// # Errors
/// `decode` when this is no frame, a skippable one, one that needs a dictionary, or one that is cut or contradicts
/// itself.
pub(super) fn walk(bytes: &[u8], base: usize) -> Result<Frame> {
    let mut cursor = Cursor { bytes, pos: 0, base };
    let magic = cursor.number::<4>("payload.zstd.magic")? as u32;
    if magic != MAGIC {
        let skippable = magic & !0xf == SKIPPABLE_MAGIC;
        let found = if skippable { "a skippable frame".to_owned() } else { hex(&bytes[..4]) };
        return Err(cursor.error("payload.zstd.magic", "28b52ffd", found).at(base));
    }

    let descriptor = cursor.number::<1>("payload.zstd.frame_header")? as u8;
    if descriptor & 0x08 != 0 {
        let found = format!("descriptor 0x{descriptor:02x}");
        return Err(cursor.error("payload.zstd.frame_header", "reserved bit 3 clear", found).at(base + 4));
    }
    let single_segment = descriptor & 0x20 != 0;
    let window_descriptor =
        if single_segment { None } else { Some(cursor.number::<1>("payload.zstd.window")?) };
    let dictionary = match descriptor & 3 {
        0 => 0,
        1 => cursor.number::<1>("payload.zstd.dictionary_id")?,
        2 => cursor.number::<2>("payload.zstd.dictionary_id")?,
        _ => cursor.number::<4>("payload.zstd.dictionary_id")?,
    };
    if dictionary != 0 {
        let found = format!("dictionary {dictionary}");
        return Err(cursor.error("payload.zstd.dictionary_id", "no dictionary", found).at(base + 5));
    }
    let content_size = match descriptor >> 6 {
        0 if !single_segment => None,
        0 => Some(cursor.number::<1>("payload.zstd.content_size")?),
        1 => Some(cursor.number::<2>("payload.zstd.content_size")? + 256),
        2 => Some(cursor.number::<4>("payload.zstd.content_size")?),
        _ => Some(cursor.number::<8>("payload.zstd.content_size")?),
    };
    let window = match window_descriptor {
        Some(byte) => {
            let base = 1u64 << (10 + (byte >> 3));
            base + (base >> 3) * (byte & 7)
        }
        None => content_size.unwrap_or(0),
    };

    let (mut min_content, mut max_content) = (0u64, 0u64);
    let block_max = window.min(MAX_BLOCK);
    loop {
        let at = base + cursor.pos;
        let header = cursor.number::<3>("payload.zstd.block")?;
        let (last, kind, size) = (header & 1 != 0, header >> 1 & 3, header >> 3);
        if size > block_max {
            let expected = format!("at most {block_max} bytes");
            return Err(cursor.error("payload.zstd.block", expected, size.to_string()).at(at));
        }
        // A block counts at most 128 KiB for at least three bytes of input, so these sums can't overflow.
        let stored = match kind {
            0 => {
                min_content += size;
                max_content += size;
                size
            }
            1 => {
                min_content += size;
                max_content += size;
                1
            }
            2 => {
                max_content += block_max;
                size
            }
            _ => return Err(cursor.error("payload.zstd.block", "block type 0, 1 or 2", "type 3").at(at)),
        };
        cursor.skip(stored as usize, "payload.zstd.block")?;
        if last {
            break;
        }
    }
    if descriptor & 0x04 != 0 {
        cursor.skip(CHECKSUM_LEN, "payload.zstd.checksum")?;
    }
    Ok(Frame { len: cursor.pos, content_size, window, single_segment, min_content, max_content })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
    base: usize,
}

impl Cursor<'_> {
    /// The next `N` ≤ 8 bytes as a little-endian number.
    fn number<const N: usize>(&mut self, field: &'static str) -> Result<u64> {
        let start = self.pos;
        self.skip(N, field)?;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.bytes[start..self.pos]);
        Ok(u64::from_le_bytes(wide))
    }

    fn skip(&mut self, len: usize, field: &'static str) -> Result<()> {
        let left = self.bytes.len() - self.pos;
        if left < len {
            let found = format!("{left} bytes");
            return Err(self.error(field, format!("{len} bytes"), found).at(self.base + self.pos));
        }
        self.pos += len;
        Ok(())
    }

    fn error(&self, field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::new(ErrorClass::Decode, field, expected, found)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_frame_is_measured() {
        let bytes = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];
        let frame = walk(&bytes, 0).unwrap();
        assert_eq!((frame.len, frame.content_size, frame.max_content), (9, Some(0), 0));
    }

    #[test]
    fn zstd_agrees_about_the_end_of_its_frames() {
        for (len, level) in [(0, 1), (1, 3), (255, 3), (256, 1), (70_000, 3), (1 << 20, 19), (3 << 20, 1)] {
            let content: Vec<u8> = (0..len).map(|i: usize| ((i * i) >> 7) as u8).collect();
            let mut bytes = zstd::bulk::compress(&content, level).unwrap();
            let end = bytes.len();
            bytes.extend_from_slice(b"behind");
            let frame = walk(&bytes, 0).unwrap();
            assert_eq!((frame.len, frame.content_size), (end, Some(len as u64)));
            assert!(frame.min_content <= len as u64 && len as u64 <= frame.max_content);
        }
    }

    #[test]
    fn cut_frames_are_refused_everywhere() {
        let bytes = zstd::bulk::compress(&[7; 300_000], 1).unwrap();
        for len in 0..bytes.len() {
            assert!(walk(&bytes[..len], 0).is_err(), "cut at {len}");
        }
    }
}
