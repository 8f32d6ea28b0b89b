//! Bodies of the fuzz targets and of the property tests: they take arbitrary bytes and panic when a promise of the
//! codec is broken. Not part of the public interface.

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "files")]
pub mod text;
#[cfg(feature = "files")]
pub mod weights;

use crate::{
    kv::{self, KvLayer, KvPayload},
    transfer::ProjectionMap,
    wire::{Decoder, Dialect, DialectChoice, Encoder, Limits, Message, Metadata, StreamDecoder},
};

/// Limits of the fuzz bodies: small, so that a run is not spent on inflating zeros.
pub const LIMITS: Limits =
    Limits { max_message: 1 << 20, max_metadata: 64 << 10, max_payload: 256 << 10, max_window_log: 20 };

const CHOICES: [DialectChoice; 4] = [
    DialectChoice::Auto,
    DialectChoice::Fixed(Dialect::V01),
    DialectChoice::Fixed(Dialect::V02),
    DialectChoice::Fixed(Dialect::V04),
];

/// Decodes in every dialect. What is accepted stays inside the limits and survives being written and read again.
pub fn decode(bytes: &[u8]) {
    for choice in CHOICES {
        let decoder = Decoder::new().limits(LIMITS).dialect(choice);
        let lenient = decoder.decode(bytes);
        let strict = decoder.strict(true).decode(bytes);
        match (&lenient, &strict) {
            (Ok(message), Ok(strict)) => assert!(message.diagnostics.is_empty() && same(message, strict)),
            (Ok(message), Err(_)) => assert!(!message.diagnostics.is_empty()),
            (Err(lenient), Err(strict)) => assert_eq!(lenient, strict),
            (Err(_), Ok(_)) => panic!("strict accepts what lenient refuses"),
        }
        if let Ok(message) = &lenient {
            check_message(message, bytes, decoder);
        }
    }
}

fn check_message(message: &Message<'_>, bytes: &[u8], decoder: Decoder) {
    assert!(message.consumed <= bytes.len());
    assert_eq!(message.consumed as u64, message.header.message_len());
    assert!(message.payload.len() as u64 <= LIMITS.max_payload);
    let alone = decoder.decode(&bytes[..message.consumed]).expect("what follows a message does not matter");
    assert!(same(&alone, message));

    // 0.1 can't be written, and what was a hybrid payload is no longer one.
    if message.dialect == Dialect::V01 || !message.chunks.is_empty() {
        return;
    }
    let written = Encoder::new()
        .dialect(message.dialect)
        .checksum(message.metadata.payload_checksum.is_some())
        .encode(&message.metadata, &message.payload)
        .expect("what was read can be written");
    let limits = Limits { max_metadata: u64::MAX, max_message: u64::MAX, ..LIMITS };
    let again = Decoder::new().limits(limits).dialect(message.dialect).decode(&written);
    let again = again.expect("what was written can be read");
    assert_eq!(again.payload, message.payload);
    let expected = Metadata { compression: None, ..message.metadata.clone() };
    assert!(same_metadata(&again.metadata, &expected), "{:?} became {:?}", expected, again.metadata);
}

fn same(a: &Message<'_>, b: &Message<'_>) -> bool {
    same_metadata(&a.metadata, &b.metadata)
        && (a.header, a.dialect, a.neutral, a.consumed) == (b.header, b.dialect, b.neutral, b.consumed)
        && (&a.payload, &a.text_fallback) == (&b.payload, &b.text_fallback)
}

/// Equality under which NaN equals itself.
fn same_metadata(a: &Metadata, b: &Metadata) -> bool {
    let (x, y) = (a.confidence_score, b.confidence_score);
    let zero = |metadata: &Metadata| Metadata { confidence_score: 0.0, ..metadata.clone() };
    (x == y || x.is_nan() && y.is_nan()) && zero(a) == zero(b)
}

/// Feeds the same bytes to a stream decoder in pieces (sizes from the bytes themselves) and to the decoder in one:
/// both see the same messages.
pub fn stream(bytes: &[u8]) {
    let decoder = Decoder::new().limits(LIMITS);
    let mut stream = StreamDecoder::new(decoder);
    let (mut rest, mut whole, mut failed) = (bytes, bytes, false);
    while !rest.is_empty() && !failed {
        let (mut piece, behind) = rest.split_at((usize::from(rest[0]) % 97 + 1).min(rest.len()));
        rest = behind;
        loop {
            match stream.push(&mut piece) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    let expected = decoder.decode(&whole[..message.consumed]).expect("the stream took it");
                    assert!(same(&message, &expected));
                    whole = &whole[message.consumed..];
                }
                Err(error) => {
                    failed = true;
                    let expected = decoder.decode(whole).expect_err("the stream refused it");
                    // The stream judges the header before it knows whether the rest will come.
                    assert!(error == expected || expected.field == "message");
                    break;
                }
            }
        }
        assert!(stream.pending() as u64 <= LIMITS.max_message);
    }
}

/// Reads a KV payload. What is accepted gives the same bytes again.
pub fn kv(bytes: &[u8]) {
    let Ok(payload) = KvPayload::parse(bytes) else {
        assert!(KvPayload::parse_strict(bytes).is_err());
        return;
    };
    assert_eq!(KvPayload::parse_strict(bytes).is_ok(), payload.trailing() == 0);
    let layers: Vec<KvLayer<'_>> = payload.layers().collect();
    assert_eq!(layers.len(), payload.header().num_layers as usize);
    if !layers.is_empty() {
        let written = kv::encode(&layers).expect("what was read can be written");
        assert_eq!(written, bytes[..bytes.len() - payload.trailing()]);
    }
}

/// Reads projection maps, our own and the Python SDK's. What is accepted can be written, but for learned maps, and is the
/// same when it is read again.
pub fn map(bytes: &[u8]) {
    for map in [ProjectionMap::from_bytes(bytes), ProjectionMap::from_pt(bytes)].into_iter().flatten() {
        map.check().expect("what was read holds together");
        if let Ok(written) = map.to_bytes() {
            let again = ProjectionMap::from_bytes(&written).expect("what was written can be read");
            assert_eq!(again, map);
        }
    }
}
