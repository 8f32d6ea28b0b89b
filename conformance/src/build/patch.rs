//! Changes to bytes that remember where they took place, so that a report can mark the place.

use std::ops::Range;

use super::message::HEADER_LEN;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Overwrites the bytes from there on. They must all be there already.
    Overwrite(usize, Vec<u8>),
    /// Puts bytes in before that offset.
    Insert(usize, Vec<u8>),
    /// Cuts to that length.
    Truncate(usize),
    /// Adds bytes at the end.
    Append(Vec<u8>),
    /// Flips the bits of the mask in the byte there.
    Xor(usize, u8),
    /// Sets the bits of the mask in the byte there.
    Or(usize, u8),
    /// Adds bytes to the metadata section and corrects both lengths.
    MetadataAppend(Vec<u8>),
    /// Puts other bytes in place of the metadata section and corrects both lengths.
    MetadataSet(Vec<u8>),
    /// Puts other bytes in place of the payload section and corrects the length.
    PayloadSet(Vec<u8>),
}

/// A change that the bytes don't allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Bytes beyond the end are meant.
    #[error("bytes {start}..{end} are meant, but there are only {len}")]
    OutOfBounds {
        /// First byte.
        start: usize,
        /// One past the last.
        end: usize,
        /// What there is.
        len: usize,
    },
    /// The header's lengths do not fit the bytes.
    #[error("a section is meant, but the header's lengths do not fit the {0} bytes")]
    NoSections(usize),
    /// Nothing changes.
    #[error("the patch changes nothing")]
    NoChange,
}

