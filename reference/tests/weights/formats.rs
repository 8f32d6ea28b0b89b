//! What is read from well-formed files.

use std::fs;

use avp::{
    ErrorClass,
    weights::{ElementType, MappedFile, Weights},
};

use crate::file::{GgufFile, le, safetensors};

fn parse(bytes: Vec<u8>) -> Weights {
    Weights::from_file(MappedFile::from(bytes::Bytes::from(bytes))).unwrap()
}

fn read(weights: &Weights, name: &str) -> Vec<f32> {
    let mut out = vec![f32::NAN; weights.info(name).unwrap().len()];
    weights.read_f32(name, &mut out).unwrap();
    out
}

#[test]
fn safetensors_of_every_float() {
    let halves = [0x3c00u16, 0xc000, 0x0001].map(u16::to_le_bytes).concat();
    let brains = [0x3f80u16, 0xc000, 0x7f80].map(u16::to_le_bytes).concat();
    let weights = parse(safetensors(&[
        ("a", "F32", &[1, 2], &le(&[1.5, -0.25])),
        ("b", "F16", &[3], &halves),
        ("c", "BF16", &[3, 1], &brains),
        ("ids", "I64", &[1], &[7; 8]),
    ]));
    assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b", "c", "ids"]);
    assert_eq!(read(&weights, "a"), [1.5, -0.25]);
    assert_eq!(read(&weights, "b"), [1.0, -2.0, 2f32.powi(-24)]);
    assert_eq!(read(&weights, "c"), [1.0, -2.0, f32::INFINITY]);
    assert_eq!(weights.bytes("ids").unwrap(), [7; 8][..]);
    assert_eq!(weights.info("ids").unwrap().element, ElementType::Other("I64"));
    let error = weights.read_f32("ids", &mut [0.0]).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::Decode, "weights.element"));
    assert!(weights.gguf().is_none());
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let weights = parse(safetensors(&[("model.norm.weight", "F32", &[2], &le(&[1.0, 2.0]))]));
    assert_eq!(weights.require("model.norm.weight", &[2]).unwrap().element, ElementType::F32);
    let error = weights.require("lm_head.weight", &[3, 2]).unwrap_err();
    assert_eq!(error.class, ErrorClass::Decode);
    assert_eq!(
        error.to_string(),
        "weights.tensor: expected `lm_head.weight` of shape [3, 2], found no such tensor"
    );
    let error = weights.require("model.norm.weight", &[3]).unwrap_err();
    assert_eq!(error.class, ErrorClass::ShapeMismatch);
    assert_eq!(error.to_string(), "weights.shape: expected `model.norm.weight` of shape [3], found [2]");
    for len in [1, 3] {
        let error = weights.read_f32("model.norm.weight", &mut vec![0.0; len]).unwrap_err();
        assert_eq!(error.class, ErrorClass::InvalidArgument);
    }
}

#[test]
fn rows_are_read_by_themselves() {
    let values: Vec<f32> = (0..12u8).map(f32::from).collect();
    let weights = parse(safetensors(&[("t", "F32", &[2, 2, 3], &le(&values))]));
    let mut rows = [0.0; 6];
    weights.read_rows_f32("t", 1, &mut rows).unwrap();
    assert_eq!(rows, values[3..9]);
    for (first, len) in [(3, 6), (0, 4), (4, 3), (usize::MAX, 3)] {
        assert!(weights.read_rows_f32("t", first, &mut vec![0.0; len]).is_err(), "{len} from {first}");
    }
    weights.read_rows_f32("t", 4, &mut []).unwrap();
}

