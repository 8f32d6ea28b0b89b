//! Bytes as a tensor.

use crate::{
    error::{Error, ErrorClass, Result},
    wire::{DataType, Message},
};

/// Tensor bytes with their meaning: little-endian, row-major, without gaps (AVP-PAY-001). Borrowed; the length always
/// fits the shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorView<'a> {
    dtype: DataType,
    shape: Vec<u64>,
    bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Bytes under a shape, outermost dimension first.
    ///
    /// # Errors
    /// `shape_mismatch` when the bytes are not exactly the shape's elements (AVP-PAY-007).
    pub fn new(dtype: DataType, shape: &[u64], bytes: &'a [u8]) -> Result<Self> {
        let len = byte_len(dtype, shape);
        if len != Some(bytes.len() as u64) {
            let expected =
                len.map_or_else(|| "fewer bytes than 2^64".to_owned(), |len| format!("{len} bytes"));
            return Err(Error::new(
                ErrorClass::ShapeMismatch,
                "tensor",
                format!("{expected} for {} {shape:?}", dtype.as_str()),
                format!("{} bytes", bytes.len()),
            ));
        }
        Ok(Self { dtype, shape: shape.to_vec(), bytes })
    }

    /// Bytes as one dimension of as many elements as there are.
    ///
    /// # Errors
    /// `shape_mismatch` when an element is cut (AVP-PAY-008).
    pub fn flat(dtype: DataType, bytes: &'a [u8]) -> Result<Self> {
        let size = dtype.size();
        if !bytes.len().is_multiple_of(size) {
            return Err(Error::new(
                ErrorClass::ShapeMismatch,
                "tensor",
                format!("a multiple of {size} bytes for {}", dtype.as_str()),
                format!("{} bytes", bytes.len()),
            ));
        }
        Ok(Self { dtype, shape: vec![(bytes.len() / size) as u64], bytes })
    }

    /// The payload of a hidden-state or embedding message under its own `tensor_shape`; flat when the message has none.
    ///
    /// # Errors
    /// `shape_mismatch` when they don't fit.
    pub fn of_message(message: &'a Message<'_>) -> Result<Self> {
        let metadata = &message.metadata;
        if metadata.tensor_shape.is_empty() {
            return Self::flat(metadata.dtype, &message.payload);
        }
        let shape: Vec<u64> = metadata.tensor_shape.iter().map(|&dim| dim.into()).collect();
        Self::new(metadata.dtype, &shape, &message.payload)
    }

    /// Element type.
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Dimensions, outermost first.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Elements.
    pub fn count(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }
}

/// Bytes that a tensor takes, `None` when it is 2^64 or more.
pub(crate) fn byte_len(dtype: DataType, shape: &[u64]) -> Option<u64> {
    // A zero anywhere makes the tensor empty, even where the other dimensions alone would overflow.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(dtype.size() as u64, |len, &dim| len.checked_mul(dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_must_fit_the_shape() {
        assert_eq!(TensorView::new(DataType::Float16, &[2, 3], &[0; 12]).unwrap().count(), 6);
        for (shape, len) in [(&[2, 3][..], 11), (&[2, 3], 13), (&[u64::MAX, 2], 0), (&[], 1)] {
            let error = TensorView::new(DataType::Float16, shape, &vec![0; len]).unwrap_err();
            assert_eq!(error.class, ErrorClass::ShapeMismatch, "{shape:?}");
        }
        assert_eq!(TensorView::new(DataType::Int8, &[u64::MAX, u64::MAX, 0], &[]).unwrap().count(), 0);
    }

    #[test]
    fn a_cut_element_is_refused() {
        assert_eq!(TensorView::flat(DataType::Float32, &[0; 8]).unwrap().shape(), [2]);
        assert_eq!(
            TensorView::flat(DataType::Float32, &[0; 7]).unwrap_err().class,
            ErrorClass::ShapeMismatch
        );
        assert_eq!(TensorView::flat(DataType::Float32, &[]).unwrap().count(), 0);
    }
}
