//! CRC-32 of payloads (AVP-CMP-012): IEEE 802.3, reflected, as in zip and PNG.

/// CRC-32 of the bytes.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Bytes that are summed and then copied at a time. Small enough to stay in the first-level cache between the two, so
/// that the payload is read from memory once; large enough that the calls do not count.
const BLOCK: usize = 16 << 10;

/// Appends the bytes and returns their CRC-32, in one pass over memory.
pub(super) fn crc32_append(bytes: &[u8], out: &mut Vec<u8>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    out.reserve(bytes.len());
    for block in bytes.chunks(BLOCK) {
        crc.update(block);
        out.extend_from_slice(block);
    }
    crc.finalize()
}
