//! zstd frames by hand: stored and repeated blocks only, so the bytes depend on no compressor (RFC 8878).

use super::content::{Content, TooLarge};
use super::xxh64::xxh64;

/// First bytes of a frame, little-endian.
const FRAME_MAGIC: u32 = 0xFD2F_B528;
/// First bytes of a skippable frame; the low four bits are free.
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;
/// Greatest block of a frame that obeys the format.
const MAX_BLOCK: u64 = 128 << 10;
/// Greatest number that the 21-bit size field of a block holds.
const MAX_BLOCK_FIELD: u64 = (1 << 21) - 1;
/// Least window that a descriptor can state.
const MIN_WINDOW: u64 = 1 << 10;
/// Most blocks of one frame: 1 TiB of repeated bytes would be 32 MiB of blocks, which no vector needs.
const MAX_BLOCKS: u64 = 1 << 20;

/// What the frame header says of the content's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentSize {
    /// The truth.
    #[default]
    Declared,
    /// Nothing.
    Absent,
    /// This, true or not.
    Claimed(u64),
}

/// How the content is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// As it is.
    #[default]
    Raw,
    /// One byte a block, repeated. The content must be one repeated byte.
    Rle,
}

/// A frame to be written.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it holds.
    pub content: Content,
    /// What its header says of the size.
    pub size: ContentSize,
    /// How the content is stored.
    pub blocks: Blocks,
    /// Whether the content's checksum follows.
    pub checksum: bool,
    /// Whether that checksum is wrong.
    pub corrupt_checksum: bool,
    /// Window size in bytes. When it is left out, a frame with a size has one segment, and one without gets the least
    /// window that holds a block of its content.
    pub window: Option<u64>,
    /// Bytes of content a block; the most that the format allows when left out.
    pub block: Option<u64>,
}

impl Frame {
    /// A plain frame: stored blocks, true size, no checksum.
    pub fn new(content: Content) -> Self {
        Self {
            content,
            size: ContentSize::Declared,
            blocks: Blocks::Raw,
            checksum: false,
            corrupt_checksum: false,
            window: None,
            block: None,
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`FrameError`] when the frame can't be written as described.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        let size = match self.size {
            ContentSize::Declared => Some(self.content.len()),
            ContentSize::Absent => None,
            ContentSize::Claimed(size) => Some(size),
        };
        let window = match (self.window, size) {
            (Some(window), _) => Some(window),
            (None, Some(_)) => None,
            (None, None) => Some(self.content.len().clamp(MIN_WINDOW, MAX_BLOCK).next_power_of_two()),
        };

        let mut bytes = FRAME_MAGIC.to_le_bytes().to_vec();
        let (size_code, size_field) = size_field(size, window.is_none());
        let single_segment = u8::from(window.is_none());
        bytes.push(size_code << 6 | single_segment << 5 | u8::from(self.checksum) << 2);
        if let Some(window) = window {
            bytes.push(window_descriptor(window)?);
        }
        bytes.extend_from_slice(&size_field);

        let block = self.block.unwrap_or_else(|| MAX_BLOCK.min(window.unwrap_or(MAX_BLOCK)));
        if block == 0 || block > MAX_BLOCK_FIELD {
            return Err(FrameError::BlockSize(block));
        }
        if self.content.len().div_ceil(block) > MAX_BLOCKS {
            return Err(FrameError::TooManyBlocks);
        }
        match self.blocks {
            Blocks::Raw => self.write_raw(&mut bytes, block as usize)?,
            Blocks::Rle => self.write_rle(&mut bytes, block)?,
        }

        if self.checksum {
            let mut checksum = xxh64(&self.content) as u32;
            if self.corrupt_checksum {
                checksum = !checksum;
            }
            bytes.extend_from_slice(&checksum.to_le_bytes());
        }
        Ok(bytes)
    }

    fn write_raw(&self, out: &mut Vec<u8>, block: usize) -> Result<(), FrameError> {
        let content = self.content.clone().into_bytes()?;
        if content.is_empty() {
            write_block_header(out, true, 0, 0);
        }
        let count = content.len().div_ceil(block);
        for (index, piece) in content.chunks(block).enumerate() {
            write_block_header(out, index + 1 == count, 0, piece.len() as u64);
            out.extend_from_slice(piece);
        }
        Ok(())
    }

    fn write_rle(&self, out: &mut Vec<u8>, block: u64) -> Result<(), FrameError> {
        let byte = self.content.run_byte().ok_or(FrameError::NotARun)?;
        let mut left = self.content.len();
        if left == 0 {
            write_block_header(out, true, 0, 0);
        }
        while left > 0 {
            let take = left.min(block);
            left -= take;
            write_block_header(out, left == 0, 1, take);
            out.push(byte);
        }
        Ok(())
    }
}

/// A skippable frame with these bytes.
pub fn skippable_frame(content: &[u8]) -> Vec<u8> {
    let mut bytes = SKIPPABLE_MAGIC.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// A frame that can't be written as described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Content that is no run.
    #[error("`blocks: rle` needs content of one repeated byte")]
    NotARun,
    /// A window that the descriptor can't state.
    #[error(
        "a window of {0} bytes can't be written: it must be 2^n + k * 2^(n-3), n from 10 to 41, k from 0 to 7"
    )]
    Window(u64),
    /// A block size that the field can't state.
    #[error("a block of {0} bytes can't be written: 1 to {MAX_BLOCK_FIELD}")]
    BlockSize(u64),
    /// Beyond a million blocks.
    #[error("more than {MAX_BLOCKS} blocks")]
    TooManyBlocks,
    /// Content that would have to be held.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Code and bytes of the content size field. With a single segment the shortest form has one byte; without, that form
