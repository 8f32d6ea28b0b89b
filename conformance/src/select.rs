//! Which cases run.
