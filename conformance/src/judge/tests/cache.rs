//! Context messages against caches.

use super::*;
use crate::build::{Fields, KvPayload, Message};
use crate::case::{CloseCache, CloseTensor, Within};

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A cache of one layer, one head and two positions.
fn message(steps: &str, values: [f32; 4], kind: u64) -> Vec<u8> {
    let mut fields = Fields::new();
    fields.varint(5, 2).varint(6, 1).varint(7, kind).entry(14, Some("num_steps"), Some(steps));
    let data = floats(&values);
    let payload =
        KvPayload { num_layers: 1, num_kv_heads: 1, head_dim: 1, seq_len: 2, dtype: 0, data }.to_bytes();
    let flags = if kind == 1 { 4 } else { 0 };
    Message { flags, metadata: fields.into_bytes(), payload, ..Message::default() }.to_bytes()
}

fn judged(message: &[u8]) -> Check {
    let near = |values: &[f32]| CloseTensor {
        shape: vec![1, 2, 1],
        values: floats(values).into(),
        through: None,
        within: Within { frobenius: Some(1e-3), ..Within::default() },
    };
    let expected = CloseCache {
        content: object(json!({"num_steps": 3, "seq_len": 2})),
        tensors: vec![near(&[1.0, 2.0]), near(&[3.0, 4.0])],
    };
    let parts = vec![ExpectPart { name: "message".into(), content: PartContent::Cache(Box::new(expected)) }];
    let expect = Expect::Ok { ok: Map::new(), should: Map::new(), parts };
    run_one(expect, ok(json!({}), vec![blob("message", message)])).remove(1)
}

#[test]
fn what_a_message_says_and_what_it_holds_count() {
    let right = message("3", [1.0, 2.0, 3.0, 4.001], 1);
    assert_eq!(judged(&right).outcome, Outcome::Pass);
    for (wrong, note) in [
        (message("2", [1.0, 2.0, 3.0, 4.0], 1), "num_steps"),
        (message("3", [1.0, 2.0, 3.0, 4.1], 1), "v0: relative error"),
        (message("3", [2.0, 1.0, 3.0, 4.0], 1), "k0: relative error"),
        (message("3", [1.0, 2.0, 3.0, 4.0], 0), "holds no cache"),
        (right[..right.len() - 1].to_vec(), "no context"),
    ] {
        let check = judged(&wrong);
        assert_eq!(check.outcome, Outcome::Fail, "{note}");
        assert!(check.note.contains(note), "{note}: {}", check.note);
    }
}
