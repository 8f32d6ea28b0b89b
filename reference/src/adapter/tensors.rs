//! Plain tensors.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome};
use super::metadata::data_type;
use super::request::{Request, short_name};
use crate::tensor::{TensorView, convert};

#[derive(Deserialize)]
struct Tensor<'a> {
    #[serde(borrow)]
    dtype: Cow<'a, str>,
    #[serde(default)]
    shape: Option<Vec<u64>>,
}

pub(super) fn encode_tensor<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Tensor<'a> = request.args()?;
    let part = request.part("values")?;
    let from = part.data_type()?;
    let tensor = TensorView::new(from, &part.shape(from.size()), part.bytes)?;
    Ok(Answer::new(json!({})).part("payload", convert(&tensor, data_type(&args.dtype)?)?))
}

pub(super) fn decode_tensor<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Tensor<'a> = request.args()?;
    let (dtype, payload) = (data_type(&args.dtype)?, request.part("payload")?.bytes);
    // No dimensions means, as in metadata, that none are given.
    let tensor = match args.shape.as_deref() {
        None | Some([]) => TensorView::flat(dtype, payload)?,
        Some(shape) => TensorView::new(dtype, shape, payload)?,
    };
    Ok(Answer::new(json!({"count": tensor.count()})).tensor(
        "values",
        short_name(dtype),
        tensor.shape(),
        tensor.bytes(),
    ))
}