#[test]
fn folders_with_one_file_with_shards_and_with_gguf() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let error = Weights::open(folder.path()).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::Configuration, "weights.file"));

    let gguf = GgufFile::model("qwen2").floats("output_norm.weight", &[2], &[3.0, 4.0]);
    fs::write(path("model.gguf"), gguf.bytes()).unwrap();
    assert_eq!(read(&Weights::open(folder.path()).unwrap(), "model.norm.weight"), [3.0, 4.0]);

    let shard = |name, value| safetensors(&[(name, "F32", &[1], &le(&[value])), ("spare", "U8", &[1], &[0])]);
    fs::write(path("a-1.safetensors"), shard("x", 1.0)).unwrap();
    fs::write(path("a-2.safetensors"), shard("y", 2.0)).unwrap();
    let index = |y: &str| {
        let json = format!(
            r#"{{"metadata": {{"total_size": 8}}, "weight_map": {{"x": "a-1.safetensors", "y": "{y}"}}}}"#
        );
        fs::write(path("model.safetensors.index.json"), json).unwrap();
    };
    index("a-2.safetensors");
    let weights = Weights::open(folder.path()).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((read(&weights, "x"), read(&weights, "y")), (vec![1.0], vec![2.0]));
    weights.release("y");
    assert_eq!(read(&weights, "y"), [2.0]);

    index("a-1.safetensors");
    let error = Weights::open(folder.path()).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::Decode, "safetensors.index"));
    assert!(error.to_string().contains("\"y\" in \"a-1.safetensors\""), "{error}");
    index("a-3.safetensors");
    assert_eq!(Weights::open(folder.path()).unwrap_err().class, ErrorClass::Configuration);
    for outside in
        ["../a-2.safetensors", "/a-2.safetensors", "..", "", "b/a-2.safetensors", "c:a-2.safetensors"]
    {
        index(outside);
        let error = Weights::open(folder.path()).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "safetensors.index"), "{outside}");
    }

    fs::write(path("model.safetensors"), shard("z", 3.0)).unwrap();
    assert_eq!(read(&Weights::open(folder.path()).unwrap(), "z"), [3.0]);
    assert_eq!(read(&Weights::open(&path("a-1.safetensors")).unwrap(), "x"), [1.0]);
}

/// Two heads of four rows, one of four: the file holds rows 0, 2, 1, 3 of each head.
#[test]
fn queries_and_keys_of_llama_are_put_in_order() {
    let columns =
        |rows: &[u8]| -> Vec<f32> { rows.iter().flat_map(|&r| [f32::from(r), -f32::from(r)]).collect() };
    let bias: Vec<f32> = [0u8, 2, 1, 3, 4, 6, 5, 7].map(f32::from).to_vec();
    let file = |architecture| {
        GgufFile::model(architecture)
            .floats("blk.0.attn_q.weight", &[8, 2], &columns(&[0, 2, 1, 3, 4, 6, 5, 7]))
            .floats("blk.0.attn_q.bias", &[8], &bias)
            .floats("blk.0.attn_k.weight", &[4, 2], &columns(&[0, 2, 1, 3]))
            .floats("blk.0.attn_v.weight", &[4, 2], &columns(&[0, 2, 1, 3]))
    };
    let llama = parse(file("llama").bytes());
    let layer = |part: &str| format!("model.layers.0.self_attn.{part}");
    let q = layer("q_proj.weight");
    assert_eq!(read(&llama, &q), columns(&[0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(read(&llama, &layer("k_proj.weight")), columns(&[0, 1, 2, 3]));
    assert_eq!(read(&llama, &layer("v_proj.weight")), columns(&[0, 2, 1, 3]));
    assert_eq!(read(&llama, &layer("q_proj.bias")), [0u8, 1, 2, 3, 4, 5, 6, 7].map(f32::from));
    let mut rows = [0.0; 4];
    llama.read_rows_f32(&q, 5, &mut rows).unwrap();
    assert_eq!(rows, columns(&[5, 6])[..]);
    assert!(llama.bytes(&q).is_none() && llama.bytes(&layer("v_proj.weight")).is_some());

    let qwen = parse(file("qwen2").bytes());
    assert_eq!(read(&qwen, &q), columns(&[0, 2, 1, 3, 4, 6, 5, 7]));
    assert!(qwen.bytes(&q).is_some());
}

#[test]
fn norms_of_gemma_lose_the_one() {
    let file = |architecture| {
        GgufFile::model(architecture)
            .floats("blk.0.ffn_norm.weight", &[2], &[1.5, 0.75])
            .floats("blk.0.post_ffw_norm.weight", &[2], &[1.0, 1.0])
            .floats("blk.0.post_attention_norm.weight", &[2], &[2.0, 1.0])
            .bytes()
    };
    let gemma = parse(file("gemma2"));
    assert_eq!(read(&gemma, "model.layers.0.pre_feedforward_layernorm.weight"), [0.5, -0.25]);
    assert_eq!(read(&gemma, "model.layers.0.post_feedforward_layernorm.weight"), [0.0, 0.0]);
    assert_eq!(read(&gemma, "model.layers.0.post_attention_layernorm.weight"), [1.0, 0.0]);
    assert!(gemma.bytes("model.layers.0.pre_feedforward_layernorm.weight").is_none());
}
