//! Which dialect a message belongs to (AVP-HDR-030, decision table A.2).

use crate::case::Spec;
use crate::dissect::{Metadata, RawValue, flag_bits};

/// What a message's flags and metadata give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Dialect {
    V01,
    V02,
    V04,
    /// Both dialects read it alike.
    Neutral,
    /// No dialect writes this.
    Inconsistent,
}

impl Dialect {
    /// As the contract writes it; `None` when there is no word for it.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::V01 => Some("0.1"),
            Self::V02 => Some("0.2"),
            Self::V04 => Some("0.4"),
            Self::Neutral => Some("neutral"),
            Self::Inconsistent => None,
        }
    }
}

/// Decides by the flags byte and the metadata (read under either spec; only raw fields, payload type, mode and map id are
/// looked at, which both read alike).
pub fn dialect(flags: u8, metadata: &Metadata) -> Dialect {
    let has = |test: &dyn Fn(u32, &RawValue) -> bool| metadata.raw.iter().any(|f| test(f.number, &f.value));
    if has(&|n, v| matches!((n, v), (2, RawValue::Varint(_)) | (5, RawValue::Len(_)))) {
        return Dialect::V01;
    }
    if has(&|n, v| (100..=103).contains(&n) || matches!((n, v), (12, RawValue::Fixed32(_)))) {
        return Dialect::V02;
    }
    if has(&|n, _| n == 15) {
        return Dialect::V04;
    }
    let (_, b1, b2, b3) = flag_bits(Spec::V02);
    let set = |bit: u8| flags & bit != 0;
    let map = !metadata.avp_map_id.is_empty();
    match (metadata.payload_type, metadata.mode) {
        _ if set(b3) => Dialect::V02,
        (1, _) => Dialect::V04,
        (_, 2) => Dialect::V02,
        (_, 1) if set(b1) && set(b2) == map => Dialect::V02,
        (_, 1) if set(b1) == map && !set(b2) => Dialect::V04,
        (_, 1) => Dialect::Inconsistent,
        _ if map => match (set(b1), set(b2)) {
            (false, true) => Dialect::V02,
            (true, false) => Dialect::V04,
            _ => Dialect::Inconsistent,
        },
        _ if !set(b1) && !set(b2) => Dialect::Neutral,
        _ => Dialect::Inconsistent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an encoder of each dialect writes, over all combinations, is recognised.
    #[test]
    fn everything_that_an_encoder_writes() {
        for spec in [Spec::V02, Spec::V04] {
            let (compressed, hybrid, map_bit, kv) = flag_bits(spec);
            let modes = if spec == Spec::V02 { 0..=2 } else { 0..=1 };
            for (mode, pt, map, zip) in modes.flat_map(|mode| {
                (0..=1).flat_map(move |pt| {
                    [
                        (mode, pt, false, false),
                        (mode, pt, true, false),
                        (mode, pt, false, true),
                        (mode, pt, true, true),
                    ]
                })
            }) {
                let set = |on: bool, bit: u8| if on { bit } else { 0 };
                let flags = set(zip, compressed)
                    | set(spec == Spec::V02 && mode == 1, hybrid)
                    | set(map, map_bit)
                    | set(pt == 1, kv);
                let avp_map_id = if map { "vocab:x".to_owned() } else { String::new() };
                let metadata = Metadata { mode, payload_type: pt, avp_map_id, ..Metadata::default() };
                let found = dialect(flags, &metadata);
                let own = if spec == Spec::V02 { Dialect::V02 } else { Dialect::V04 };
                let neutral = !map && pt == 0 && mode == 0;
                assert_eq!(
                    found,
                    if neutral { Dialect::Neutral } else { own },
                    "{spec:?} {flags:#x} {mode} {pt} {map}"
                );
            }
        }
    }
}
