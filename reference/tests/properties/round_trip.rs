//! What is written is read again.

use avp::{
    kv::{self, KvLayer, KvPayload},
    tensor::TensorView,
    wire::{
        ChunkKind, Compression, DataType, Decoder, Dialect, Encoder, HybridChunk, Metadata, Mode,
        PayloadType, StreamDecoder,
    },
};
use proptest::{collection, prelude::*, sample::select};

use crate::config;

fn text() -> impl Strategy<Value = String> {
    // Any Unicode scalar values, NUL included; sometimes longer than a varint's first byte can say.
    prop_oneof![4 => collection::vec(any::<char>(), 0..12), 1 => collection::vec(any::<char>(), 60..300)]
        .prop_map(String::from_iter)
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(u32::MAX), 1..300u32, any::<u32>()]
}

fn metadata(dialect: Dialect) -> impl Strategy<Value = Metadata> {
    let (types, modes, confidence) = match dialect {
        Dialect::V04 => (
            vec![PayloadType::HiddenState, PayloadType::KvCache],
            vec![Mode::Latent, Mode::Json],
            Just(0.0).boxed(),
        ),
        _ => (
            vec![PayloadType::HiddenState, PayloadType::KvCache, PayloadType::Embedding],
            vec![Mode::Latent, Mode::Json],
            prop_oneof![Just(0.0), 0.0..1.0f32].boxed(),
        ),
    };
    let dtypes = vec![DataType::Float32, DataType::Float16, DataType::BFloat16, DataType::Int8];
    let texts = (text(), text(), text(), text(), prop_oneof![Just(String::new()), text()]);
    let enums = (select(types), select(dtypes), select(modes));
    let rest = (collection::vec(number(), 0..=8), collection::btree_map(text(), text(), 0..4), confidence);
    (texts, number(), number(), enums, rest).prop_map(|(texts, hidden_dim, num_layers, enums, rest)| {
        Metadata {
            session_id: texts.0,
            source_agent_id: texts.1,
            target_agent_id: texts.2,
            model_id: texts.3,
            hidden_dim,
            num_layers,
            payload_type: enums.0,
            dtype: enums.1,
            tensor_shape: rest.0,
            mode: enums.2,
            compression: None,
            confidence_score: rest.2,
            avp_map_id: texts.4,
            extra: rest.1,
            payload_checksum: None,
        }
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => collection::vec(any::<u8>(), 0..200),
        // Long runs and repetitions, so that zstd makes every kind of block.
        1 => (any::<u8>(), 0..300_000usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (collection::vec(any::<u8>(), 1..40), 0..5000usize).prop_map(|(part, n)| part.repeat(n)),
    ]
}

fn case() -> impl Strategy<Value = (Encoder, Dialect, bool, Metadata, Vec<u8>)> {
    let dialect = select(vec![Dialect::V02, Dialect::V04]);
    // Level 19 makes large tables; now and then is enough.
    let compression = prop_oneof![
        6 => Just(Compression::None), 3 => Just(Compression::Fast), 3 => Just(Compression::Balanced),
        1 => Just(Compression::Max)
    ];
    (dialect, compression, any::<bool>()).prop_flat_map(|(dialect, compression, checksum)| {
        let encoder = Encoder::new().dialect(dialect).compression(compression).checksum(checksum);
        (Just(encoder), Just(dialect), Just(compression != Compression::None), metadata(dialect), payload())
    })
}

proptest! {
    #![proptest_config(config())]

    /// Every dialect and compression; all forms of encoding; the dialect told and found out.
    #[test]
    fn messages((encoder, dialect, compressed, metadata, payload) in case()) {
        let bytes = encoder.encode(&metadata, &payload).unwrap();
        let mut appended = vec![1, 2, 3];
        encoder.encode_into(&metadata, &payload, &mut appended).unwrap();
        prop_assert_eq!(&appended[3..], &bytes);
        prop_assert_eq!(encoder.encode_vectored(&metadata, &payload).unwrap().pieces().concat(), bytes.clone());

        let read = Decoder::new().dialect(dialect).decode(&bytes).unwrap();
        let expected = Metadata {
            compression: compressed.then(|| "zstd".to_owned()),
            payload_checksum: read.metadata.payload_checksum,
            ..metadata
        };
        prop_assert_eq!(&read.metadata, &expected);
        prop_assert_eq!(&*read.payload, &payload[..]);
        prop_assert_eq!(read.consumed, bytes.len());

        let found = Decoder::new().decode(&bytes).unwrap();
        prop_assert!(found.neutral || found.dialect == dialect);
        prop_assert_eq!(&found.metadata, &expected);
        prop_assert_eq!(&found.payload, &read.payload);
    }

    /// Several messages in one stream, cut anywhere.
    #[test]
    fn streams(cases in collection::vec(case(), 1..4), cuts in collection::vec(1..500usize, 1..20)) {
        let messages: Vec<_> = cases.iter().map(|(encoder, _, _, m, p)| encoder.encode(m, p).unwrap()).collect();
        let stream = messages.concat();
        let (mut decoder, mut rest, mut found) = (StreamDecoder::new(Decoder::new()), &stream[..], 0);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (mut piece, behind) = rest.split_at((*cut).min(rest.len()));
            rest = behind;
            while let Some(message) = decoder.push(&mut piece).unwrap() {
                let expected = Decoder::new().decode(&messages[found]).unwrap();
                prop_assert!(message == expected);
                found += 1;
            }
        }
        decoder.finish().unwrap();
        prop_assert_eq!(found, messages.len());
    }

    /// Hybrid messages of 0.2.
    #[test]
    fn hybrids(
        metadata in metadata(Dialect::V02),
        chunks in collection::vec((any::<bool>(), text(), any::<f32>()), 0..5),
        compressed in any::<bool>(),
    ) {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|(latent, text, confidence)| match latent {
                true => HybridChunk::latent(text.as_bytes(), *confidence),
                false => HybridChunk::text(text, *confidence),
            })
            .collect();
        let compression = if compressed { Compression::Fast } else { Compression::None };
        let encoder = Encoder::new().dialect(Dialect::V02).compression(compression);
        let bytes = encoder.encode_hybrid(&metadata, &chunks).unwrap();
        let read = Decoder::new().decode(&bytes).unwrap();
        let last = |kind| chunks.iter().rev().find(|chunk| chunk.kind == kind).map(|chunk| chunk.data.to_vec());
        prop_assert_eq!(read.metadata.mode, Mode::Hybrid);
        prop_assert_eq!(&*read.payload, last(ChunkKind::Latent).unwrap_or_default());
        prop_assert_eq!(read.text_fallback.map(String::into_bytes), last(ChunkKind::Text));
        prop_assert_eq!(read.chunks.len(), chunks.len());
    }

    /// Caches, to the bit.
    #[test]
    fn caches(
        (layers, heads, seq, dim) in (1..4usize, 0..4usize, 0..5usize, 0..9usize),
        dtype in select(vec![DataType::Float32, DataType::Float16, DataType::BFloat16]),
        seed in any::<u8>(),
    ) {
        let size = heads * seq * dim * dtype.size();
        let data: Vec<u8> = (0..2 * layers * size).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let shape = [heads as u64, seq as u64, dim as u64];
        let tensor = |i: usize| TensorView::new(dtype, &shape, &data[i * size..(i + 1) * size]).unwrap();
        let cache: Vec<_> = (0..layers).map(|i| KvLayer { k: tensor(2 * i), v: tensor(2 * i + 1) }).collect();
        let bytes = kv::encode(&cache).unwrap();
        prop_assert_eq!(kv::encode_vectored(&cache).unwrap().pieces().concat(), bytes.clone());
        let read = KvPayload::parse_strict(&bytes).unwrap();
        prop_assert_eq!(read.layers().collect::<Vec<_>>(), cache);
        prop_assert_eq!(&bytes[17..], &data[..]);
    }
}
