//! Memory of single inputs that were made to cost much.

use avp::{
    ErrorClass,
    kv::KvPayload,
    wire::{Decoder, Dialect, Limits, StreamDecoder},
};

use crate::allocations::peak;

/// What a refusal may hold: the error's text.
const NOTHING: usize = 1024;

/// A compressed message around a frame of run-length blocks of 128 KiB zeros.
fn zeros(blocks: u32, claim: Option<u64>) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
    frame.extend_from_slice(if claim.is_some() { &[0xc0, 0x38] } else { &[0x00, 0x38] });
    frame.extend(claim.iter().flat_map(|claim| claim.to_le_bytes()));
    for i in 1..=blocks {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(i == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    message(1, &[], &frame)
}

fn message(flags: u8, metadata: &[u8], payload: &[u8]) -> Vec<u8> {
    let lengths =
        [(metadata.len() + payload.len()) as u32, metadata.len() as u32].map(u32::to_le_bytes).concat();
    [&[b'A', b'V', 1, flags][..], &lengths, metadata, payload].concat()
}

/// AVP-CMP-018, with the default limits.
#[test]
fn bombs_cost_nothing() {
    for bomb in [
        zeros(1 << 13, Some(1 << 30)),
        zeros(1 << 13, None),
        zeros(1, Some(1 << 62)),
        zeros(1, Some(u64::MAX)),
        zeros(1, Some(500 << 20)),
        zeros(1 << 13, Some(8)),
    ] {
        let (result, held) = peak(|| Decoder::new().decode(&bomb).map(|m| m.payload.len()));
        assert!(result.is_err() && held <= NOTHING, "{result:?} held {held}");
    }
}

/// Blocks whose size is only known when they are inflated: the buffer ends at the limit.
#[test]
fn unsized_frames_end_at_the_limit() {
    let content: Vec<u8> = (0..3 << 20).map(|i| (i / 50_000) as u8).collect();
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    std::io::Write::write_all(&mut encoder, &content).unwrap();
    let input = message(1, &[], &encoder.finish().unwrap());
    for max_payload in [0, 1, 1000, 64 << 10, 1 << 20, (3 << 20) - 1, 3 << 20, 8 << 20] {
        let limits = Limits { max_payload, ..Limits::default() };
        let (result, held) = peak(|| Decoder::new().limits(limits).decode(&input).map(|m| m.payload.len()));
        let fits = max_payload >= 3 << 20;
        assert_eq!(
            result.map_err(|e| e.class),
            if fits { Ok(3 << 20) } else { Err(ErrorClass::LimitExceeded) }
        );
        assert!(held <= max_payload as usize + NOTHING, "{held} for a limit of {max_payload}");
    }
}

/// AVP-KV-010.
#[test]
fn impossible_caches_cost_nothing() {
    for words in [[u32::MAX, 1, 1, 0], [u32::MAX, 0, 1, 1], [1, 1 << 31, 1 << 31, 1 << 31], [u32::MAX; 4]] {
        let payload = [&words.map(u32::to_le_bytes).concat()[..], &[0]].concat();
        let (result, held) = peak(|| KvPayload::parse(&payload).is_err());
        assert!(result && held <= NOTHING, "{held}");
    }
}

/// AVP-HDR-025: a length that is only announced.
#[test]
fn announced_lengths_cost_nothing() {
    let head = [0x41, 0x56, 1, 0, 0xff, 0xff, 0xff, 0x3f, 0, 0, 0, 0];
    let (result, held) = peak(|| Decoder::new().decode(&head).is_err());
    assert!(result && held <= NOTHING, "{held}");

    // Within the limit, so the stream waits for it; memory follows what has come.
    let limits = Limits { max_message: u64::from(u32::MAX), ..Limits::default() };
    let (_, held) = peak(|| {
        let mut stream = StreamDecoder::new(Decoder::new().limits(limits));
        assert!(stream.push(&mut &head[..]).unwrap().is_none());
        assert!(stream.push(&mut &[0; 5000][..]).unwrap().is_none());
        assert_eq!(stream.pending(), 5012);
    });
    assert!(held <= 2 * 5012 + NOTHING, "{held}");
}

/// Metadata that is cheap to send and dear to hold, at the default limit of 1 MiB.
#[test]
fn metadata_is_bounded() {
    let limit = Limits::default().max_metadata as usize;
    let entries: Vec<u8> = (0..)
        .flat_map(|i: u32| [0x72, 4, 0x0a, 2, b'0' + (i % 64) as u8, b'0' + (i / 64 % 64) as u8])
        .take(limit / 6 * 6)
        .collect();
    let longer: Vec<u8> = (0u32..)
        .flat_map(|i| {
            [&[0x72, 5, 0x0a, 3][..], &[6, 12, 18].map(|shift| b'0' + (i >> (shift - 6) & 63) as u8)].concat()
        })
        .take(limit / 7 * 7)
        .collect();
    let shape = [&[0x4a, 0xf0, 0xff, 0x3f][..], &vec![1; (1 << 20) - 16]].concat();
    let chunks = [0x0a, 0].repeat(1 << 19);
    for (dialect, metadata, payload) in [
        (Dialect::V04, &entries, &vec![]),
        (Dialect::V04, &longer, &vec![]),
        (Dialect::V04, &shape, &vec![]),
        (Dialect::V02, &vec![0x50, 1], &chunks),
    ] {
        let input = message(0, metadata, payload);
        let (result, held) = peak(|| Decoder::new().dialect(dialect).decode(&input).map(drop));
        result.unwrap();
        assert!(held <= 48 << 20, "{} KiB", held >> 10);
    }
    let over = message(0, &[0x48, 1].repeat(limit / 2 + 1), &[]);
    let (result, held) = peak(|| Decoder::new().decode(&over).unwrap_err().class);
    assert!(result == ErrorClass::LimitExceeded && held <= NOTHING);
}
