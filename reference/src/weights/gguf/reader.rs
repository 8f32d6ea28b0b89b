//! Bytes of a GGUF file, taken one field after the other.

use std::ops::Range;

use crate::error::{Error, ErrorClass, Result};

/// A place in a file. Every step checks that the file goes on that far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At a byte of the file, or at its end where that comes first.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: u64, field: &'static str) -> Result<&'a [u8]> {
        let taken = usize::try_from(len).ok().and_then(|len| self.bytes[self.at..].get(..len));
        let Some(taken) = taken else {
            let (expected, found) = (format!("{len} bytes"), format!("{} bytes", self.remaining()));
            return Err(Error::new(ErrorClass::Decode, field, expected, found).at(self.at));
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64, field)?);
        Ok(out)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A number of things of which each takes at least `least` bytes, so that no more can follow than there are bytes for.
    pub(super) fn count(&mut self, field: &'static str, least: usize, max: u64) -> Result<usize> {
        let at = self.at;
        let count = self.u64(field)?;
        let most = self.remaining() / least;
        if count > most as u64 {
            let (expected, found) = (format!("at most {most}, for which there are bytes"), count.to_string());
            return Err(Error::new(ErrorClass::Decode, field, expected, found).at(at));
        }
        if count > max {
            let error =
                Error::new(ErrorClass::LimitExceeded, field, format!("at most {max}"), count.to_string());
            return Err(error.at(at));
        }
        Ok(count as usize)
    }

    /// Length and bytes of a string, as the range of its bytes.
    pub(super) fn string(&mut self, field: &'static str, max: u64) -> Result<Range<usize>> {
        let len = self.count(field, 1, max)?;
        let start = self.at;
        self.at += len;
        Ok(start..self.at)
    }
}
