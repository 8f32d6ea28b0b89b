//! What a decoder may be asked to hold.

/// Largest message that is decoded by default: 1 GiB. A cache of 390 MiB is ordinary; the format itself ends at 4 GiB.
pub const DEFAULT_MAX_MESSAGE: u64 = 1 << 30;
/// Largest metadata section by default: 1 MiB. Five 64 KiB strings and a full `extra` fit several times over; decoded
/// maps take up to some twenty times their wire size, so this also bounds that.
pub const DEFAULT_MAX_METADATA: u64 = 1 << 20;
/// Largest payload after decompression by default: 512 MiB. Above any cache that the published tables name, below the
/// 1 GiB that a 32 KiB bomb inflates to (AVP-CMP-018).
pub const DEFAULT_MAX_PAYLOAD: u64 = 512 << 20;
/// Largest zstd window by default, as a power of two: 8 MiB. Level 19, the highest that the protocol names, needs no
/// more (AVP-CMP-002), and RFC 8878 asks every decoder for that much.
pub const DEFAULT_MAX_WINDOW_LOG: u32 = 23;
/// Largest message that is taken from a peer that has not proven who it is: 10 MB.
pub const UNAUTHENTICATED_MAX_MESSAGE: u64 = 10_000_000;

/// Upper bounds of one message, all inclusive, in bytes. Each is checked before anything is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The whole message as sent, header included.
    pub max_message: u64,
    /// The metadata section.
    pub max_metadata: u64,
    /// The payload after decompression.
    pub max_payload: u64,
    /// The zstd window, as a power of two.
    pub max_window_log: u32,
}

impl Limits {
    /// For peers that have not proven who they are: messages, and what they inflate to, end at 10 MB.
    pub const UNAUTHENTICATED: Self = Self {
        max_message: UNAUTHENTICATED_MAX_MESSAGE,
        max_metadata: DEFAULT_MAX_METADATA,
        max_payload: UNAUTHENTICATED_MAX_MESSAGE,
        max_window_log: DEFAULT_MAX_WINDOW_LOG,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: DEFAULT_MAX_MESSAGE,
            max_metadata: DEFAULT_MAX_METADATA,
            max_payload: DEFAULT_MAX_PAYLOAD,
            max_window_log: DEFAULT_MAX_WINDOW_LOG,
        }
    }
}
