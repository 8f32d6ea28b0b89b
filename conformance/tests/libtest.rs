//! The reference's KV payloads, a test a case: how an implementer runs the suite under `cargo test`.

use std::process::ExitCode;

use avp_conformance::libtest::Suite;

fn main() -> ExitCode {
    Suite::command(env!("CARGO_BIN_EXE_avp-conformance"), ["__reference"]).areas(["KV"]).main()
}
