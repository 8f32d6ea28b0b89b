//! Which dialect a message belongs to (AVP-HDR-030, ambiguity A.2).

use avp::wire::{Decoder, Dialect, Flags, Mode, PayloadType, decode};

use crate::message;

/// AVP-HDR-030: what the encoders of 0.2 and 0.4 write for every combination of map, type and mode is told apart.
#[test]
fn dialects_are_detected() {
    let mut neutral = 0;
    for dialect in [Dialect::V02, Dialect::V04] {
        for map in [false, true] {
            for payload_type in [PayloadType::HiddenState, PayloadType::KvCache, PayloadType::Embedding] {
                for mode in [Mode::Latent, Mode::Hybrid, Mode::Json] {
                    let (Ok(pt), Ok(number)) = (payload_type.to_wire(dialect), mode.to_wire(dialect)) else {
                        continue;
                    };
                    let mut metadata = vec![0x38, pt as u8, 0x50, number as u8];
                    if map {
                        metadata.extend_from_slice(b"\x6a\x01m");
                    }
                    for compressed in [false, true] {
                        let flags = Flags::of(dialect, compressed, payload_type, mode, map).0;
                        let payload: &[u8] =
                            if compressed { &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0] } else { b"" };
                        let input = message(flags, &metadata, payload);
                        let found = decode(&input).unwrap();
                        assert_eq!(found.metadata.payload_type, payload_type);
                        assert_eq!(found.metadata.mode, mode);
                        assert_eq!(found.diagnostics, []);
                        if found.neutral {
                            neutral += 1;
                            assert!(!map && payload_type != PayloadType::KvCache && mode == Mode::Latent);
                        } else {
                            assert_eq!(found.dialect, dialect);
                        }
                    }
                }
            }
        }
    }
    assert_eq!(neutral, 2 * (2 + 1)); // hidden states of both, embeddings of 0.2; each plain and compressed
}

/// Ambiguity A.2, rule 1, and the dialect of messages that contradict themselves.
#[test]
fn telling_fields_decide_first() {
    let dialect = |flags, metadata: &[u8]| decode(&message(flags, metadata, b"")).unwrap().dialect;
    assert_eq!(dialect(0, &[0x10, 4]), Dialect::V01);
    assert_eq!(dialect(0, &[0x2a, 1, b'a']), Dialect::V01);
    assert_eq!(dialect(0, &[0x65, 0, 0, 0, 0x3f]), Dialect::V02);
    assert_eq!(dialect(0, &[0xa0, 6, 1]), Dialect::V02);
    assert_eq!(dialect(0, &[0x78, 0]), Dialect::V04);
    assert_eq!(dialect(8, &[]), Dialect::V02);

    let inconsistent = message(6, b"\x6a\x01m", b"");
    assert_eq!(decode(&inconsistent).unwrap().dialect, Dialect::V04);
    let assumed = Decoder::new().assume(Dialect::V02).decode(&inconsistent).unwrap();
    assert_eq!((assumed.dialect, assumed.neutral), (Dialect::V02, false));
    assert!(!assumed.diagnostics.is_empty());
}
