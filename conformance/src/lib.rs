//! Conformance harness of the Agent Vector Protocol.
//!
//! Case → adapter → verdict → report. This library depends on no implementation: its dissector, its builder and its
//! oracles are its own, small, and written from the requirements.

pub mod adapter;
pub mod baseline;
pub mod build;
pub mod case;
pub mod check;
pub mod claim;
pub mod counterexample;
pub mod coverage;
pub mod differential;
pub mod dissect;
pub mod event;
pub mod gate;
pub mod glob;
pub mod http;
pub mod judge;
pub mod kill;
#[cfg(feature = "libtest")]
pub mod libtest;
pub mod matrix;
pub mod oracle;
pub mod report;
pub mod requirement;
pub mod schedule;
pub mod search;
pub mod select;
pub mod shrink;
pub mod tally;
pub mod vector;
pub mod verdict;
