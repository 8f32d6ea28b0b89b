//! PAYLOAD ⇄ TENSOR: bytes with an element type and a shape, and conversions between element types.

mod convert;
mod view;

pub use convert::{convert, decode_f32, encode_f32};
pub use view::TensorView;
pub(crate) use view::byte_len;
