//! What a model does with its embedding matrices: reading tokens, soft embeddings, realignment.

use burn::tensor::DType;

use super::activation::Activation;
use super::backend::Tensor;
use super::card_projection;
use super::decoder::{EMBEDDING, HEAD, Model, on_the_pool};
use super::linear::Matrix;
use super::map_rows::DeviceRows;
use crate::error::Result;
use crate::transfer::{self, ProjectOptions};
use crate::wire::DataType;

impl Model {
    /// Rows of the embedding matrix, scaled where the family scales them, [tokens, hidden].
    pub(super) fn embed(&self, tokens: &[u32]) -> Result<Activation> {
        self.check_tokens(tokens)?;
        let rows = match &self.embedding {
            Matrix::Host(matrix) => {
                let mut values = Vec::with_capacity(tokens.len() * matrix.cols);
                tokens.iter().for_each(|&token| matrix.row(token as usize, &mut values));
                self.place.rows(values, matrix.cols)
            }
            Matrix::Quantised(matrix) => {
                let width = self.config.hidden_size;
                let mut values = vec![0.0; tokens.len() * width];
                for (&token, row) in tokens.iter().zip(values.chunks_exact_mut(width)) {
                    matrix.widen(token as usize, row);
                }
                self.place.rows(values, width)
            }
            Matrix::Device(tensor) => {
                let ids: Vec<i64> = tokens.iter().map(|&token| token.into()).collect();
                let data = burn::tensor::TensorData::new(ids, [tokens.len()]);
                let ids = Tensor::<1, burn::tensor::Int>::from_data(data, &tensor.device());
                Activation::Device(tensor.clone().select(0, ids).cast(DType::F32))
            }
        };
        Ok(match self.config.embedding_scale {
            Some(scale) => rows.times(self.rounded(scale)),
            None => rows,
        })
    }

    /// A factor in the model's element type, where products with it are made.
    fn rounded(&self, factor: f32) -> f32 {
        match self.dtype {
            DataType::Float16 => half::f16::from_f32(factor).to_f32(),
            DataType::BFloat16 => half::bf16::from_f32(factor).to_f32(),
            _ => factor,
        }
    }

    fn embedding_name(&self) -> String {
        format!("{}{EMBEDDING}", self.prefix)
    }

    /// Soft embedding of a final hidden state, `[hidden]` → `[hidden]` (AVP-RLN-009), at the temperature of the Python SDK
    /// the formula itself has none), brought to a length where one is given.
    ///
    /// # Errors
    /// `shape_mismatch` for another width.
    pub fn soft_embed(&self, hidden: &[f32], rescale_to: Option<f32>) -> Result<Vec<f32>> {
        const TEMPERATURE: f32 = 1.0;
        self.check_width(hidden)?;
        match &self.embedding {
            Matrix::Host(matrix) => {
                let width = self.config.hidden_size;
                Ok(on_the_pool(|| transfer::embed_rows(matrix, hidden, width, TEMPERATURE, rescale_to)))
            }
            Matrix::Quantised(matrix) => {
                let width = self.config.hidden_size;
                Ok(on_the_pool(|| transfer::embed_rows(&**matrix, hidden, width, TEMPERATURE, rescale_to)))
            }
            Matrix::Device(embedding) => {
                // In f32 whatever the model's type, as on the host: rounded logits would be other weights.
                let rows = DeviceRows { matrix: embedding, count: self.config.vocab_size, ids: None };
                let options = ProjectOptions { target_norm: rescale_to, ..ProjectOptions::default() };
                Ok(card_projection::project(&rows, &rows, hidden, &options)?.values)
            }
        }
    }

    /// Input and output embedding of an untied model in f32, [vocab, hidden] each, from the weights' file.
    ///
    /// # Errors
    /// `configuration` for a tied model, which has one matrix for both.
    pub fn embeddings(&self) -> Result<[Vec<f32>; 2]> {
        let (vocab, hidden) = (self.config.vocab_size, self.config.hidden_size);
        let read = |name: &str| {
            self.weights.require(name, &[vocab, hidden])?;
            let mut values = vec![0.0; vocab * hidden];
            self.weights.read_f32(name, &mut values)?;
            self.weights.release(name);
            Ok(values)
        };
        Ok([read(&self.embedding_name())?, read(HEAD)?])
    }

    /// A sum over the stored bytes of both embeddings: tells apart models of one configuration.
    ///
    /// # Errors
    /// `configuration` for a tied model, which has one matrix for both.
    pub(crate) fn embedding_sum(&self) -> Result<u64> {
        let (vocab, hidden) = (self.config.vocab_size, self.config.hidden_size);
        let mut sums = [0; 2];
        for (sum, name) in sums.iter_mut().zip([self.embedding_name().as_str(), HEAD]) {
            self.weights.require(name, &[vocab, hidden])?;
            *sum = u64::from(crate::wire::crc32(&self.weights.bytes(name).unwrap_or_default()));
            self.weights.release(name);
        }
        Ok(sums[0] << 32 | sums[1])
    }

    /// Logits, [n, vocab], of final hidden states, [n, hidden], without a cap where the family has one. On a card in f32
    /// whatever the weights' type: rounded logits would change a softmax over them.
    ///
    /// # Errors
    /// `shape_mismatch` for another width.
    pub fn all_logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        self.check_width(states)?;
        on_the_pool(|| self.output_matrix().products(states))
    }

    /// The output embedding, in the place where the model lives.
    pub(super) fn output_matrix(&self) -> &Matrix {
        self.head.as_ref().map_or(&self.embedding, |head| &head.matrix)
    }

    /// The input embedding, in the place where the model lives.
    pub(super) fn embedding(&self) -> &Matrix {
        &self.embedding
    }

    /// The input embedding in f32, [vocab, hidden], from the weights' file.
    ///
    /// # Errors
    /// When the weights' file has gone bad since it was opened.
    pub fn input_embedding(&self) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.config.vocab_size * self.config.hidden_size];
        let name = self.embedding_name();
        self.weights.read_f32(&name, &mut values)?;
        self.weights.release(&name);
        Ok(values)
    }

    /// Mean norm of the rows of the input embedding (AVP-RLN-007).
    ///
    /// # Errors
    /// When the weights' file has gone bad since it was opened.
    pub fn target_norm(&self) -> Result<f32> {
        transfer::target_norm(&self.input_embedding()?, self.config.hidden_size)
    }
}
