//! PAYLOAD ⇄ TENSOR: bytes with an element type and a shape, conversions between element types, and the matrix passes
//! that need no runtime.

mod convert;
#[cfg(feature = "model")]
pub(crate) mod elementwise;
pub mod matrix;
#[cfg(feature = "model")]
pub(crate) mod quantised;
pub(crate) mod soft_rows;
#[cfg(feature = "model")]
pub(crate) mod token_panels;
mod view;
#[cfg(feature = "model")]
pub(crate) mod wide_products;

pub use convert::{convert, decode_f32, encode_f32};
pub use view::TensorView;
pub(crate) use view::byte_len;
