//! What GGUF files say beside their tensors.

use std::{fs, path::Path};

use avp::weights::{
    Gguf, MappedFile, TokenKind, VocabularyKind, Weights,
    gguf::{Architecture, Value},
};
use bytes::Bytes;
use serde_json::json;

use crate::file::{BOOL, F32, GgufFile, I32};

fn parse(file: &GgufFile) -> Gguf {
    Gguf::parse(Bytes::from(file.bytes())).unwrap()
}

fn fixture(name: &str) -> Weights {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights/gguf").join(name);
    Weights::from_file(MappedFile::from(Bytes::from(fs::read(path).unwrap()))).unwrap()
}

/// To the bit what the Python package `gguf` reads from the same bytes.
#[test]
fn every_element_type_as_another_reader_has_it() {
    let (stored, expected) = (fixture("types.gguf"), fixture("types.safetensors"));
    let names: Vec<&str> = stored.names().collect();
    let all = ["f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k"];
    assert_eq!(names, all);
    for name in names {
        let info = stored.require(name, &[3, 256]).unwrap();
        assert_eq!(info.element.name().to_lowercase(), name);
        let (mut out, mut values) = (vec![f32::NAN; 768], vec![0.0; 768]);
        stored.read_f32(name, &mut out).unwrap();
        expected.read_f32(name, &mut values).unwrap();
        let different = out.iter().zip(&values).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(different.map(|i| (i, out[i], values[i])), None, "{name}");
        // A row by itself.
        let mut row = [f32::NAN; 256];
        stored.read_rows_f32(name, 2, &mut row).unwrap();
        assert_eq!(row, values[512..], "{name}");
    }
}

#[test]
fn every_value_type() {
    let weights = fixture("types.gguf");
    let metadata = weights.gguf().unwrap().metadata();
    let get = |key: &str| metadata.get(&format!("test.{key}")).unwrap();
    for (key, value) in [("u8", 255), ("u16", 65535), ("u32", u32::MAX.into()), ("u64", u64::MAX)] {
        assert_eq!(get(key).as_u64(), Some(value), "{key}");
    }
    for (key, value) in [("i8", -128), ("i16", -32768), ("i32", i32::MIN.into()), ("i64", i64::MIN)] {
        assert!(matches!(get(key), Value::Signed(found) if found == value), "{key}");
        assert_eq!(get(key).as_u64(), None, "{key}");
    }
    assert_eq!((get("f32").as_f64(), get("f64").as_f64()), (Some(1e-5), Some(0.1)));
    assert_eq!((get("bool").as_bool(), get("text").as_str()), (Some(true), Some("déjà vu")));
    let signed = |value: Value<'_>| if let Value::Signed(value) = value { Some(value) } else { None };
    let numbers = get("numbers").as_array().unwrap();
    assert_eq!((numbers.len(), numbers.iter().filter_map(signed).collect::<Vec<_>>()), (3, vec![1, -2, 3]));
    let texts = get("texts").as_array().unwrap();
    assert_eq!(texts.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["a", "", "ç"]);
    let nested = get("nested").as_array().unwrap();
    let nested =
        nested.iter().filter_map(Value::as_array).map(|inner| inner.iter().filter_map(signed).collect());
    assert_eq!(nested.collect::<Vec<Vec<i64>>>(), [vec![1, 2], vec![3]]);
    assert!(metadata.get("test.absent").is_none());
    assert_eq!(metadata.keys().next(), Some("general.architecture"));
}

#[test]
fn a_configuration_of_each_architecture() {
    for architecture in Architecture::ALL {
        let config = parse(&GgufFile::model(architecture.name())).config_json().unwrap();
        assert_eq!(config["hidden_size"], 8);
        assert_eq!((&config["head_dim"], &config["num_key_value_heads"]), (&json!(4), &json!(1)));
        assert_eq!(config["rms_norm_eps"], 1e-5);
        assert_eq!((&config["vocab_size"], &config["tie_word_embeddings"]), (&json!(5), &json!(true)));
    }
    let llama = GgufFile::model("llama").floats("output.weight", &[6, 8], &[0.0; 48]);
    let config = parse(&llama.number("tokenizer.ggml.eos_token_id", 2)).config_json().unwrap();
    let expected = json!({
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 4,
        "intermediate_size": 16,
        "vocab_size": 5,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_scaling": null,
        "max_position_embeddings": 64,
        "tie_word_embeddings": false,
        "attention_bias": false,
        "mlp_bias": false,
        "sliding_window": null,
        "attn_logit_softcapping": null,
        "final_logit_softcapping": null,
        "bos_token_id": null,
        "eos_token_id": 2,
    });
    assert_eq!(config, expected);
}

