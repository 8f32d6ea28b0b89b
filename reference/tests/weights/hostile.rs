//! Files that lie, one lie at a time: each is refused where it stands, and costs nothing.

use avp::{
    ErrorClass,
    weights::{Gguf, MappedFile, Weights},
};
use bytes::Bytes;

use crate::{
    allocations::peak,
    file::{ARRAY, BOOL, GgufFile, TEXT, U32, safetensors, text, with_header},
};

/// What a refusal may hold: the error's text, lists that began with room for some entries.
const NOTHING: usize = 16 << 10;

fn error(bytes: Vec<u8>) -> avp::Error {
    let (result, held) = peak(|| Weights::from_file(MappedFile::from(Bytes::from(bytes))));
    assert!(held <= NOTHING, "{held} bytes held");
    result.unwrap_err()
}

/// A GGUF file with any counts and any bytes behind them.
fn gguf(tensors: u64, entries: u64, rest: &[u8]) -> Vec<u8> {
    [b"GGUF\x03\0\0\0", &tensors.to_le_bytes()[..], &entries.to_le_bytes(), rest].concat()
}

/// A table with one tensor.
fn table(name: &[u8], dims: &[u64], code: u32, offset: u64) -> Vec<u8> {
    let dims: Vec<u8> = (dims.len() as u32)
        .to_le_bytes()
        .into_iter()
        .chain(dims.iter().flat_map(|d| d.to_le_bytes()))
        .collect();
    let architecture = [text("general.architecture"), TEXT.to_le_bytes().to_vec(), text("qwen2")].concat();
    let name = [&(name.len() as u64).to_le_bytes(), name].concat();
    gguf(
        1,
        1,
        &[architecture, name, dims, code.to_le_bytes().to_vec(), offset.to_le_bytes().to_vec(), vec![0; 100]]
            .concat(),
    )
}

#[test]
fn headers_of_gguf() {
    let class = |bytes: Vec<u8>| {
        let error = error(bytes);
        (error.class, error.field)
    };
    let decode = |field| (ErrorClass::Decode, field);
    assert_eq!(class(b"GGUF".to_vec()), decode("gguf.version"));
    assert_eq!(class(b"GGUF\x03\0\0\0\0".to_vec()), decode("gguf.tensors"));
    for (version, found) in [(1u32, "version 1"), (3 << 24, "big-endian"), (4, "found 4"), (0, "found 0")] {
        let error = error([&b"GGUF"[..], &version.to_le_bytes(), &[0; 100]].concat());
        assert_eq!((error.class, error.field), decode("gguf.version"));
        assert!(error.to_string().contains(found), "{error}");
    }
    for count in [1 << 63, u64::MAX, 1 << 32, 100] {
        assert_eq!(class(gguf(0, count, &[0; 100])), decode("gguf.metadata"), "{count}");
        assert_eq!(class(gguf(count, 0, &[0; 100])), decode("gguf.tensors"), "{count}");
    }
    // More than anyone needs, in a file that is large enough for them.
    assert_eq!(class(gguf(0, 1 << 17, &vec![0; 2 << 20])), (ErrorClass::LimitExceeded, "gguf.metadata"));
    assert_eq!(class(gguf(1 << 17, 0, &vec![0; 4 << 20])), (ErrorClass::LimitExceeded, "gguf.tensors"));
}

