//! CONVERSATION, sans I/O and without a clock of its own: identity, hashes, hello, resolution, store.