#[test]
fn what_families_have_of_their_own() {
    let qwen = GgufFile::model("qwen2")
        .floats("token_embd.weight", &[7, 8], &[0.0; 56])
        .floats("blk.0.attn_q.bias", &[8], &[0.0; 8])
        .float("qwen2.rope.freq_base", 1e6)
        .text("qwen2.rope.scaling.type", "yarn")
        .float("qwen2.rope.scaling.factor", 4.0)
        .number("qwen2.rope.scaling.original_context_length", 32768);
    let config = parse(&qwen).config_json().unwrap();
    // The tensor knows better than the key.
    assert_eq!((&config["vocab_size"], &config["attention_bias"]), (&json!(7), &json!(true)));
    assert_eq!(config["rope_theta"], 1e6);
    let yarn = json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768 });
    assert_eq!(config["rope_scaling"], yarn);
    let odd = qwen.clone().float("qwen2.rope.scaling.attn_factor", 0.5);
    assert!(parse(&odd).config_json().unwrap_err().to_string().contains("attn_factor"));

    let qwen = GgufFile::model("qwen3").number("qwen3.attention.key_length", 16);
    assert_eq!(parse(&qwen).config_json().unwrap()["head_dim"], 16);
    let odd = qwen.number("qwen3.attention.value_length", 8);
    assert!(parse(&odd).config_json().is_err());

    let config = parse(&GgufFile::model("gemma2")).config_json().unwrap();
    let caps = (&config["attn_logit_softcapping"], &config["final_logit_softcapping"]);
    assert_eq!((caps, &config["sliding_window"]), ((&json!(50.0), &json!(30.0)), &json!(4096)));
    assert_eq!(config["layer_types"], json!(["sliding_attention"]));

    let gemma = GgufFile::model("gemma3").number("gemma3.attention.sliding_window", 512);
    let linear = gemma.text("gemma3.rope.scaling.type", "linear").float("gemma3.rope.scaling.factor", 8.0);
    let config = parse(&linear).config_json().unwrap();
    assert_eq!((&config["model_type"], &config["sliding_window"]), (&json!("gemma3_text"), &json!(512)));
    assert_eq!(config["rope_scaling"], json!({ "rope_type": "linear", "factor": 8.0 }));
    assert_eq!((&config["rope_local_base_freq"], &config["query_pre_attn_scalar"]), (&json!(1e4), &json!(4)));
    assert_eq!(config["layer_types"], json!(["sliding_attention"]));
    // Without a window every layer is as those that have none.
    let config = parse(&GgufFile::model("gemma3")).config_json().unwrap();
    assert_eq!(config["layer_types"], json!(["full_attention"]));
    let config = parse(&GgufFile::model("smollm3")).config_json().unwrap();
    assert_eq!(config["no_rope_layer_interval"], 4);

    let phi = GgufFile::model("phi3")
        .floats("rope_factors_long.weight", &[2], &[1.5, 2.0])
        .floats("rope_factors_short.weight", &[2], &[1.0, 1.25])
        .number("phi3.rope.scaling.original_context_length", 32)
        .float("phi3.rope.scaling.attn_factor", 1.2)
        .number("phi3.rope.dimension_count", 3);
    let config = parse(&phi).config_json().unwrap();
    let scaling = json!({ "rope_type": "longrope", "long_factor": [1.5, 2.0], "short_factor": [1.0, 1.25] });
    assert_eq!((&config["rope_scaling"], &config["partial_rotary_factor"]), (&scaling, &json!(0.75)));
    assert_eq!(config["original_max_position_embeddings"], 32);
}

#[test]
fn what_cannot_be_configured_says_why() {
    let error = |file: GgufFile| parse(&file).config_json().unwrap_err().to_string();
    let all = "llama, smollm3, qwen2, qwen3, gemma, gemma2, gemma3, phi3";
    let unknown = format!("gguf.architecture: expected {all}, found \"mamba\"");
    assert_eq!(error(GgufFile::model("mamba")), unknown);
    let weights = Weights::from_file(MappedFile::from(Bytes::from(GgufFile::model("mamba").bytes())));
    assert_eq!(weights.unwrap_err().to_string(), unknown);
    assert_eq!(error(GgufFile::default()), format!("gguf.architecture: expected {all}, found none"));
    assert!(error(GgufFile::model("llama").number("llama.expert_count", 8)).contains("8 experts"));
    let bare = GgufFile::default().text("general.architecture", "llama").text("llama.block_count", "x");
    assert!(error(bare.clone()).contains("a value for `llama.embedding_length`"));
    assert!(error(bare.number("llama.embedding_length", 8)).contains("\"llama.block_count\""));
    let split = GgufFile::model("llama").number("split.count", 3);
    let weights = Weights::from_file(MappedFile::from(Bytes::from(split.bytes())));
    assert!(weights.unwrap_err().to_string().contains("one of 3 parts"));
}