/// Bytes under change, with the ranges changed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patched {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Patched {
    /// Nothing changed yet.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ranges: Vec::new() }
    }

    /// The bytes as they are now.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes and the changed ranges: ascending, apart from each other. A cut leaves an empty range at the end.
    pub fn finish(mut self) -> (Vec<u8>, Vec<Range<usize>>) {
        self.ranges.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in self.ranges {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        (self.bytes, merged)
    }

    /// Metadata and payload sections, as the header's lengths give them.
    ///
    /// # Errors
    /// [`PatchError::NoSections`] when the lengths do not fit.
    pub fn sections(&self) -> Result<(Range<usize>, Range<usize>), PatchError> {
        let error = || PatchError::NoSections(self.bytes.len());
        let (header, _) = self.bytes.split_first_chunk::<HEADER_LEN>().ok_or_else(error)?;
        let [_, _, _, _, p0, p1, p2, p3, m0, m1, m2, m3] = *header;
        let end = HEADER_LEN + u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let cut = HEADER_LEN + u32::from_le_bytes([m0, m1, m2, m3]) as usize;
        if cut > end || end > self.bytes.len() {
            return Err(error());
        }
        Ok((HEADER_LEN..cut, cut..end))
    }

    /// Makes one change.
    ///
    /// # Errors
    /// [`PatchError`] when the bytes do not allow it.
    pub fn apply(&mut self, change: &Change) -> Result<(), PatchError> {
        match change {
            Change::Overwrite(at, with) => self.overwrite(*at, with),
            Change::Insert(at, with) => self.splice(self.within(*at, 0)?, with),
            Change::Truncate(len) => self.truncate(*len),
            Change::Append(with) => self.splice(self.bytes.len()..self.bytes.len(), with),
            Change::Xor(at, mask) => {
                let range = self.within(*at, 1)?;
                self.overwrite(*at, &[self.bytes[range.start] ^ mask])
            }
            Change::Or(at, mask) => {
                let range = self.within(*at, 1)?;
                self.overwrite(*at, &[self.bytes[range.start] | mask])
            }
            Change::MetadataAppend(with) => {
                let (metadata, payload) = self.sections()?;
                self.splice(metadata.end..metadata.end, with)?;
                self.set_lengths(metadata.len() + with.len(), payload.len())
            }
            Change::MetadataSet(with) => {
                let (metadata, payload) = self.sections()?;
                self.splice(metadata, with)?;
                self.set_lengths(with.len(), payload.len())
            }
            Change::PayloadSet(with) => {
                let (metadata, payload) = self.sections()?;
                self.splice(payload, with)?;
                self.set_lengths(metadata.len(), with.len())
            }
        }
    }

    fn within(&self, at: usize, count: usize) -> Result<Range<usize>, PatchError> {
        let len = self.bytes.len();
        match at.checked_add(count) {
            Some(end) if end <= len => Ok(at..end),
            end => Err(PatchError::OutOfBounds { start: at, end: end.unwrap_or(usize::MAX), len }),
        }
    }

    fn overwrite(&mut self, at: usize, with: &[u8]) -> Result<(), PatchError> {
        let range = self.within(at, with.len())?;
        if self.bytes[range.clone()] == *with {
            return Err(PatchError::NoChange);
        }
        self.bytes[range.clone()].copy_from_slice(with);
        self.ranges.push(range);
        Ok(())
    }

    fn truncate(&mut self, len: usize) -> Result<(), PatchError> {
        self.within(len, 0)?;
        if len == self.bytes.len() {
            return Err(PatchError::NoChange);
        }
        self.bytes.truncate(len);
        self.ranges.retain_mut(|range| {
            range.end = range.end.min(len);
            range.start < len
        });
        self.ranges.push(len..len);
        Ok(())
    }

    /// Puts `with` in place of `range` and moves the ranges behind it.
    fn splice(&mut self, range: Range<usize>, with: &[u8]) -> Result<(), PatchError> {
        if self.bytes[range.clone()] == *with {
            return Err(PatchError::NoChange);
        }
        self.bytes.splice(range.clone(), with.iter().copied());
        let end = range.start + with.len();
        for changed in &mut self.ranges {
            for edge in [&mut changed.start, &mut changed.end] {
                if *edge >= range.end {
                    *edge = *edge - range.len() + with.len();
                } else if *edge > range.start {
                    *edge = end.min(*edge);
                }
            }
        }
        self.ranges.push(range.start..end);
        Ok(())
    }

    /// Follows from another change, so it is not marked as one.
    fn set_lengths(&mut self, metadata: usize, payload: usize) -> Result<(), PatchError> {
        let range = self.within(4, 8)?;
        let lengths = (metadata + payload) as u64 & 0xffff_ffff | (metadata as u64) << 32;
        self.bytes[range].copy_from_slice(&lengths.to_le_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::build::Message;

    fn base() -> Vec<u8> {
        Message { metadata: vec![0x28, 2], payload: vec![1, 2, 3, 4], ..Message::default() }.to_bytes()
    }

    fn patched(changes: &[Change]) -> Result<(Vec<u8>, Vec<Range<usize>>), PatchError> {
        let mut patched = Patched::new(base());
        for change in changes {
            patched.apply(change)?;
        }
        Ok(patched.finish())
    }

    #[test]
    fn changes_in_place() {
        let (bytes, ranges) =
            patched(&[Change::Overwrite(0, vec![9, 9]), Change::Xor(3, 1), Change::Or(3, 4)]).unwrap();
        assert_eq!(bytes[..4], [9, 9, 1, 5]);
        assert_eq!(bytes.len(), base().len());
        assert_eq!(ranges, [0..2, 3..4]);
    }

    #[test]
    fn insertion_moves_what_is_behind() {
        let (bytes, ranges) =
            patched(&[Change::Overwrite(14, vec![8]), Change::Insert(12, vec![7, 7])]).unwrap();
        assert_eq!(bytes[12..17], [7, 7, 0x28, 2, 8]);
        assert_eq!(ranges, [12..14, 16..17]);
    }

    #[test]
    fn a_cut_is_marked_at_its_place() {
        let (bytes, ranges) = patched(&[Change::Overwrite(16, vec![8]), Change::Truncate(13)]).unwrap();
        assert_eq!(bytes, base()[..13]);
        assert_eq!((ranges.len(), ranges[0].clone()), (1, 13..13));
    }

    #[test]
    fn sections_keep_their_lengths_right() {
        let (bytes, ranges) = patched(&[
            Change::MetadataAppend(vec![0x30, 1]),
            Change::PayloadSet(vec![5]),
            Change::Append(vec![6]),
        ])
        .unwrap();
        let expected = Message {
            metadata: vec![0x28, 2, 0x30, 1],
            payload: vec![5],
            tail: vec![6],
            ..Message::default()
        };
        assert_eq!(bytes, expected.to_bytes());
        assert_eq!((ranges.len(), ranges[0].clone()), (1, 14..18));
        let (bytes, _) = patched(&[Change::MetadataSet(vec![])]).unwrap();
        assert_eq!(bytes, Message { payload: vec![1, 2, 3, 4], ..Message::default() }.to_bytes());
    }

    #[test]
    fn what_the_bytes_do_not_allow_is_refused() {
        let len = base().len();
        assert!(matches!(patched(&[Change::Overwrite(len, vec![0])]), Err(PatchError::OutOfBounds { .. })));
        assert!(matches!(patched(&[Change::Xor(usize::MAX, 1)]), Err(PatchError::OutOfBounds { .. })));
        assert!(matches!(patched(&[Change::Insert(len + 1, vec![0])]), Err(PatchError::OutOfBounds { .. })));
        assert!(matches!(patched(&[Change::Truncate(len + 1)]), Err(PatchError::OutOfBounds { .. })));
        assert_eq!(patched(&[Change::Truncate(len)]), Err(PatchError::NoChange));
        assert_eq!(patched(&[Change::Overwrite(0, vec![0x41])]), Err(PatchError::NoChange));
        assert_eq!(
            patched(&[Change::Overwrite(8, vec![0xff]), Change::PayloadSet(vec![])]),
            Err(PatchError::NoSections(len))
        );
        assert_eq!(
            patched(&[Change::Truncate(5), Change::MetadataSet(vec![])]),
            Err(PatchError::NoSections(5))
        );
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let some = || proptest::collection::vec(any::<u8>(), 0..6);
        prop_oneof![
            (0usize..40, some()).prop_map(|(at, with)| Change::Overwrite(at, with)),
            (0usize..40, some()).prop_map(|(at, with)| Change::Insert(at, with)),
            (0usize..40).prop_map(Change::Truncate),
            some().prop_map(Change::Append),
            (0usize..40, any::<u8>()).prop_map(|(at, mask)| Change::Xor(at, mask)),
            some().prop_map(Change::MetadataAppend),
            some().prop_map(Change::MetadataSet),
            some().prop_map(Change::PayloadSet),
        ]
    }

    proptest! {
        /// Ranges stay inside the bytes, ascending and apart, whatever is done in whatever order.
        #[test]
        fn ranges_stay_inside(changes in proptest::collection::vec(any_change(), 0..8)) {
            let mut patched = Patched::new(base());
            for change in &changes {
                let before = patched.bytes().to_vec();
                if patched.apply(change).is_err() {
                    prop_assert_eq!(patched.bytes(), before);
                }
            }
            let (bytes, ranges) = patched.finish();
            for range in &ranges {
                prop_assert!(range.start <= range.end && range.end <= bytes.len());
            }
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
        }
    }
}
