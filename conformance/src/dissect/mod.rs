//! BYTES → FIELDS: every byte of a message, a KV payload or a zstd frame with the field it belongs to.
