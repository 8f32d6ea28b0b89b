//! ACP/1 over this library: frames in, calls, frames out.
