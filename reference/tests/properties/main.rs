//! What holds for all messages, and for all bytes.
//!
//! `AVP_PROPTEST_CASES` sets the number of cases of each property; the default suits a debug build. A release run of a
//! million:
//!
//!     AVP_PROPTEST_CASES=1000000 cargo test --release -p avp --test properties

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod allocations;
mod corpus;
mod hostile;
mod limits;
mod round_trip;

use proptest::test_runner::Config;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// Cases of each property when `AVP_PROPTEST_CASES` does not say.
const DEFAULT_CASES: u32 = 400;

fn config() -> Config {
    let cases = std::env::var("AVP_PROPTEST_CASES").ok().map(|cases| cases.parse().expect("a number"));
    // A failing input is printed; it belongs into fuzz/corpus, where it is replayed from then on.
    Config { cases: cases.unwrap_or(DEFAULT_CASES), failure_persistence: None, ..Config::default() }
}