/// means that there is no field.
fn size_field(size: Option<u64>, single_segment: bool) -> (u8, Vec<u8>) {
    match size {
        None => (0, Vec::new()),
        Some(size @ 0..=255) if single_segment => (0, vec![size as u8]),
        Some(size @ 256..=65_791) => (1, ((size - 256) as u16).to_le_bytes().to_vec()),
        Some(size @ 0..=0xffff_ffff) => (2, (size as u32).to_le_bytes().to_vec()),
        Some(size) => (3, size.to_le_bytes().to_vec()),
    }
}

/// Exponent in the upper five bits, eighths in the lower three.
fn window_descriptor(window: u64) -> Result<u8, FrameError> {
    let error = FrameError::Window(window);
    let exponent = window.checked_ilog2().ok_or(error)?;
    if !(10..=41).contains(&exponent) {
        return Err(error);
    }
    let eighth = 1u64 << (exponent - 3);
    let rest = window - (1 << exponent);
    if !rest.is_multiple_of(eighth) {
        return Err(error);
    }
    Ok(((exponent - 10) << 3) as u8 | (rest / eighth) as u8)
}

fn write_block_header(out: &mut Vec<u8>, last: bool, kind: u32, size: u64) {
    let header = (size as u32) << 3 | kind << 1 | u32::from(last);
    out.extend_from_slice(&header.to_le_bytes()[..3]);
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn decoded(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        zstd::stream::decode_all(bytes)
    }

    #[test]
    fn the_empty_frame() {
        let bytes = Frame::new(Content::from(vec![])).to_bytes().unwrap();
        assert_eq!(bytes, [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]);
    }

    #[test]
    fn every_size_field_is_understood() {
        for len in [0, 1, 255, 256, 65_535, 65_791, 65_792, 131_072, 131_073, 300_000] {
            for size in [ContentSize::Declared, ContentSize::Absent] {
                for window in [None, Some(1 << 10), Some((1 << 17) + (1 << 14) * 3)] {
                    for checksum in [false, true] {
                        let frame = Frame { size, window, checksum, ..Frame::new(Content::from(text(len))) };
                        let bytes = frame.to_bytes().unwrap();
                        assert_eq!(decoded(&bytes).unwrap(), text(len), "{frame:?}");
                        let told = zstd::zstd_safe::get_frame_content_size(&bytes).unwrap();
                        let expected = (size == ContentSize::Declared).then_some(len as u64);
                        assert_eq!(told, expected, "{len}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_found() {
        let mut frame = Frame::new(Content::from(text(100)));
        frame.checksum = true;
        frame.corrupt_checksum = true;
        assert!(decoded(&frame.to_bytes().unwrap()).is_err());
    }

    #[test]
    fn a_false_size_is_found() {
        for claim in [99, 101, 1 << 62] {
            let frame = Frame { size: ContentSize::Claimed(claim), ..Frame::new(Content::from(text(100))) };
            let bytes = frame.to_bytes().unwrap();
            assert_eq!(zstd::zstd_safe::get_frame_content_size(&bytes).unwrap(), Some(claim));
            assert!(decoded(&bytes).is_err(), "{claim}");
        }
    }

    #[test]
    fn a_gibibyte_in_thirty_two_kibibytes() {
        let frame = Frame {
            blocks: Blocks::Rle,
            window: Some(1 << 20),
            ..Frame::new(Content::Run { byte: 0, len: 1 << 30 })
        };
        let bytes = frame.to_bytes().unwrap();
        assert!(bytes.len() < 33 << 10, "{}", bytes.len());
        let mut reader = zstd::stream::read::Decoder::new(bytes.as_slice()).unwrap();
        let mut buffer = vec![1; 1 << 20];
        let mut total = 0u64;
        loop {
            let read = reader.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            assert!(buffer[..read].iter().all(|byte| *byte == 0));
            total += read as u64;
        }
        assert_eq!(total, 1 << 30);
    }

    #[test]
    fn what_can_not_be_written_is_refused() {
        let frame = |content: Content| Frame { blocks: Blocks::Rle, ..Frame::new(content) };
        assert_eq!(frame(Content::from(vec![1, 2])).to_bytes(), Err(FrameError::NotARun));
        for window in [0, 1, 1023, 1025, 1 << 42] {
            let frame = Frame { window: Some(window), ..Frame::new(Content::from(vec![])) };
            assert_eq!(frame.to_bytes(), Err(FrameError::Window(window)));
        }
        let run = Content::Run { byte: 0, len: u64::MAX };
        assert_eq!(frame(run.clone()).to_bytes(), Err(FrameError::TooManyBlocks));
        for block in [0, 1 << 21] {
            let frame = Frame { block: Some(block), ..Frame::new(run.clone()) };
            assert_eq!(frame.to_bytes(), Err(FrameError::BlockSize(block)));
        }
    }

    #[test]
    fn a_skippable_frame_is_skipped() {
        let mut bytes = skippable_frame(b"hidden");
        bytes.extend(Frame::new(Content::from(text(9))).to_bytes().unwrap());
        assert_eq!(decoded(&bytes).unwrap(), text(9));
    }

    proptest! {
        #[test]
        fn any_content_comes_back(
            content in proptest::collection::vec(any::<u8>(), 0..3000), block in 1u64..4000, checksum: bool,
        ) {
            let frame = Frame { block: Some(block), checksum, ..Frame::new(Content::from(content.clone())) };
            let bytes = frame.to_bytes().unwrap();
            prop_assert_eq!(decoded(&bytes).unwrap(), content);
        }
    }
}
