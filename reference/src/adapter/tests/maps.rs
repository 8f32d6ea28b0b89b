//! Maps and validation through frames.

use super::projection::{Tensor, ask_tensors, floats, ids};
use super::*;

const TARGET_HASH: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn vocabulary(tokens: std::ops::Range<u32>) -> Value {
    tokens.map(|token| (format!("t{token}"), Value::from(token))).collect::<serde_json::Map<_, _>>().into()
}

fn side(name: &str, dim: u32, vocab: Value) -> Value {
    json!({"model_id": name, "config": {"model_type": "llama", "hidden_size": dim, "num_hidden_layers": 1,
        "num_attention_heads": 1}, "vocab": vocab})
}

#[test]
fn calibrated_saved_found_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let embedding: Vec<f32> = (0..240).map(|value| value as f32 / 16.0).collect();
    let parts = [floats("tgt_embed", &[120, 2], &embedding)];
    let args = |shared| {
        json!({"source": side("s", 3, vocabulary(0..120)), "target": side("t", 2, vocabulary(shared)),
            "cache_dir": dir})
    };
    let (answer, w_map) = ask_tensors("calibrate", &args(0..120), &parts);
    let map = &answer["ok"]["map"];
    assert_eq!((&map["method"], &answer["ok"]["saved"]), (&json!("vocab_mediated"), &json!(true)));
    assert_eq!((&map["source_dim"], &map["target_dim"], &w_map), (&json!(3), &json!(2), &embedding));
    let pair =
        json!({"cache_dir": dir, "source_hash": map["source_hash"], "target_hash": map["target_hash"]});
    let found = ask_tensors("map_find", &pair, &[]).0["ok"]["file"].clone();
    let id = ask_tensors("map_id", &pair, &[]).0["ok"]["id"].clone();
    assert_eq!(found, format!("{}.avp-map", id.as_str().unwrap()));
    let (loaded, again) = ask_tensors("map_load", &pair, &[]);
    assert_eq!((&loaded["ok"]["map"], again), (map, w_map));
    let (answer, _) = ask_tensors("calibrate", &args(21..120), &parts);
    assert_eq!(answer["err"]["code"], "invalid_argument", "{answer}");

    let overlap = json!({"source_model_id": "s", "source_hash": "ab".repeat(32), "source_dim": 3,
        "target_model_id": "t", "target_hash": TARGET_HASH, "target_dim": 2, "method": "vocab_overlap",
        "target_norm": 0.5, "anchor_count": 0, "validation_score": 0.25, "overlap_count": 2, "overlap_ratio": 0.25});
    let parts = [
        floats("w_map", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        ids("src_indices", &[9, 4]),
        ids("tgt_indices", &[0, 1]),
    ];
    let saved = ask_tensors("map_save", &json!({"cache_dir": dir, "map": overlap}), &parts).0;
    assert_eq!(saved["ok"]["file"], "abababababababab_ffeeddccbbaa9988.avp-map", "{saved}");
    let pair = |source: String| json!({"cache_dir": dir, "source_hash": source, "target_hash": TARGET_HASH});
    let (loaded, tensors) = ask_tensors("map_load", &pair("ab".repeat(32)), &[]);
    assert_eq!(loaded["ok"]["map"], overlap);
    assert_eq!(tensors.len(), 8);
    assert!(ask_tensors("map_load", &pair("cd".repeat(32)), &[]).0["ok"]["map"].is_null());
    let other = "ab".repeat(8) + &"0".repeat(48);
    assert_eq!(ask_tensors("map_load", &pair(other.clone()), &[]).0["err"]["code"], "decode");
    assert!(ask_tensors("map_find", &pair(other), &[]).0["ok"]["file"].is_null());
    let escape = ask_tensors("map_find", &pair("../../ab".into()), &[]).0;
    assert_eq!(escape["err"]["code"], "invalid_argument");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("maps"), "").unwrap();
    let args = json!({"source": side("s", 3, vocabulary(0..100)), "target": side("t", 1, vocabulary(0..100)),
        "cache_dir": folder.path().to_str().unwrap()});
    let (answer, _) = ask_tensors("calibrate", &args, &[floats("tgt_embed", &[100, 1], &[1.0; 100])]);
    assert_eq!(answer["ok"]["saved"], false);
    assert_eq!(answer["ok"]["warnings"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[test]
fn maps_of_the_sdk_come_in() {
    let pt: Tensor<'_> = ("pt", "u8", vec![], include_bytes!("../../../tests/maps/overlap.pt").to_vec());
    let (answer, tensors) = ask_tensors("map_import", &json!({}), &[pt]);
    assert_eq!(answer["ok"]["map"]["method"], "vocab_overlap", "{answer}");
    assert_eq!(tensors.len(), 12);
}

#[test]
fn validation_and_the_gate() {
    let texts = ask_tensors("validation_texts", &json!({"count": 2}), &[]).0;
    assert_eq!(texts["ok"]["texts"].as_array().map(Vec::len), Some(2));
    let parts = [
        floats("tgt_embed", &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
        floats("projected0", &[2, 2], &[0.0, 3.0, 1.0, 1.0]),
        floats("projected1", &[1, 2], &[0.0, 3.0]),
    ];
    let (answer, _) = ask_tensors("validate_cosine", &json!({"ids": [[0, 1], [1]]}), &parts);
    assert_eq!(answer["ok"]["cosine"], 0.5, "{answer}");
    let logits = [floats("logits0", &[2, 2], &[0.0; 4])];
    assert_eq!(ask_tensors("validate_ppl", &json!({"ids": [[1]]}), &logits).0["ok"]["perplexity"], "inf");
    let logits = [floats("logits0", &[3, 2], &[0.0; 6])];
    let two = ask_tensors("validate_ppl", &json!({"ids": [[1, 0]]}), &logits).0["ok"]["perplexity"].as_f64();
    assert!((two.unwrap() - 2.0).abs() < 1e-12);
    let verdict = ask_tensors("validate_decide", &json!({"cosine": "nan", "perplexity": 10}), &[]).0;
    assert_eq!((&verdict["ok"]["mode"], &verdict["ok"]["perplexity"]), (&json!("JSON"), &json!(null)));

    let identity: Vec<f32> = (0..16).map(|at| f32::from(u8::from(at % 5 == 0))).collect();
    let hidden = [floats("hidden", &[1, 4, 4], &identity)];
    let ratio = ask_tensors("effective_rank", &json!({}), &hidden).0["ok"]["ratio"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 1e-9);
    let gate = |tokens: i64| ask_tensors("assess_transfer", &json!({"prompt_tokens": tokens}), &hidden).0;
    assert_eq!(gate(300)["ok"]["recommend_latent"], false);
    assert!(gate(301)["ok"]["effective_rank_ratio"].is_null());
    assert_eq!(gate(-1)["err"]["code"], "invalid_argument");
}
