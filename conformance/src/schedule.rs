//! Cases → instances → events: workers, windows, time limits, restarts.
