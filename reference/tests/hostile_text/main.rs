//! Tokenizers and chat templates that mean harm: no panic, no end that does not come, no more memory than the limits say.
//!
//! `AVP_PROPTEST_CASES` sets the number of cases of each property. What a rendering holds is counted over all threads, so
//! the tests here take turns.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod allocations;
mod corpus;
mod templates;
mod tokenizers;

use proptest::test_runner::Config;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// Cases of each property when `AVP_PROPTEST_CASES` does not say.
const DEFAULT_CASES: u32 = 300;

fn config() -> Config {
    let cases = std::env::var("AVP_PROPTEST_CASES").ok().map(|cases| cases.parse().expect("a number"));
    // A failing input is printed; it belongs into fuzz/corpus, where it is replayed from then on.
    Config { cases: cases.unwrap_or(DEFAULT_CASES), failure_persistence: None, ..Config::default() }
}
