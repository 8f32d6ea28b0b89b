//! The server through real sockets, against clients that were written for other purposes and peers that mean no good.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod agents;
mod answers;
mod binding;
mod corpus;
mod endings;
mod faults;
mod floods;
mod frames;
mod limits;
mod logs;
mod numbers;
mod parsers;
mod peers;
mod rests;
mod secrets;
mod security;
mod slow;
mod smuggling;
mod tls;
