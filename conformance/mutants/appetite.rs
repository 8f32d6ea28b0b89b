//! Readers that refuse what they must refuse, with too much memory or too much time.

use std::time::{Duration, Instant};

use crate::{Mutant, mutant};

/// Bytes that are taken in place of what a bomb inflates to: more than the cases allow, and harmless to the host.
const INFLATED: usize = 200 << 20;

/// The same for what only claims to be large, where the cases allow little.
const CLAIMED: usize = 48 << 20;

/// Longer than whatever must come at once may take, and shorter than what counts as a hang.
const PONDERED: Duration = Duration::from_millis(1400);

/// The same of caches, whose cases have a shorter limit.
const PONDERED_CACHE: Duration = Duration::from_millis(700);

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "decode-bomb-inflated",
        "inflates the whole payload, and then says that it is too long",
        tell | asked,
        told | {
            if asked.op() == "decode" && asked.args().contains_key("limits") && told.json.contains_key("err")
            {
                take(INFLATED);
            }
        }
    ),
    mutant!(
        "decode-claim-pondered",
        "counts up to the length that the header announces before it looks whether it is there",
        ask | frame | {
            if frame.op() == "decode" && frame.part("message").is_some_and(claims_much) {
                ponder(PONDERED);
            }
        }
    ),
    mutant!(
        "kv-claim-allocated",
        "makes room for the cache that the header describes before it looks at the input",
        ask | frame | {
            if frame.op() == "kv_decode" && frame.part("kv").is_some_and(describes_much) {
                take(CLAIMED);
            }
        }
    ),
    mutant!(
        "kv-claim-pondered",
        "counts layers that are not there, and then says so",
        ask | frame | {
            if frame.op() == "kv_decode" && frame.part("kv").is_some_and(describes_layers) {
                ponder(PONDERED_CACHE);
            }
        }
    ),
];

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
}

/// Whether a message is a header alone that announces a gigabyte of payload.
fn claims_much(message: &[u8]) -> bool {
    message.len() == 12 && message[3] == 0 && number(message, 4) >= 1 << 30 && number(message, 8) == 0
}

/// Whether a cache of few bytes describes one of billions of elements.
fn describes_much(kv: &[u8]) -> bool {
    let elements = (0..4).fold(1u128, |all, at| all * u128::from(number(kv, 4 * at).max(1)));
    kv.len() < 1000 && elements >= 1 << 31
}

/// Whether a cache of few bytes has billions of layers of one position.
fn describes_layers(kv: &[u8]) -> bool {
    kv.len() < 1000 && number(kv, 0) == u64::from(u32::MAX) && number(kv, 12) == 1
}

/// Takes memory, every page of it, and gives it back.
fn take(bytes: usize) {
    std::hint::black_box(vec![1u8; bytes]);
}

/// Lets time pass.
fn ponder(time: Duration) {
    let begun = Instant::now();
    while let Some(left) = time.checked_sub(begun.elapsed()) {
        std::thread::park_timeout(left);
    }
}
