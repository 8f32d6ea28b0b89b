//! Reference implementation of the Agent Vector Protocol.

#[cfg(feature = "adapter")]
pub mod adapter;
pub mod context;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod kv;
pub mod session;
pub mod size;
pub mod tensor;
pub mod wire;

pub use error::{Error, ErrorClass, Result};
