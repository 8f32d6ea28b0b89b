//! FILES → MODEL: each tensor by its name and shape, without a second copy where the file's bytes serve as they are.

use std::sync::Arc;

use super::activation::Place;
use super::attention::Attention;
use super::backend;
use super::block::Block;
use super::config::ModelConfig;
use super::linear::{HostMatrix, Linear, Matrix, shared};
use super::mlp::Mlp;
use super::norm::{RmsNorm, Scale};
use crate::error::{Error, Result};
use crate::tensor::quantised::QuantisedMatrix;
use crate::weights::{ElementType, Weights};
use crate::wire::DataType;

/// Elements that are widened at a time on their way into a half precision type: 4 Mi elements of f32 are 16 MiB.
const CONVERT_CHUNK: usize = 1 << 22;

/// What loading a tensor needs to know.
pub(super) struct Loader<'a> {
    pub(super) weights: &'a Weights,
    pub(super) config: &'a ModelConfig,
    pub(super) place: &'a Place,
    pub(super) dtype: DataType,
    /// What stands before the names of the language model's tensors.
    pub(super) prefix: &'static str,
    /// Whether matrices stay in the blocks of their file where it has such.
    pub(super) quantised: bool,
}

impl Loader<'_> {
    /// A matrix [rows, cols].
    pub(super) fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let coding = self.weights.require(name, &[rows, cols])?.element.coding();
        if let (true, Some(coding)) = (self.quantised, coding) {
            let matrix = QuantisedMatrix::read(self.weights, name, [rows, cols], coding)?;
            self.weights.release(name);
            return Ok(Matrix::Quantised(Arc::new(matrix)));
        }
        let host = self.host_matrix(name, rows, cols)?;
        let matrix = match self.place {
            Place::Host => Matrix::Host(host),
            Place::Device(device) => {
                let bytes = burn::tensor::Bytes::from_bytes_vec(host.data.to_vec());
                let dtype = backend::dtype(self.dtype);
                let data = burn::tensor::TensorData::from_bytes(bytes, [rows, cols], dtype);
                Matrix::Device(backend::Tensor::from_data(data, (device, dtype)))
            }
        };
        Ok(matrix)
    }

    fn host_matrix(&self, name: &str, rows: usize, cols: usize) -> Result<HostMatrix> {
        let stored = self.weights.require(name, &[rows, cols])?.element;
        let wanted = match self.dtype {
            DataType::Float16 => ElementType::F16,
            DataType::BFloat16 => ElementType::BF16,
            _ => ElementType::F32,
        };
        let in_place = self.weights.bytes(name).filter(|bytes| {
            stored == wanted
                && bytes.as_ptr().align_offset(self.dtype.size()) == 0
                && cfg!(target_endian = "little")
        });
        let data = match in_place {
            Some(bytes) => bytes,
            None => {
                let data = self.converted(name, rows, cols)?;
                self.weights.release(name);
                data
            }
        };
        Ok(HostMatrix { data, element: self.dtype, rows, cols })
    }

    fn converted(&self, name: &str, rows: usize, cols: usize) -> Result<bytes::Bytes> {
        Ok(match self.dtype {
            DataType::Float16 => shared(self.narrowed(name, rows, cols, half::f16::from_f32)?),
            DataType::BFloat16 => shared(self.narrowed(name, rows, cols, half::bf16::from_f32)?),
            _ => {
                let mut wide = vec![0.0_f32; rows * cols];
                self.weights.read_f32(name, &mut wide)?;
                shared(wide)
            }
        })
    }

    /// A matrix in a half precision type, with a few of its rows in f32 at a time.
    fn narrowed<T>(&self, name: &str, rows: usize, cols: usize, narrow: fn(f32) -> T) -> Result<Vec<T>> {
        let mut out = Vec::with_capacity(rows * cols);
        let at_a_time = (CONVERT_CHUNK / cols).clamp(1, rows);
        let mut wide = vec![0.0; at_a_time * cols];
        for first in (0..rows).step_by(at_a_time) {
            let wide = &mut wide[..at_a_time.min(rows - first) * cols];
            self.weights.read_rows_f32(name, first, wide)?;
            out.extend(wide.iter().map(|&value| narrow(value)));
        }
        Ok(out)
    }

    fn floats(&self, name: &str, count: usize) -> Result<Vec<f32>> {
        self.weights.require(name, &[count])?;
        let mut values = vec![0.0; count];
        self.weights.read_f32(name, &mut values)?;
        Ok(values)
    }

    fn scale(&self, name: &str, count: usize) -> Result<Scale> {
        let values = self.floats(name, count)?;
        Ok(match self.place {
            Place::Host => Scale::Host(values),
            Place::Device(device) => Scale::Device(backend::from_host(values, [count], self.dtype, device)),
        })
    }

    /// `NAME.weight` [out, in] and, if asked for, `NAME.bias` [out].
    fn linear(&self, name: &str, [out, input]: [usize; 2], bias: bool) -> Result<Linear> {
        let bias = bias.then(|| self.scale(&format!("{name}.bias"), out)).transpose()?;
        Ok(Linear { matrix: self.matrix(&format!("{name}.weight"), out, input)?, bias })
    }

    /// `NAME.weight` of a norm over so many columns.
    pub(super) fn norm(&self, name: &str, width: usize) -> Result<RmsNorm> {
        let eps = self.config.norm_eps;
        let name = format!("{name}.weight");
        if !self.config.architecture.is_gemma() {
            return Ok(RmsNorm { weight: self.scale(&name, width)?, eps });
        }
        // Stored is the distance from one. The sum of both loses what the family was trained with unless it stays wide.
        let mut values = self.floats(&name, width)?;
        values.iter_mut().for_each(|value| *value += 1.0);
        let weight = match self.place {
            Place::Host => Scale::Host(values),
            Place::Device(device) => {
                Scale::Device(backend::from_host(values, [width], DataType::Float32, device))
            }
        };
        Ok(RmsNorm { weight, eps })
    }

    /// The block with that index.
    pub(super) fn block(&self, index: usize) -> Result<Block> {
        let config = self.config;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (all, kv) = (config.num_heads * config.head_dim, config.kv_width());
        let name = |part: &str| format!("{}layers.{index}.{part}", self.prefix);
        let norm = |part: &str| self.norm(&name(part), hidden);
        let head_norm = |part: &str| self.norm(&name(part), config.head_dim);
        let head_norms = config.architecture.has_head_norms();
        let post_norms = config.architecture.has_post_norms();
        // With norms behind attention and MLP, the name that means the one before the MLP elsewhere is the one behind
        // attention.
        let (after_attention, before_mlp, after_mlp) = if post_norms {
            (
                Some("post_attention_layernorm"),
                "pre_feedforward_layernorm",
                Some("post_feedforward_layernorm"),
            )
        } else {
            (None, "post_attention_layernorm", None)
        };
        Ok(Block {
            attention_norm: norm("input_layernorm")?,
            attention: Attention {
                query: self.linear(&name("self_attn.q_proj"), [all, hidden], config.qkv_bias)?,
                key: self.linear(&name("self_attn.k_proj"), [kv, hidden], config.qkv_bias)?,
                value: self.linear(&name("self_attn.v_proj"), [kv, hidden], config.qkv_bias)?,
                output: self.linear(&name("self_attn.o_proj"), [hidden, all], config.output_bias)?,
                head_norms: head_norms
                    .then(|| Ok::<_, Error>([head_norm("self_attn.q_norm")?, head_norm("self_attn.k_norm")?]))
                    .transpose()?,
                heads: config.num_heads,
                kv_heads: config.num_kv_heads,
                head_dim: config.head_dim,
                scale: config.attention_scale,
                softcap: config.attention_softcap,
                window: config.window(index),
            },
            after_attention: after_attention.map(norm).transpose()?,
            mlp_norm: norm(before_mlp)?,
            mlp: Mlp {
                gate: self.linear(&name("mlp.gate_proj"), [inner, hidden], config.mlp_bias)?,
                up: self.linear(&name("mlp.up_proj"), [inner, hidden], config.mlp_bias)?,
                down: self.linear(&name("mlp.down_proj"), [hidden, inner], config.mlp_bias)?,
                activation: config.activation,
            },
            after_mlp: after_mlp.map(norm).transpose()?,
        })
    }
}
