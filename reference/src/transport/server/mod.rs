//! The server: what its peers may ask, and the forms in which they are answered.

pub mod chat;
