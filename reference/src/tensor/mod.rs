//! PAYLOAD ⇄ TENSOR: wire dtypes and views.