#[test]
fn metadata_of_gguf() {
    let entry =
        |kind: u32, value: &[u8]| error(gguf(0, 1, &[&text("k"), &kind.to_le_bytes()[..], value].concat()));
    for length in [1 << 62, u64::MAX, 9] {
        let value = [&length.to_le_bytes()[..], &[b'a'; 8]].concat();
        assert_eq!(entry(TEXT, &value).field, "gguf.metadata.value", "{length}");
        assert_eq!(error(gguf(0, 1, &[&value[..], &[0; 20]].concat())).class, ErrorClass::Decode, "{length}");
    }
    for kind in [U32, BOOL, TEXT, ARRAY] {
        for count in [1 << 62, u64::MAX, 1 << 61, 1000] {
            let value = [&kind.to_le_bytes()[..], &count.to_le_bytes(), &[0; 64]].concat();
            assert_eq!(entry(ARRAY, &value).field, "gguf.metadata.value", "{count} of {kind}");
        }
    }
    // Arrays in arrays: four are read, more are not.
    let nested = |depth: usize| {
        let mut value = [&U32.to_le_bytes()[..], &[0; 8]].concat();
        for _ in 1..depth {
            value = [&ARRAY.to_le_bytes()[..], &1u64.to_le_bytes(), &value].concat();
        }
        value
    };
    assert!(Gguf::parse(GgufFile::default().entry("k", ARRAY, &nested(4)).bytes().into()).is_ok());
    for depth in [5, 6, 100_000] {
        let error = entry(ARRAY, &nested(depth));
        assert_eq!((error.class, error.field), (ErrorClass::LimitExceeded, "gguf.metadata.value"), "{depth}");
    }
    assert_eq!(entry(13, &[0; 8]).field, "gguf.metadata.type");
    assert_eq!(entry(ARRAY, &[13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).field, "gguf.metadata.type");
    let twice = GgufFile::default().number("k", 1).number("k", 2);
    assert!(error(twice.bytes()).to_string().contains("\"k\" twice"));
    let key = [&2u64.to_le_bytes()[..], &[0xff, 0xfe], &[0; 16]].concat();
    assert!(error(gguf(0, 1, &key)).to_string().contains("UTF-8"));
    for alignment in [0, 3, 48, 1 << 31] {
        let file = GgufFile::model("qwen2").number("general.alignment", alignment);
        assert_eq!(error(file.bytes()).field, "gguf.alignment", "{alignment}");
    }
}

#[test]
fn tables_of_gguf() {
    let field = |bytes| error(bytes).field;
    assert!(Weights::from_file(MappedFile::from(Bytes::from(table(b"t", &[8], 0, 0)))).is_ok());
    for dims in
        [&[1 << 32, 1 << 32][..], &[u64::MAX], &[1 << 62], &[1 << 61, 2, 2, 2], &[0, 1 << 33, 1 << 33]]
    {
        assert_eq!(field(table(b"t", dims, 0, 0)), "gguf.tensor.shape", "{dims:?}");
    }
    assert_eq!(field(table(b"t", &[1, 1, 1, 1, 1], 0, 0)), "gguf.tensor.axes");
    for offset in [1, 31, 33] {
        let error = error(table(b"t", &[1], 0, offset));
        assert!(error.to_string().contains("a multiple of 32"), "{error}");
    }
    for offset in [128, 1 << 40, u64::MAX - 31] {
        assert_eq!(field(table(b"t", &[1], 0, offset)), "gguf.tensor.offset", "{offset}");
    }
    assert_eq!(field(table(b"t", &[26], 0, 0)), "gguf.tensor.offset");
    // Blocks of 32 do not make rows of 8 or 33.
    for dims in [&[8, 4][..], &[33], &[]] {
        assert_eq!(field(table(b"t", dims, 2, 0)), "gguf.tensor.shape", "{dims:?}");
    }
    for (code, found) in [(10, "Q2_K in \"t\""), (4, "type 4"), (u32::MAX, "type 4294967295")] {
        assert!(error(table(b"t", &[256], code, 0)).to_string().contains(found));
    }
    assert_eq!(field(table(&[0xff], &[1], 0, 0)), "gguf.tensor.name");
    assert_eq!(field(table(&[b'a'; 300], &[1], 0, 0)), "gguf.tensor.name");
    let twice = GgufFile::model("qwen2").floats("t", &[1], &[0.0]).floats("t", &[1], &[0.0]);
    assert!(error(twice.bytes()).to_string().contains("\"t\" twice"));
    // Two names that are one in the Hugging Face layout.
    let alias =
        GgufFile::model("qwen2").floats("output.weight", &[1], &[0.0]).floats("lm_head.weight", &[1], &[0.0]);
    assert_eq!(field(alias.bytes()), "weights.tensor");
}

/// Heads that do not divide the rows of queries into even parts, none at all, and more than there are numbers.
#[test]
fn heads_that_do_not_fit() {
    let file = |heads: u32, shape: &[u64]| {
        let values = vec![0.0; shape.iter().product::<u64>() as usize];
        GgufFile::default()
            .text("general.architecture", "llama")
            .number("llama.attention.head_count", heads)
            .floats("blk.0.attn_q.weight", shape, &values)
            .bytes()
    };
    for (heads, shape) in
        [(3, &[8, 2][..]), (8, &[8, 2]), (0, &[8, 2]), (u32::MAX, &[8, 2]), (2, &[8, 2, 2]), (2, &[])]
    {
        assert_eq!(error(file(heads, shape)).field, "gguf.tensor.shape", "{heads} heads, {shape:?}");
    }
    let huge = GgufFile::default()
        .text("general.architecture", "llama")
        .entry("llama.attention.head_count", 10, &u64::MAX.to_le_bytes())
        .floats("blk.0.attn_k.bias", &[4], &[0.0; 4]);
    assert_eq!(error(huge.bytes()).field, "gguf.tensor.shape");
    assert!(Weights::from_file(MappedFile::from(Bytes::from(file(4, &[8, 2])))).is_ok());
}

#[test]
fn headers_of_safetensors() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        with_header(
            &format!(r#"{{"t":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#),
            &[0; 8],
        )
    };
    assert!(Weights::from_file(MappedFile::from(Bytes::from(entry("F32", "[2]", "[0,8]")))).is_ok());
    for bytes in [
        vec![],
        vec![0; 7],
        vec![0; 8],
        with_header("", b""),
        with_header("[]", b""),
        with_header("{", b""),
        entry("F32", "[3]", "[0,8]"),
        entry("F32", "[2]", "[0,9]"),
        entry("F32", "[2]", "[8,0]"),
        entry("F32", "[1]", "[4,8]"),
        entry("F32", "[-1]", "[0,8]"),
        entry("F33", "[2]", "[0,8]"),
        entry("F32", "[4294967296,4294967296]", "[0,8]"),
        entry("F32", "[9223372036854775807]", "[0,8]"),
        entry("F32", "[0,4294967296,4294967296,4294967296]", "[0,18446744073709551615]"),
        entry("F32", "[2]", "[0,18446744073709551616]"),
        with_header(&"[".repeat(100_000), b""),
        // One name twice, and a field twice.
        with_header(
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
            &[0; 2],
        ),
        entry("F32", "[2],\"shape\":[2]", "[0,8]"),
        // Data that no tensor describes.
        [safetensors(&[("t", "U8", &[1], &[0])]), vec![0]].concat(),
        // Two tensors on the same bytes.
        with_header(
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            &[0],
        ),
    ] {
        let error = error(bytes);
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "safetensors.header"), "{error}");
    }
    for length in [u64::MAX, 1 << 62, (8 << 20) + 1] {
        let error = error([&length.to_le_bytes()[..], b"{}"].concat());
        assert_eq!((error.class, error.field), (ErrorClass::LimitExceeded, "safetensors.header"));
    }
    assert!(error(entry("U8", "[1,1,1,1,1,1,1,1,8]", "[0,8]")).to_string().contains("at most 8 axes"));
}

/// Tensors of a file that name the same bytes would have a small file ask for a large model's memory.
#[test]
fn shared_bytes_in_gguf() {
    let file = GgufFile::model("qwen2").floats("output_norm.weight", &[8], &[1.0; 8]).floats(
        "blk.0.attn_norm.weight",
        &[8],
        &[1.0; 8],
    );
    let bytes = file.bytes();
    assert!(Gguf::parse(Bytes::from(bytes.clone())).is_ok());
    // The second tensor's offset is the last number of the table, 32; any below it begins within the first one.
    let name = b"blk.0.attn_norm.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4 + 8 + 4;
    assert_eq!(bytes[at..at + 8], 32_u64.to_le_bytes());
    let mut shared = bytes;
    shared[at..at + 8].copy_from_slice(&0_u64.to_le_bytes());
    let error = error(shared);
    assert_eq!((error.class, error.field), (ErrorClass::Decode, "gguf.tensor.offset"));
    assert!(error.to_string().contains("output_norm.weight"), "{error}");
}
