//! A tensor in a file: where it lies, what it holds, how it is read.

use std::ops::Range;

use super::{dequantise, element::ElementType};
use crate::error::{Error, ErrorClass, Result};

/// Shape and element type of a stored tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Elements along each axis, row-major: the last axis is contiguous. Empty for a single number.
    pub shape: Vec<usize>,
    /// How the numbers are stored.
    pub element: ElementType,
}

impl TensorInfo {
    /// Elements in all.
    pub fn len(&self) -> usize {
        // Readers refuse what does not fit.
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of a row, the contiguous run along the last axis.
    pub fn row_len(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.shape[..self.shape.len().saturating_sub(1)].iter().product()
    }
}

/// How the stored values differ from the ones that the Hugging Face layout has under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Not at all.
    None,
    /// The first axis is split into this many heads, and within a head the two halves alternate: 0, n/2, 1, n/2 + 1, …
    /// Rotary embeddings over neighbours (llama.cpp) need that, those over halves (Hugging Face) don't.
    AlternatingHalves {
        /// Heads; they divide the first axis into even parts.
        heads: usize,
    },
    /// One was added to every value (the norms of Gemma).
    PlusOne,
}

/// A tensor of an opened file.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) info: TensorInfo,
    /// Which of the opened files.
    pub(super) file: usize,
    /// Where in that file. Checked against it.
    pub(super) range: Range<usize>,
    pub(super) change: Change,
}

impl Stored {
    /// Reads rows, beginning with `first`, out of the tensor's bytes. `out` takes whole rows.
    pub(super) fn read_rows(&self, bytes: &[u8], first: usize, out: &mut [f32]) -> Result<()> {
        let (rows, row_len) = (self.info.rows(), self.info.row_len());
        let wanted = out.len().checked_div(row_len).unwrap_or(0);
        let fits = first.checked_add(wanted).is_some_and(|end| end <= rows);
        if !fits || wanted * row_len != out.len() {
            let expected = format!("room for whole rows of {row_len} from {rows} in `{}`", self.name);
            let found = format!("{} elements from row {first}", out.len());
            return Err(Error::new(ErrorClass::InvalidArgument, "weights.rows", expected, found));
        }
        let Some(block) = self.info.element.block() else {
            let expected = "F32, F16, BF16 or a quantised type of GGUF";
            let found = format!("{} in `{}`", self.info.element, self.name);
            return Err(Error::new(ErrorClass::Decode, "weights.element", expected, found));
        };
        // A tensor without rows has nothing to read, and the length of its rows, which no byte of the file stands behind,
        // can be anything.
        if out.is_empty() {
            return Ok(());
        }
        // Rows of quantised tensors are whole blocks; readers refuse others.
        let row_bytes = row_len / block.len * block.bytes;
        match self.change {
            Change::None => dequantise::decode(self.info.element, &bytes[first * row_bytes..], out),
            Change::PlusOne => {
                dequantise::decode(self.info.element, &bytes[first * row_bytes..], out);
                out.iter_mut().for_each(|value| *value -= 1.0);
            }
            // A bias: a single row whose elements are what is permuted.
            Change::AlternatingHalves { heads } if self.info.shape.len() == 1 => {
                let mut stored = vec![0.0; out.len()];
                dequantise::decode(self.info.element, bytes, &mut stored);
                for (i, value) in out.iter_mut().enumerate() {
                    *value = stored[alternating(i, row_len / heads)];
                }
            }
            Change::AlternatingHalves { heads } => {
                for (i, row) in out.chunks_exact_mut(row_len.max(1)).enumerate() {
                    let from = alternating(first + i, rows / heads);
                    dequantise::decode(self.info.element, &bytes[from * row_bytes..], row);
                }
            }
        }
        Ok(())
    }

    /// The codes of some rows of a matrix in runs of 32, in order. A tensor that is not quantised has none.
    #[cfg(feature = "model")]
    pub(super) fn each_run(&self, bytes: &[u8], rows: Range<usize>, mut tell: impl FnMut(CodedRun<'_>)) {
        let element = self.info.element;
        let (Some(block), Some(coding)) = (element.block(), element.coding()) else { return };
        // As in `read_rows`: without rows, their length says nothing.
        if rows.is_empty() {
            return;
        }
        let (row_bytes, groups) = (self.info.row_len() / block.len * block.bytes, 32 / coding.group);
        let mut codes = super::Codes::default();
        for row in rows {
            let from = match self.change {
                Change::AlternatingHalves { heads } => alternating(row, self.info.rows() / heads),
                Change::None | Change::PlusOne => row,
            };
            let stored = &bytes[from * row_bytes..(from + 1) * row_bytes];
            for (index, bytes) in stored.chunks_exact(block.bytes).enumerate() {
                codes.read(element, bytes);
                let lanes = codes.scales.chunks_exact(groups).zip(codes.minima.chunks_exact(groups));
                let runs = codes.codes[..block.len].as_chunks::<32>().0.iter().zip(lanes).enumerate();
                for (run, (codes, (scales, minima))) in runs {
                    tell(CodedRun { row, run: index * block.len / 32 + run, codes, scales, minima });
                }
            }
        }
    }
}

/// 32 numbers of a row: see [`Codes`](super::Codes).
#[cfg(feature = "model")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodedRun<'a> {
    /// Row of the matrix.
    pub(crate) row: usize,
    /// Its place in the row.
    pub(crate) run: usize,
    /// One a number.
    pub(crate) codes: &'a [u8; 32],
    /// One a group: one or two.
    pub(crate) scales: &'a [f32],
    /// As many.
    pub(crate) minima: &'a [f32],
}

/// Where row `i` stands when the two halves of each head alternate.
fn alternating(i: usize, head: usize) -> usize {
    let (start, within) = (i / head * head, i % head);
    start + within % (head / 2) * 2 + within / (head / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_alternate_within_each_head() {
        let from: Vec<usize> = (0..12).map(|i| alternating(i, 6)).collect();
        assert_eq!(from, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        assert_eq!(alternating(1, 2), 1);
    }
}
