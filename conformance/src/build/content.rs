//! Bytes that a recipe describes: held, or a run of one byte that is too long to hold.

use std::sync::Arc;

use super::crc32::{Crc32, crc32_of_run};

/// Most bytes of one run that are written out. A vector's message is never larger: what is larger belongs into a frame
/// of repeated bytes, which stays small.
pub const MAX_HELD: u64 = 64 << 20;

/// A run longer than [`MAX_HELD`] would have to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are too many to hold (at most {MAX_HELD}); put them into a zstd frame with `blocks: rle`")]
pub struct TooLarge(pub u64);

/// Described bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// One byte, many times.
    Run {
        /// The byte.
        byte: u8,
        /// How often.
        len: u64,
    },
}

impl Content {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Run { len, .. } => *len,
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The byte that the content repeats, when it is one; any byte for nothing.
    pub fn run_byte(&self) -> Option<u8> {
        match self {
            Self::Run { byte, .. } => Some(*byte),
            Self::Bytes(bytes) => {
                let first = bytes.first().copied().unwrap_or(0);
                bytes.iter().all(|byte| *byte == first).then_some(first)
            }
        }
    }

    /// The bytes, written out.
    ///
    /// # Errors
    /// [`TooLarge`] for a run beyond [`MAX_HELD`].
    pub fn into_bytes(self) -> Result<Arc<[u8]>, TooLarge> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Run { byte, len } => {
                let count = usize::try_from(len).map_err(|_| TooLarge(len))?;
                if len > MAX_HELD {
                    return Err(TooLarge(len));
                }
                Ok(vec![byte; count].into())
            }
        }
    }

    /// CRC-32 of the bytes, without holding a run.
    pub fn crc32(&self) -> u32 {
        match self {
            Self::Bytes(bytes) => {
                let mut crc = Crc32::new();
                crc.update(bytes);
                crc.finish()
            }
            Self::Run { byte, len } => crc32_of_run(*byte, *len),
        }
    }

    /// Calls `visit` with the bytes in pieces, without holding a run.
    pub fn for_each_piece(&self, mut visit: impl FnMut(&[u8])) {
        match self {
            Self::Bytes(bytes) => visit(bytes),
            Self::Run { byte, len } => {
                let piece = [*byte; 4096];
                let mut left = *len;
                while left > 0 {
                    let take = left.min(piece.len() as u64) as usize;
                    visit(&piece[..take]);
                    left -= take as u64;
                }
            }
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_what_its_bytes_are() {
        let run = Content::Run { byte: 7, len: 10_000 };
        let held = Content::from(vec![7; 10_000]);
        assert_eq!(run.crc32(), held.crc32());
        assert_eq!(run.run_byte(), held.run_byte());
        let mut pieces = Vec::new();
        run.for_each_piece(|piece| pieces.extend_from_slice(piece));
        assert_eq!(run.into_bytes().unwrap()[..], pieces[..]);
    }

    #[test]
    fn a_long_run_is_not_held() {
        assert_eq!(Content::Run { byte: 0, len: 1 << 30 }.into_bytes(), Err(TooLarge(1 << 30)));
        assert_eq!(Content::Run { byte: 0, len: u64::MAX }.into_bytes(), Err(TooLarge(u64::MAX)));
    }

    #[test]
    fn mixed_bytes_are_no_run() {
        assert_eq!(Content::from(vec![1, 1, 2]).run_byte(), None);
        assert_eq!(Content::from(vec![]).run_byte(), Some(0));
    }
}
