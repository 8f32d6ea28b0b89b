//! What a projection goes through, computed once more so that a mutant can compute it otherwise.

use serde_json::Value;

use crate::frame::Frame;
use crate::project::indices;
use crate::rows::{Rows, dot, length};

pub(crate) fn normal(weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

pub(crate) fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    normal(logits.iter().map(|logit| ((logit - most) / temperature).exp()).collect())
}

/// What a projection goes through: rows of the source's head, and the target's rows of the same tokens.
pub(crate) struct Through {
    pub(crate) source: Rows,
    pub(crate) targets: Rows,
    /// Which rows of the whole head they are.
    pub(crate) picked: Vec<usize>,
}

impl Through {
    fn of(asked: &Frame) -> Option<Self> {
        let head = Rows::of(asked, "src_head")?;
        match asked.op() {
            "project_vocab" => {
                let embed = Rows::of(asked, "tgt_embed")?;
                let count = head.count().min(embed.count());
                Some(Self {
                    source: head.first(count),
                    targets: embed.first(count),
                    picked: (0..count).collect(),
                })
            }
            "project_overlap" => {
                let picked: Vec<usize> = indices(asked)?.into_iter().map(|at| at as usize).collect();
                let values = picked.iter().flat_map(|at| head.row(*at).to_vec()).collect();
                let targets = Rows::of(asked, "tgt_embed_shared")?;
                Some(Self { source: Rows { dim: head.dim, values }, targets, picked })
            }
            _ => None,
        }
    }

    pub(crate) fn logits(&self, state: &[f64]) -> Vec<f64> {
        self.source.each().map(|row| dot(row, state)).collect()
    }

    /// The target's rows under these weights; weights that have no row are lost.
    pub(crate) fn mean(&self, weights: &[f64]) -> Vec<f64> {
        let column = |at: usize| self.targets.each().zip(weights).map(|(row, weight)| weight * row[at]).sum();
        (0..self.targets.dim).map(column).collect()
    }
}

/// Projects in another way, at the length that is asked for.
pub(crate) fn projected(asked: &Frame, told: &mut Frame, make: impl Fn(&[f64], &Through, f64) -> Vec<f64>) {
    let temperature = asked.args().get("temperature").and_then(Value::as_f64).unwrap_or(1.0);
    let target = asked.args().get("target_norm").and_then(Value::as_f64);
    if told.is_ok()
        && let Some(hidden) = Rows::of(asked, "hidden")
        && let Some(through) = Through::of(asked)
    {
        let made = hidden.each().flat_map(|state| {
            let row = make(state, &through, temperature);
            let scale = target.map_or(1.0, |target| target / length(&row).max(1e-6));
            row.into_iter().map(move |value| value * scale).collect::<Vec<_>>()
        });
        Rows { dim: through.targets.dim, values: made.collect() }.put(told, "out");
    }
}
