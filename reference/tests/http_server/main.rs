//! The server through real sockets, against clients that were written for other purposes and peers that mean no good.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod binding;
mod peers;
