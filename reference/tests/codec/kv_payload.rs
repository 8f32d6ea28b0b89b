//! KV payloads.

use std::time::Instant;

use avp::{
    ErrorClass,
    kv::{self, KV_HEADER_LEN, KvDtype, KvHeader, KvLayer, KvPayload, MAX_LAYERS, payload_bytes},
    tensor::TensorView,
    wire::{DataType, DiagnosticCode, Metadata},
};

use crate::noise;

fn f16s(range: std::ops::Range<u16>) -> Vec<u8> {
    range.flat_map(|i| half::f16::from_f32(f32::from(i)).to_le_bytes()).collect()
}

fn layer<'a>(dtype: DataType, shape: &[u64], k: &'a [u8], v: &'a [u8]) -> KvLayer<'a> {
    KvLayer { k: TensorView::new(dtype, shape, k).unwrap(), v: TensorView::new(dtype, shape, v).unwrap() }
}

fn head(layers: u32, heads: u32, head_dim: u32, seq_len: u32, dtype: u8) -> Vec<u8> {
    let words = [layers, heads, head_dim, seq_len].map(u32::to_le_bytes).concat();
    [&words[..], &[dtype]].concat()
}

/// AVP-KV-001 to AVP-KV-004, golden KV1.
#[test]
fn the_golden_cache_has_its_bytes() {
    let golden = "01000000020000000200000003000000010000003c0040004200440045004600470048804800498049405650566056705680569056a056b056c056d056e056f056";
    let golden: Vec<u8> =
        (0..golden.len()).step_by(2).map(|i| u8::from_str_radix(&golden[i..i + 2], 16).unwrap()).collect();
    let (k, v) = (f16s(0..12), f16s(100..112));
    for shape in [&[2, 3, 2][..], &[1, 2, 3, 2]] {
        let layers = [layer(DataType::Float16, shape, &k, &v)];
        assert_eq!(kv::encode(&layers).unwrap(), golden);
        let vectored = kv::encode_vectored(&layers).unwrap();
        assert_eq!((vectored.pieces().concat(), vectored.payload_len()), (golden.clone(), golden.len()));
        assert_eq!(vectored.tensors[1].as_ptr(), v.as_ptr(), "borrowed");
    }
    let payload = KvPayload::parse_strict(&golden).unwrap();
    let header = KvHeader { num_layers: 1, num_kv_heads: 2, head_dim: 2, seq_len: 3, dtype: KvDtype::F16 };
    assert_eq!((*payload.header(), header.write().to_vec()), (header, golden[..17].to_vec()));
    let read = payload.layer(0).unwrap();
    assert_eq!((read.k.bytes(), read.v.bytes(), read.k.shape()), (&k[..], &v[..], &[2, 3, 2][..]));
    assert_eq!(read.k.bytes().as_ptr(), golden[KV_HEADER_LEN..].as_ptr(), "borrowed");
    assert_eq!(payload.layer(1), None);

    // AVP-KV-007, AVP-KV-008.
    for len in 0..golden.len() {
        assert_eq!(KvPayload::parse(&golden[..len]).unwrap_err().class, ErrorClass::Decode, "{len} bytes");
    }
    // AVP-KV-009.
    let longer = [&golden[..], b"zz"].concat();
    assert_eq!(KvPayload::parse(&longer).unwrap().trailing(), 2);
    let error = KvPayload::parse_strict(&longer).unwrap_err();
    assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(golden.len() as u64)));
}

/// AVP-KV-005, AVP-KV-017: bits survive in every element type.
#[test]
fn caches_survive_to_the_bit() {
    for (dtype, kv_dtype) in [
        (DataType::Float32, KvDtype::F32),
        (DataType::Float16, KvDtype::F16),
        (DataType::BFloat16, KvDtype::BF16),
    ] {
        let (layers, heads, seq, dim) = (3, 2, 5, 7);
        let size = heads * seq * dim * dtype.size();
        let data = noise(2 * layers * size);
        let tensors: Vec<&[u8]> = data.chunks(size).collect();
        let shape = [heads as u64, seq as u64, dim as u64];
        let cache: Vec<_> = tensors.chunks(2).map(|kv| layer(dtype, &shape, kv[0], kv[1])).collect();
        let bytes = kv::encode(&cache).unwrap();
        let estimate = payload_bytes(3, 2, 7, 5, kv_dtype).unwrap();
        assert_eq!(bytes.len() as u64, 17 + estimate);
        assert_eq!(bytes[16], kv_dtype.code());
        let read: Vec<_> = KvPayload::parse_strict(&bytes).unwrap().layers().collect();
        assert_eq!(read, cache);
    }
}

/// AVP-KV-006.
#[test]
fn unknown_dtype_bytes_are_refused() {
    for code in 3..=255 {
        let payload = [head(1, 1, 1, 1, code), vec![0; 4]].concat();
        let error = KvPayload::parse(&payload).unwrap_err();
        assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(16)));
    }
}

