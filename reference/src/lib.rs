//! Reference implementation of the Agent Vector Protocol.

#[cfg(feature = "adapter")]
pub mod adapter;
pub mod context;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod kv;
pub mod session;
pub mod tensor;
pub mod wire;

pub use error::{Error, ErrorClass, Result};
