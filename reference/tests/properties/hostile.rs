//! Arbitrary and mutated bytes: no panic, no broken promise, no more memory than the limits allow.

use std::sync::OnceLock;

use avp::{
    fuzzing,
    kv::KvPayload,
    wire::{
        Compression, DataType, Decoder, Dialect, DialectChoice, Encoder, HybridChunk, Metadata, Mode,
        PayloadType,
    },
};
use proptest::{collection, prelude::*, sample};

use crate::{allocations::peak, config};

/// Most that a byte of metadata or of a hybrid payload takes once decoded. The worst is a map of many short entries:
/// six bytes on the wire, two strings and their share of two tree nodes in memory.
const DECODED_BYTES_A_BYTE: usize = 48;
/// Error texts and whatever else does not grow with the input.
const FIXED: usize = 16 << 10;

/// All that a hostile peer's bytes are put through.
fn attack(bytes: &[u8]) {
    let choices = [DialectChoice::Auto, Dialect::V01.into(), Dialect::V02.into(), Dialect::V04.into()];
    for choice in choices {
        let decoder = Decoder::new().limits(fuzzing::LIMITS).dialect(choice);
        let (message, held) = peak(|| decoder.decode(bytes));
        // The text of a hybrid message is a copy beside the payload.
        let text = message.ok().and_then(|message| message.text_fallback).map_or(0, |text| text.len());
        // An uncompressed payload is borrowed, so the limit counts only with the flag.
        let inflated =
            if bytes.get(3).is_some_and(|flags| flags & 1 != 0) { fuzzing::LIMITS.max_payload } else { 0 };
        let allowed = inflated as usize + text + DECODED_BYTES_A_BYTE * bytes.len() + FIXED;
        assert!(held <= allowed, "{held} bytes held for {} bytes of input, {allowed} allowed", bytes.len());
    }
    let (_, held) =
        peak(|| KvPayload::parse(bytes).map(|payload| payload.layers().map(|l| l.k.count()).sum::<usize>()));
    assert!(held <= FIXED, "{held} bytes held for a cache");

    fuzzing::decode(bytes);
    fuzzing::stream(bytes);
    fuzzing::kv(bytes);
}

