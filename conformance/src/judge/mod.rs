//! Case × answers → checks. No input or output.