/// AVP-KV-010.
#[test]
fn impossible_sizes_are_refused_at_once() {
    let (half, max) = (1 << 31, u32::MAX);
    let start = Instant::now();
    for bad in [
        head(1, half, half, half, 0),
        head(max, 1, 1, 1, 0),
        head(max, max, max, max, 2),
        head(1, 65_536, 1, 65_536, 0),
        head(1, half, 1, half, 0),
        head(2, 1 << 30, 1, 1 << 30, 0),
        // 2^62 + 1 elements: their bytes wrap to what is there.
        [head(1, 384_773, 247_385, 48_448_661, 0), vec![0; 8]].concat(),
    ] {
        assert_eq!(KvPayload::parse(&bad).unwrap_err().class, ErrorClass::Decode);
    }
    // Layers without a single byte.
    for (layers, heads, seq) in [(max, 1, 0), (max, 0, 1), (MAX_LAYERS + 1, 1, 0)] {
        let error = KvPayload::parse(&head(layers, heads, 1, seq, 0)).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "kv.num_layers"));
    }
    assert_eq!(KvPayload::parse(&head(MAX_LAYERS, 1, 1, 0, 0)).unwrap().layers().count(), 4096);
    assert!(start.elapsed().as_millis() < 100, "{:?}", start.elapsed());
}

/// AVP-KV-011.
#[test]
fn empty_caches() {
    let none = head(0, 1, 1, 1, 0);
    assert_eq!(KvPayload::parse_strict(&none).unwrap().layers().count(), 0);
    let empty = head(1, 2, 4, 0, 0);
    let payload = KvPayload::parse_strict(&empty).unwrap();
    let layers: Vec<_> = payload.layers().collect();
    assert_eq!((layers.len(), layers[0].k.shape()), (1, &[2, 0, 4][..]));
    assert_eq!(kv::encode(&layers).unwrap(), empty);
    assert_eq!(kv::encode(&[]).unwrap_err().class, ErrorClass::InvalidArgument);
}

/// AVP-KV-012 to AVP-KV-014.
#[test]
fn what_does_not_fit_is_refused() {
    let bytes = noise(4096);
    let f16 = |shape: &[u64]| {
        let len = shape.iter().product::<u64>() as usize * 2;
        TensorView::new(DataType::Float16, shape, &bytes[..len]).unwrap()
    };
    let refused = |layers: &[KvLayer<'_>]| kv::encode(layers).unwrap_err().class;
    let pair = |k: &[u64], v: &[u64]| KvLayer { k: f16(k), v: f16(v) };
    for shape in [&[2, 2, 3, 2][..], &[0, 2, 3, 2], &[3, 2], &[1, 1, 2, 3, 2]] {
        assert_eq!(refused(&[pair(shape, shape)]), ErrorClass::ShapeMismatch, "{shape:?}");
    }
    let plain = pair(&[2, 3, 2], &[2, 3, 2]);
    for other in [pair(&[2, 5, 2], &[2, 5, 2]), pair(&[2, 3, 2], &[2, 4, 2]), pair(&[3, 2, 2], &[3, 2, 2])] {
        assert_eq!(refused(&[plain.clone(), other]), ErrorClass::ShapeMismatch);
    }
    let f32 = TensorView::new(DataType::Float32, &[2, 3, 2], &bytes[..48]).unwrap();
    assert_eq!(refused(&[KvLayer { v: f32, ..plain.clone() }]), ErrorClass::ShapeMismatch);
    let int8 = TensorView::new(DataType::Int8, &[2, 3, 2], &bytes[..12]).unwrap();
    assert_eq!(refused(&[KvLayer { k: int8.clone(), v: int8 }]), ErrorClass::InvalidArgument);
    let many = vec![pair(&[1, 0, 1], &[1, 0, 1]); MAX_LAYERS as usize + 1];
    assert_eq!(refused(&many), ErrorClass::LimitExceeded);
}

/// AVP-KV-015.
#[test]
fn disagreement_with_the_metadata_is_noted() {
    let bytes = [head(1, 1, 1, 1, 1), vec![0; 5]].concat();
    let payload = KvPayload::parse(&bytes).unwrap();
    let codes = |dtype, num_layers| {
        let metadata = Metadata { dtype, num_layers, ..Metadata::default() };
        payload.diagnose(&metadata).into_iter().map(|d| d.code).collect::<Vec<_>>()
    };
    use DiagnosticCode::{DtypeMismatch, LayersMismatch, TrailingBytes};
    assert_eq!(codes(DataType::Float16, 1), [TrailingBytes]);
    assert_eq!(codes(DataType::Float16, 0), [TrailingBytes]);
    assert_eq!(codes(DataType::Float32, 2), [DtypeMismatch, LayersMismatch, TrailingBytes]);
}

/// AVP-KV-016.
#[test]
fn sizes_are_estimated() {
    assert_eq!(payload_bytes(28, 4, 128, 1000, KvDtype::F16).unwrap(), 57_344_000);
    assert_eq!(payload_bytes(80, 8, 128, 1_000_000, KvDtype::BF16).unwrap(), 327_680_000_000);
    let error = payload_bytes(u64::MAX, 2, 2, 2, KvDtype::F32).unwrap_err();
    assert_eq!(error.class, ErrorClass::LimitExceeded);
}
