//! Known deviations of an implementation: they change the exit code, never the verdict.
