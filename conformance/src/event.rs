//! The NDJSON event stream of a run: every report is a pure function of it.