/// Well-formed inputs of every kind.
fn bases() -> &'static [Vec<u8>] {
    static BASES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BASES.get_or_init(|| {
        let metadata = Metadata {
            session_id: "9f2c6c0e7b7f4d0f8a51d8a4b1c0ffee".into(),
            model_id: "example/model".into(),
            hidden_dim: 4,
            num_layers: 2,
            tensor_shape: vec![2, 4],
            avp_map_id: "vocab:0123456789abcdef".into(),
            extra: [("a", "1"), ("num_steps", "20")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..Metadata::default()
        };
        let kv = [&[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1][..], &[0x3c; 96]].concat();
        let mut bases = vec![
            kv.clone(),
            b"AV\x01\0\x30\0\0\0\x20\0\0\0\x0a\x0atest-model\x10\x04\x1a\x07float32\x2a\x07agent-a0123456789abcdef".to_vec(),
        ];
        for dialect in [Dialect::V02, Dialect::V04] {
            for compression in [Compression::None, Compression::Fast, Compression::Max] {
                let encoder = Encoder::new().dialect(dialect).compression(compression);
                let cache = Metadata {
                    payload_type: PayloadType::KvCache,
                    dtype: DataType::Float16,
                    mode: Mode::Json,
                    ..metadata.clone()
                };
                bases.push(encoder.encode(&metadata, &[7; 32]).unwrap());
                bases.push(encoder.encode(&cache, &kv).unwrap());
                bases.push(encoder.encode(&Metadata::default(), &[0; 150_000]).unwrap());
                if dialect == Dialect::V02 {
                    let chunks = [HybridChunk::latent(&[1; 16], 0.5), HybridChunk::text("fallback", 0.25)];
                    bases.push(encoder.encode_hybrid(&metadata, &chunks).unwrap());
                }
            }
        }
        // A frame without its size, inside a message.
        let mut frame = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        std::io::Write::write_all(&mut frame, &b"unsized ".repeat(9000)).unwrap();
        let frame = frame.finish().unwrap();
        let head = [b"AV\x01\x01", &(frame.len() as u32).to_le_bytes()[..], &[0; 4]].concat();
        bases.push([head, frame].concat());
        // Two messages in a row.
        bases.push([&bases[2][..], &bases[3]].concat());
        bases
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(sample::Index, u8),
    Flip(sample::Index, u8),
    Word(sample::Index, u32),
    Insert(sample::Index, Vec<u8>),
    Remove(sample::Index, usize),
    Repeat(sample::Index, usize, usize),
    Truncate(sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<sample::Index>;
    let word = prop_oneof![
        Just(0u32),
        Just(1),
        Just(u32::MAX),
        Just(1 << 31),
        Just((1 << 31) - 1),
        Just(1 << 20),
        0..200u32,
        any::<u32>()
    ];
    // Tags of known fields and of wire types that are odd in their place.
    let field = sample::select(vec![
        0x0au8, 0x10, 0x2a, 0x38, 0x40, 0x48, 0x4a, 0x50, 0x5a, 0x65, 0x72, 0x78, 0x0b, 0,
    ]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
        (at(), word).prop_map(|(at, word)| Mutation::Word(at, word)),
        (at(), collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), field, any::<u8>()).prop_map(|(at, tag, byte)| Mutation::Insert(at, vec![tag, byte])),
        (at(), 1..20usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (at(), 1..20usize, 1..200usize).prop_map(|(at, len, times)| Mutation::Repeat(at, len, times)),
        at().prop_map(Mutation::Truncate),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    // The front of a message is where most of its meaning is: every other position falls there.
    let place = |index: &sample::Index, len: usize| {
        let at = index.index(2 * len);
        if at < len { at } else { index.index(len.min(96)) }
    };
    let len = bytes.len();
    if len == 0 {
        return;
    }
    match mutation {
        Mutation::Set(at, byte) => bytes[place(at, len)] = *byte,
        Mutation::Flip(at, bit) => bytes[place(at, len)] ^= bit,
        Mutation::Word(at, word) => {
            let at = place(at, len);
            for (to, from) in bytes[at..].iter_mut().zip(word.to_le_bytes()) {
                *to = from;
            }
        }
        Mutation::Insert(at, new) => {
            let at = place(at, len);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove(at, n) => {
            let at = place(at, len);
            bytes.drain(at..len.min(at + n));
        }
        Mutation::Repeat(at, n, times) => {
            let at = place(at, len);
            let part = bytes[at..len.min(at + n)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
    }
}

/// Half of the mutated messages get their lengths put right again, so that the metadata's reader is reached.
fn repair(bytes: &mut [u8], grown: isize) {
    if let Some(head) = bytes.first_chunk_mut::<12>() {
        for at in [4, 8] {
            let length = u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let length = (length as isize).saturating_add(grown).clamp(0, u32::MAX as isize) as u32;
            head[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes(bytes in collection::vec(any::<u8>(), 0..200)) {
        attack(&bytes);
    }

    /// A right header in front, so that what follows is looked at.
    #[test]
    fn arbitrary_bodies(
        flags in 0..16u8,
        metadata in collection::vec(any::<u8>(), 0..40),
        payload in collection::vec(any::<u8>(), 0..60),
        zstd in any::<bool>(),
    ) {
        let payload = if zstd { [&[0x28, 0xb5, 0x2f, 0xfd], &payload[..]].concat() } else { payload };
        let lengths = [(metadata.len() + payload.len()) as u32, metadata.len() as u32].map(u32::to_le_bytes).concat();
        attack(&[&[b'A', b'V', 1, flags][..], &lengths, &metadata, &payload].concat());
    }

    #[test]
    fn mutated_messages(
        base in any::<sample::Index>(),
        mutations in collection::vec(mutation(), 1..6),
        repaired in any::<bool>(),
    ) {
        let mut bytes = base.get(bases()).clone();
        let len = bytes.len() as isize;
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        if repaired {
            let grown = bytes.len() as isize - len;
            repair(&mut bytes, grown);
        }
        attack(&bytes);
    }
}

/// The bases themselves pass, so that mutation starts from what is accepted.
#[test]
fn bases_are_accepted() {
    for base in bases() {
        attack(base);
        assert!(Decoder::new().decode(base).is_ok() || KvPayload::parse_strict(base).is_ok());
    }
}
