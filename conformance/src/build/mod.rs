//! Bytes made by hand: protobuf fields, zstd frames, messages, KV payloads.
