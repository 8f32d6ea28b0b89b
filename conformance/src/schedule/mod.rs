//! Cases → instances → events: workers, windows, time limits, restarts.

mod options;

pub use self::options::{
    CASE_LIMIT, DEATHS_IN_A_ROW, Dumps, HELLO_LIMIT, ProbePolicy, RunError, RunOptions, Sink, StopFlag,
};
