//! The requirements of the protocol, by id.