#[test]
fn numbers_a_layer_must_agree() {
    let layers = |values: &[i32]| {
        let values: Vec<Vec<u8>> = values.iter().map(|value| value.to_le_bytes().to_vec()).collect();
        GgufFile::model("qwen2").list("qwen2.rope.dimension_count", I32, &values)
    };
    assert_eq!(parse(&layers(&[2, 2])).config_json().unwrap()["partial_rotary_factor"], 0.5);
    for odd in [&[2, 4][..], &[], &[-2]] {
        assert!(parse(&layers(odd)).config_json().is_err(), "{odd:?}");
    }
}

fn bpe() -> GgufFile {
    GgufFile::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "smollm")
        .texts("tokenizer.ggml.tokens", &["<|end|>", "a", "b", "ab"])
        .texts("tokenizer.ggml.merges", &["a b"])
}

fn codes(values: &[i32]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.to_le_bytes().to_vec()).collect()
}

#[test]
fn a_vocabulary_of_merges() {
    let file = bpe()
        .list("tokenizer.ggml.token_type", I32, &codes(&[3, 1, 4, 6]))
        .number("tokenizer.ggml.bos_token_id", 0)
        .number("tokenizer.ggml.eos_token_id", 3)
        .number("tokenizer.ggml.padding_token_id", u32::MAX)
        .flag("tokenizer.ggml.add_eos_token", true)
        .text("tokenizer.chat_template", "{{ messages }}");
    let vocabulary = parse(&file).vocabulary().unwrap();
    assert_eq!((vocabulary.kind, vocabulary.pre.as_deref()), (VocabularyKind::Bpe, Some("smollm")));
    assert_eq!(vocabulary.tokens, ["<|end|>", "a", "b", "ab"]);
    assert_eq!((vocabulary.merges, vocabulary.scores), (vec!["a b".to_owned()], vec![]));
    let kinds = [TokenKind::Control, TokenKind::Normal, TokenKind::UserDefined, TokenKind::Byte];
    assert_eq!(vocabulary.kinds, kinds);
    assert_eq!(
        (vocabulary.bos, vocabulary.eos, vocabulary.unknown, vocabulary.padding),
        (Some(0), Some(3), None, None)
    );
    assert!(!vocabulary.add_bos && vocabulary.add_eos && !vocabulary.add_space_prefix);
    assert_eq!(vocabulary.chat_template.as_deref(), Some("{{ messages }}"));
}

#[test]
fn a_vocabulary_of_scores() {
    let scores: Vec<Vec<u8>> = [0.0f32, -1.0].map(|score| score.to_le_bytes().to_vec()).to_vec();
    let file = GgufFile::default()
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &["<unk>", "▁a"])
        .list("tokenizer.ggml.scores", F32, &scores)
        .number("tokenizer.ggml.bos_token_id", 1);
    let vocabulary = parse(&file).vocabulary().unwrap();
    assert_eq!((vocabulary.kind, vocabulary.pre), (VocabularyKind::SentencePiece, None));
    assert_eq!((vocabulary.scores, vocabulary.kinds), (vec![0.0, -1.0], vec![TokenKind::Normal; 2]));
    assert!(vocabulary.add_bos && !vocabulary.add_eos && vocabulary.add_space_prefix);
    assert!(vocabulary.merges.is_empty() && vocabulary.chat_template.is_none());
}

#[test]
fn vocabularies_that_do_not_fit_together() {
    let refused = |file: GgufFile| parse(&file).vocabulary().unwrap_err().to_string();
    assert!(refused(GgufFile::default()).contains("found none"));
    assert!(refused(GgufFile::default().text("tokenizer.ggml.model", "bert")).contains("\"bert\""));
    assert!(refused(GgufFile::default().text("tokenizer.ggml.model", "gpt2")).contains("tokens"));
    let kinds = |values: &[i32]| bpe().list("tokenizer.ggml.token_type", I32, &codes(values));
    assert!(refused(kinds(&[1, 1])).contains("4 entries"));
    assert!(refused(kinds(&[1, 1, 1, 7])).contains("from 0 to 6"));
    assert!(refused(bpe().list("tokenizer.ggml.bos_token_id", BOOL, &[])).contains("a token"));
    let flags = GgufFile::default().text("tokenizer.ggml.model", "gpt2").list(
        "tokenizer.ggml.tokens",
        BOOL,
        &[vec![1], vec![0]],
    );
    assert!(refused(flags).contains("expected text"));
}
