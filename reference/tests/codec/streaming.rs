//! Messages out of a stream in pieces.

use avp::{
    ErrorClass,
    wire::{Compression, Decoder, Encoder, Limits, Message, Metadata, StreamDecoder},
};

use crate::{noise, vec2};

fn messages() -> Vec<Vec<u8>> {
    let metadata = Metadata { model_id: "m".into(), ..Metadata::default() };
    let encode = |payload: &[u8], compression| {
        Encoder::new().compression(compression).encode(&metadata, payload).unwrap()
    };
    vec![
        vec2(),
        encode(b"", Compression::None),
        Encoder::new().checksum(false).encode(&Metadata::default(), b"").unwrap(), // a bare header
        encode(&noise(70_000), Compression::None),
        encode(&noise(5_000), Compression::Balanced),
    ]
}

fn collect(stream: &[u8], piece: usize) -> (Vec<Message<'static>>, StreamDecoder) {
    let mut decoder = StreamDecoder::new(Decoder::new());
    let mut out = Vec::new();
    for mut piece in stream.chunks(piece) {
        while let Some(message) = decoder.push(&mut piece).unwrap() {
            out.push(message.into_owned());
        }
        assert!(piece.is_empty());
    }
    (out, decoder)
}

#[test]
fn messages_come_out_whole_however_they_are_cut() {
    let expected: Vec<_> =
        messages().iter().map(|m| Decoder::new().decode(m).unwrap().into_owned()).collect();
    let stream = messages().concat();
    for piece in [1, 2, 3, 11, 12, 13, 100, 4096, 70_000, stream.len()] {
        let (found, decoder) = collect(&stream, piece);
        assert!(found == expected, "pieces of {piece}");
        decoder.finish().unwrap();
        assert_eq!(decoder.pending(), 0);
    }
}

/// AVP-HDR-022: what is left over is the start of the next message.
#[test]
fn the_rest_is_kept_and_counted() {
    let stream = [&vec2()[..], &vec2()[..20]].concat();
    let (found, decoder) = collect(&stream, 7);
    assert_eq!((found.len(), decoder.pending(), decoder.missing()), (1, 20, 5));
    let error = decoder.finish().unwrap_err();
    assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(20)));
}

/// AVP-HDR-025, AVP-SEC-010: the header is judged before the body comes.
#[test]
fn bad_headers_are_refused_without_their_body() {
    let mut magic = vec2();
    magic[0] = b'X';
    let announced = [0x41, 0x56, 1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let beyond = [0x41, 0x56, 1, 0, 2, 0, 0, 0, 5, 0, 0, 0];
    for (head, class) in [
        (&magic[..12], ErrorClass::InvalidMagic),
        (&announced, ErrorClass::LimitExceeded),
        (&beyond, ErrorClass::Decode),
    ] {
        let mut decoder = StreamDecoder::new(Decoder::new());
        for &byte in &head[..11] {
            assert!(decoder.push(&mut &[byte][..]).unwrap().is_none());
        }
        let error = decoder.push(&mut &head[11..]).unwrap_err();
        assert_eq!(error.class, class);
        // Nothing tells where the next message starts.
        let again = decoder.push(&mut &vec2()[..]).unwrap_err();
        assert_eq!((&again, decoder.finish().unwrap_err()), (&error, error.clone()));
    }
}

#[test]
fn limits_hold_for_each_message() {
    let limits = Limits { max_message: 25, ..Limits::default() };
    let mut decoder = StreamDecoder::new(Decoder::new().limits(limits));
    let stream = vec2().repeat(3);
    let mut rest = &stream[..];
    let mut count = 0;
    while decoder.push(&mut rest).unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 3);
    let mut long = vec2();
    long[4] += 1;
    assert_eq!(decoder.push(&mut &long[..]).unwrap_err().class, ErrorClass::LimitExceeded);
}
