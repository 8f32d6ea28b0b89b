//! The KV payload: 17-byte header, contiguous layers, pages.
