//! How many rows a slice has.

use crate::error::{Error, ErrorClass, Result};

/// Rows of `dim` values in a slice.
///
/// # Errors
/// `shape_mismatch` when a row is cut or has no values.
pub(super) fn rows(field: &'static str, values: &[f32], dim: usize) -> Result<usize> {
    if dim == 0 || !values.len().is_multiple_of(dim) {
        let expected = format!("rows of {dim} values each, at least one");
        return Err(Error::new(
            ErrorClass::ShapeMismatch,
            field,
            expected,
            format!("{} values", values.len()),
        ));
    }
    Ok(values.len() / dim)
}
