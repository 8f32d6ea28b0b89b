//! A context message against an expected cache, through the harness's own dissector.

use serde_json::{Value, json};

use super::compare::Comparer;
use super::tensor::{self, Miss};
use crate::adapter::Blob;
use crate::case::{CloseCache, Spec};
use crate::dissect;

/// Compares a message, what it says and then every tensor; `None` when it is near enough.
pub(super) fn compare(
    expected: &CloseCache,
    bytes: &[u8],
    spec: Spec,
    comparer: &Comparer<'_>,
) -> Option<Miss> {
    let content = || Value::Object(expected.content.clone());
    let read = dissect::context(bytes, spec);
    if let Some(fault) = read.faults.first() {
        let note = format!("no context: {} at byte {}: {}", fault.field, fault.offset, fault.text);
        return Some((content(), json!({"len": bytes.len()}), note));
    }
    let (Some(actual), Some(tensors)) = (read.answer(), read.tensors()) else {
        return Some((content(), json!("hidden states"), "the message holds no cache".to_owned()));
    };
    if let Err(wrong) = comparer.object(&expected.content, &actual, false, "") {
        return Some((content(), Value::Object(actual), format!("{}: {}", wrong.at, wrong.what)));
    }
    if tensors.len() != expected.tensors.len() {
        let note = "another number of tensors".to_owned();
        return Some((json!(expected.tensors.len()), json!(tensors.len()), note));
    }
    tensors.iter().zip(&expected.tensors).find_map(|((name, tensor), wanted)| {
        let blob = Blob {
            name: name.clone(),
            dtype: Some(tensor.dtype.as_str().to_owned()),
            shape: Some(tensor.shape.to_vec()),
            bytes: tensor.bytes.into(),
        };
        let (expected, actual, note) = tensor::compare(wanted, &blob)?;
        Some((expected, actual, format!("{name}: {note}")))
    })
}
