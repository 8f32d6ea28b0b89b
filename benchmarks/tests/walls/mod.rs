//! The sandbox of the tests. Without one they fail and say what to install; they are left out only on request.

use std::sync::OnceLock;

use avp_bench::sandbox::{Error, Sandbox};

/// Set to `skip` where no sandbox can be had, to leave out what needs one.
const VARIABLE: &str = "AVP_BENCH_SANDBOX";

/// The sandbox; nothing where tests that need one are to be left out.
pub(crate) fn sandbox() -> Option<Sandbox> {
    static SANDBOX: OnceLock<Result<Sandbox, Error>> = OnceLock::new();
    if std::env::var(VARIABLE).is_ok_and(|value| value == "skip") {
        eprintln!("left out: {VARIABLE}=skip");
        return None;
    }
    match SANDBOX.get_or_init(Sandbox::probe) {
        Ok(sandbox) => Some(sandbox.clone()),
        Err(error) => panic!("{error} (or {VARIABLE}=skip, which leaves out the tests that need it)"),
    }
}
