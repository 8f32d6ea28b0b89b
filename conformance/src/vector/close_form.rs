//! Tensors that an answer must be near to, in recipes.

use serde_json::{Map, Value};

use crate::case::{CloseTensor, Dtype, Part, PartContent, Within};
use crate::oracle::{Matrix, NumericRequest};

use super::evaluate::Bases;
use super::node::{Node, Parsed};

/// The request whose answer is expected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) op: &'a str,
    pub(crate) args: &'a Map<String, Value>,
    pub(crate) parts: &'a [Part],
}

impl Bases<'_> {
    /// `{from, …}` is near to what an earlier step answered, anything else to a tensor that is known.
    pub(super) fn near(&self, node: &Node<'_>, step: usize, asked: &Asked<'_>) -> Parsed<PartContent> {
        let Some(from) = node.get("from") else {
            return Ok(PartContent::Close(self.close(node, asked)?));
        };
        node.object_of(&[&["from"], &Within::NAMES[..]].concat())?;
        from.object_of(&["step", "part"])?;
        let earlier = from.need("step")?.usize()?;
        if earlier >= step {
            return Err(from.error("an earlier step is meant"));
        }
        let part = from.need("part")?.string()?.to_owned();
        Ok(PartContent::Near { step: earlier, part, within: within(node)? })
    }

    /// `{shape, data}` or `{oracle, through}`, with tolerances.
    pub(super) fn close(&self, node: &Node<'_>, asked: &Asked<'_>) -> Parsed<CloseTensor> {
        node.object_of(&[&["shape", "data", "oracle", "through"], &Within::NAMES[..]].concat())?;
        let within = within(node)?;
        let Some(own) = node.get("oracle") else {
            let shape: Vec<u64> = node.need("shape")?.list()?.iter().map(Node::u64).collect::<Parsed<_>>()?;
            let values = self.bytes(&node.need("data")?)?;
            return match (Matrix::of_bytes(Dtype::F32, &shape, &values), node.get("through")) {
                (Some(made), None) if made.values.iter().all(|value| value.is_finite()) => {
                    Ok(CloseTensor { shape, values, through: None, within })
                }
                (_, Some(through)) => Err(through.error("only with `oracle`")),
                _ => Err(node.error("the data is not as many finite float32 as the shape asks for")),
            };
        };
        if let Some(key) = ["shape", "data"].into_iter().find(|key| node.get(key).is_some()) {
            return Err(node.error(format!("`{key}` is what the oracle gives")));
        }
        let mut args = asked.args.clone();
        args.extend(own.object()?.clone());
        let request = NumericRequest { op: asked.op, args: &args, parts: asked.parts };
        let (made, shape) = request.answer().map_err(|what| own.error(what))?;
        let through = node.get("through").map(|through| {
            let matrix = request.through(through.string()?).map_err(|what| through.error(what))?;
            match matrix.cols == made.rows {
                true => Ok((vec![matrix.rows as u64, matrix.cols as u64], matrix.to_f32_bytes().into())),
                false => Err(through.error(format!("it has {} columns, not {}", matrix.cols, made.rows))),
            }
        });
        Ok(CloseTensor { shape, values: made.to_f32_bytes().into(), through: through.transpose()?, within })
    }
}

fn within(node: &Node<'_>) -> Parsed<Within> {
    let limit = |name: &str| {
        let Some(limit) = node.get(name) else { return Ok(None) };
        match limit.value.as_f64() {
            Some(value) if (0.0..=1.0).contains(&value) => Ok(Some(value)),
            _ => Err(limit.error("expected a number from 0 to 1")),
        }
    };
    let within = Within {
        frobenius: limit("frobenius")?,
        rows: limit("rows")?,
        cosine: limit("cosine")?,
        norms: limit("norms")?,
    };
    match within.named().next() {
        Some(_) => Ok(within),
        None => Err(node.error(format!("say how near: {}", Within::NAMES.join(", ")))),
    }
}
