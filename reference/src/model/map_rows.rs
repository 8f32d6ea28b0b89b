//! A map's rows where the target lives: on its card, and held against its embedding.

use burn::tensor::{Int, TensorData};
use half::{bf16, f16};

use super::backend::{self, Tensor};
use super::decoder::Model;
use super::linear::{DEVICE_ROWS, Matrix};
use crate::error::{Error, ErrorClass, Result};
use crate::transfer::{Anchors, NORM_FLOOR, ProjectionMap, largest};
use crate::wire::DataType;

/// Rows of shared tokens that are gathered at a time: as many as blocks of all rows have.
const GATHERED_ROWS: usize = DEVICE_ROWS;

/// Rows of an embedding on a card: the first ones, or those of some tokens. They are widened to f32 in blocks, so that
/// sums are those of the host whatever the embedding's type.
pub(super) struct DeviceRows<'a> {
    pub(super) matrix: &'a Tensor<2>,
    pub(super) count: usize,
    pub(super) ids: Option<&'a [u32]>,
}

impl DeviceRows<'_> {
    /// The rows in blocks, with the number of each block's first.
    pub(super) fn blocks(&self) -> Box<dyn Iterator<Item = (usize, Tensor<2>)> + '_> {
        let Some(ids) = self.ids else {
            let cols = self.matrix.dims()[1];
            return Box::new(Matrix::device_blocks(&self.matrix.clone().slice([0..self.count, 0..cols])));
        };
        Box::new(ids.chunks(GATHERED_ROWS).enumerate().map(|(index, ids)| {
            let wide: Vec<i64> = ids.iter().map(|&id| id.into()).collect();
            let data = TensorData::new(wide, [ids.len()]);
            let ids = Tensor::<1, Int>::from_data(data, &self.matrix.device());
            let rows = self.matrix.clone().select(0, ids).cast(backend::dtype(DataType::Float32));
            (index * GATHERED_ROWS, rows)
        }))
    }

    fn upload(&self, values: &[f32], cols: usize) -> Tensor<2> {
        let shape = [values.len() / cols, cols];
        backend::from_host(values.to_vec(), shape, DataType::Float32, &self.matrix.device())
    }
}

impl Anchors for DeviceRows<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn width(&self) -> usize {
        self.matrix.dims()[1]
    }

    fn mix(&self, weights: &[f32], out: &mut [f32]) -> Result<()> {
        let weights = self.upload(weights, self.count);
        let states = weights.dims()[0];
        let mut sum: Option<Tensor<2>> = None;
        for (start, rows) in self.blocks() {
            let end = start + rows.dims()[0];
            let part = backend::product(weights.clone().slice([0..states, start..end]), rows);
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
        }
        match sum {
            Some(sum) => out.copy_from_slice(&backend::to_host(sum)?),
            None => out.fill(0.0),
        }
        Ok(())
    }

    fn nearest(&self, vectors: &[f32]) -> Result<Vec<f64>> {
        let vectors = self.upload(vectors, self.width());
        let length = |rows: &Tensor<2>| (rows.clone() * rows.clone()).sum_dim(1).sqrt().clamp_min(NORM_FLOOR);
        let unit = vectors.clone() / length(&vectors);
        let mut best = vec![f64::NEG_INFINITY; vectors.dims()[0]];
        for (_, rows) in self.blocks() {
            let norms = length(&rows);
            let cosines = backend::product(unit.clone(), (rows / norms).transpose());
            let found = backend::to_host(cosines.max_dim(1))?;
            best.iter_mut().zip(found).for_each(|(best, found)| *best = largest(*best, found.into()));
        }
        Ok(best)
    }
}

/// Whether a map's rows are those of a model's embedding, as its element type has them.
///
/// # Errors
/// `projection` when they are not.
pub(super) fn check(model: &Model, map: &ProjectionMap) -> Result<()> {
    let (vocabulary, width) = (model.config().vocab_size, model.config().hidden_size);
    let ids = map.shared.as_ref().map(|shared| &*shared.target_ids);
    let count = map.w_map.len() / width;
    let wrong = |found: String| {
        Error::new(ErrorClass::Projection, "map.w_map", "rows of this model's embedding", found)
    };
    // A part of the embedding would be taken for the whole: AVP-MAP-008.
    if ids.is_none() && count != vocabulary {
        return Err(wrong(format!("{count} rows for {vocabulary} tokens")));
    }
    let beyond = ids.and_then(|ids| ids.iter().find(|&&id| id as usize >= vocabulary));
    if beyond.is_some() || count > vocabulary {
        return Err(wrong(format!("tokens that its {vocabulary} rows do not have")));
    }
    let same = |own: &[f32], kept: &[f32]| match model.dtype() {
        DataType::BFloat16 => own.iter().zip(kept).all(|(a, b)| *a == bf16::from_f32(*b).to_f32()),
        DataType::Float16 => own.iter().zip(kept).all(|(a, b)| *a == f16::from_f32(*b).to_f32()),
        _ => own == kept,
    };
    match model.embedding() {
        Matrix::Host(matrix) => {
            let mut own = Vec::with_capacity(width);
            for (index, kept) in map.w_map.chunks_exact(width).enumerate() {
                own.clear();
                matrix.row(ids.map_or(index, |ids| ids[index] as usize), &mut own);
                if !same(&own, kept) {
                    return Err(wrong(format!("another row {index}")));
                }
            }
        }
        Matrix::Quantised(matrix) => {
            let mut own = vec![0.0; width];
            for (index, kept) in map.w_map.chunks_exact(width).enumerate() {
                matrix.widen(ids.map_or(index, |ids| ids[index] as usize), &mut own);
                if !same(&own, kept) {
                    return Err(wrong(format!("another row {index}")));
                }
            }
        }
        Matrix::Device(matrix) => {
            for (start, rows) in (DeviceRows { matrix, count, ids }).blocks() {
                let own = backend::to_host(rows)?;
                if !same(&own, &map.w_map[start * width..][..own.len()]) {
                    return Err(wrong(format!("another row from {start} on")));
                }
            }
        }
    }
    Ok(())
}
