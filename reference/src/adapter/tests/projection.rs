//! Projection through frames; the numbers themselves are tested where they are made.

use super::*;

/// A part: name, dtype, shape, bytes.
pub(super) type Tensor<'a> = (&'a str, &'a str, Vec<u64>, Vec<u8>);

pub(super) fn floats<'a>(name: &'a str, shape: &[u64], values: &[f32]) -> Tensor<'a> {
    (name, "f32", shape.to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn halves<'a>(name: &'a str, shape: &[u64], values: &[f32]) -> Tensor<'a> {
    let bytes = values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes());
    (name, "f16", shape.to_vec(), bytes.collect())
}

pub(super) fn ids<'a>(name: &'a str, values: &[u32]) -> Tensor<'a> {
    (name, "u32", vec![values.len() as u64], values.iter().flat_map(|id| id.to_le_bytes()).collect())
}

pub(super) fn ask_tensors(op: &str, args: &Value, parts: &[Tensor<'_>]) -> (Value, Vec<f32>) {
    let heads: Vec<_> = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            json!({"name": name, "len": bytes.len(), "dtype": dtype, "shape": shape})
        })
        .collect();
    let blob: Vec<u8> = parts.iter().flat_map(|part| part.3.clone()).collect();
    let request = json!({"id": 7, "op": op, "spec": "0.4", "args": args, "parts": heads});
    let (answer, blob) = run(&frame(&request, &blob)).unwrap().remove(0);
    (answer, blob.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

const HEAD: [f32; 6] = [1.0, 0.0, 0.0, 1.0, -1.0, -1.0];
const TARGET: [f32; 9] = [3.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 9.0];

#[test]
fn states_keep_their_shape_but_for_the_last_dimension() {
    let parts = [
        halves("hidden", &[2, 1, 2], &[0.0, 0.0, 800.0, 0.0]),
        floats("src_head", &[3, 2], &HEAD),
        floats("tgt_embed", &[3, 3], &TARGET),
    ];
    let (answer, out) = ask_tensors("project_vocab", &json!({"temperature": 1, "metrics": true}), &parts);
    assert_eq!(answer["parts"][0]["shape"], json!([2, 1, 3]), "{answer}");
    assert_eq!(out, [1.0, 2.0, 3.0, 3.0, 0.0, 0.0]);
    let metrics = &answer["ok"]["metrics"];
    assert_eq!(metrics["max_prob"][1], 1.0);
    assert_eq!(metrics["hidden_state_norm"], json!([0.0, 800.0]));
    assert!((metrics["entropy"][0].as_f64().unwrap() - 3f64.ln()).abs() < 1e-6);
    let refused = ask_tensors("project_vocab", &json!({"temperature": "nan"}), &parts).0;
    assert_eq!(refused["err"]["code"], "invalid_argument");
}

#[test]
fn shared_tokens_and_ids_that_are_none() {
    let parts = |ids| {
        [
            floats("hidden", &[1, 2], &[0.0, 0.0]),
            floats("src_head", &[3, 2], &HEAD),
            floats("tgt_embed_shared", &[2, 3], &TARGET[..6]),
            ids,
        ]
    };
    let args = json!({"temperature": 1.0, "target_norm": 3.0});
    let (answer, out) = ask_tensors("project_overlap", &args, &parts(ids("src_indices", &[2, 0])));
    assert!(answer.get("ok").is_some(), "{answer}");
    assert!((out.iter().map(|value| value * value).sum::<f32>() - 9.0).abs() < 1e-4);
    let minus = ("src_indices", "i64", vec![2], [0i64, -1].iter().flat_map(|id| id.to_le_bytes()).collect());
    for wrong in [ids("src_indices", &[0, 3]), ids("src_indices", &[0]), minus] {
        let (answer, _) = ask_tensors("project_overlap", &args, &parts(wrong));
        assert_eq!(answer["err"]["code"], "shape_mismatch", "{answer}");
    }
}

#[test]
fn learned_maps() {
    let parts = [
        floats("hidden", &[1, 2], &[1.0, 2.0]),
        floats("w", &[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        floats("bias", &[3], &[0.0, 0.0, 2.0]),
    ];
    assert_eq!(ask_tensors("project_linear", &json!({}), &parts).1, [1.0, 2.0, 2.0]);
    assert_eq!(ask_tensors("project_linear", &json!({"target_norm": 6.0}), &parts).1, [2.0, 4.0, 4.0]);
    let wrong = [parts[0].clone(), floats("w", &[3, 3], &TARGET)];
    assert_eq!(ask_tensors("project_linear", &json!({}), &wrong).0["err"]["code"], "shape_mismatch");
}
