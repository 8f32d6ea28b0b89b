//! The decoder in the form that can be trained: the arithmetic of [`avp::model::Model`] for Llama, on whole batches, with
//! gradients. A test holds the two against each other.

use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, silu, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::batch::Batch;
use super::recipe::Shape;

/// Added to the mean square in RMSNorm; as config.json says.
pub const NORM_EPS: f64 = 1e-6;
/// Base of the rotary positions; as config.json says. Large: most of a head's angles hardly turn over some hundred positions,
/// so that what they compare is content.
pub const ROPE_THETA: f64 = 100_000.0;
/// Standard deviation of the input embeddings before training. Finding a fact by its key means telling tokens apart: a
/// model of three layers had learned such a lookup after 300 steps, and with the usual 0.02 had hardly begun after 350.
const EMBEDDING_DEVIATION: f64 = 0.5;
/// Standard deviation of a head of its own: of the first logits, too.
const HEAD_DEVIATION: f64 = 0.02;
/// Standard deviation of a matrix before training, times the root of its input's width.
const MATRIX_GAIN: f64 = 0.7;
/// The seed's stream of weights. Those of dialogues count from 0, those of their order from the other end.
const STREAM: u64 = 1 << 63;
/// Stands for what a position must not see.
const MASKED: f32 = -1e9;

/// A Llama decoder. Matrices are `[out, in]`, as in a checkpoint.
#[derive(Module, Debug)]
pub struct Decoder<B: Backend> {
    /// `[vocabulary, hidden]`.
    pub embeddings: Param<Tensor<B, 2>>,
    /// Layers.
    pub blocks: Vec<Block<B>>,
    /// `[hidden]`.
    pub norm: Param<Tensor<B, 1>>,
    /// `[vocabulary, hidden]`; none where the embeddings serve.
    pub head: Option<Param<Tensor<B, 2>>>,
}

/// One layer.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    /// `[hidden]`.
    pub attention_norm: Param<Tensor<B, 1>>,
    /// `[heads · head_dim, hidden]`.
    pub query: Param<Tensor<B, 2>>,
    /// `[kv_heads · head_dim, hidden]`.
    pub key: Param<Tensor<B, 2>>,
    /// `[kv_heads · head_dim, hidden]`.
    pub value: Param<Tensor<B, 2>>,
    /// `[hidden, heads · head_dim]`.
    pub output: Param<Tensor<B, 2>>,
    /// `[hidden]`.
    pub mlp_norm: Param<Tensor<B, 1>>,
    /// `[intermediate, hidden]`.
    pub gate: Param<Tensor<B, 2>>,
    /// `[intermediate, hidden]`.
    pub up: Param<Tensor<B, 2>>,
    /// `[hidden, intermediate]`.
    pub down: Param<Tensor<B, 2>>,
}

/// Weights before training. Not the backend's own random numbers: their state belongs to the whole process.
struct Draw<'a, B: Backend> {
    rng: ChaCha8Rng,
    device: &'a B::Device,
}

impl<B: Backend> Draw<'_, B> {
    fn matrix(&mut self, rows: usize, cols: usize, deviation: f64) -> Param<Tensor<B, 2>> {
        let mut value = || (deviation * self.rng.sample::<f64, _>(StandardNormal)) as f32;
        let values: Vec<f32> = (0..rows * cols).map(|_| value()).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, [rows, cols]), self.device))
    }
}

/// Rotations of all positions of a sequence, as one row that serves every sequence: `[1, length · heads · head_dim]`.
struct Rotation<B: Backend> {
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
}

/// What every layer of a forward pass needs.
struct Positions<B: Backend> {
    rows: usize,
    /// With the attention's scale in it.
    query: Rotation<B>,
    key: Rotation<B>,
    /// `[head_dim, head_dim]`; the half turn of the rotary form as a product, one operation instead of four.
    half_turn: Tensor<B, 2>,
    /// The causal mask as one row, `[1, groups · length · length]`.
    mask: Tensor<B, 2>,
}

impl<B: Backend> Decoder<B> {
    /// A decoder before training: the same from the same seed, on every device.
    pub fn new(shape: &Shape, vocab_size: usize, seed: u64, device: &B::Device) -> Self {
        let mut draw = Draw { rng: ChaCha8Rng::seed_from_u64(seed), device };
        draw.rng.set_stream(STREAM);
        Self {
            embeddings: draw.matrix(vocab_size, shape.hidden_size, EMBEDDING_DEVIATION),
            blocks: (0..shape.layers).map(|_| Block::new(shape, &mut draw)).collect(),
            norm: ones(shape.hidden_size, device),
            head: (!shape.tied).then(|| draw.matrix(vocab_size, shape.hidden_size, HEAD_DEVIATION)),
        }
    }

    /// Hidden states after the last norm: `[rows, length]` tokens → `[rows · length, hidden]`.
    fn hidden(&self, batch: &Batch, shape: &Shape, device: &B::Device) -> Tensor<B, 2> {
        let (rows, length, width) = (batch.rows, batch.length, shape.hidden_size);
        let ids = Tensor::<B, 1, Int>::from_data(TensorData::new(batch.ids.clone(), [rows * length]), device);
        let positions = Positions::new(shape, rows, length, device);
        let mut hidden = self.embeddings.val().select(0, ids);
        for block in &self.blocks {
            hidden = block.forward(hidden, rows, length, shape, &positions);
        }
        rms_norm(hidden, &self.norm).reshape([rows * length, width])
    }

    /// Logits at the batch's learned positions: `[positions, vocabulary]`.
    pub fn logits(&self, batch: &Batch, shape: &Shape, device: &B::Device) -> Tensor<B, 2> {
        let count = batch.positions.len();
        let positions = Tensor::from_data(TensorData::new(batch.positions.clone(), [count]), device);
        let hidden = self.hidden(batch, shape, device).select(0, positions);
        let head = self.head.as_ref().unwrap_or(&self.embeddings);
        hidden.matmul(head.val().transpose())
    }

    /// The mean negative log likelihood of the learned tokens, in nats, `[1]`.
    pub fn loss(&self, batch: &Batch, shape: &Shape, device: &B::Device) -> Tensor<B, 1> {
        let count = batch.targets.len();
        let targets =
            Tensor::<B, 2, Int>::from_data(TensorData::new(batch.targets.clone(), [count, 1]), device);
        log_softmax(self.logits(batch, shape, device), 1).gather(1, targets).mean().neg()
    }
}

impl<B: Backend> Block<B> {
    fn new(shape: &Shape, draw: &mut Draw<'_, B>) -> Self {
        let (hidden, inner) = (shape.hidden_size, shape.intermediate_size);
        let (all, kv) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let device = draw.device;
        let mut matrix = |rows, cols: usize| draw.matrix(rows, cols, MATRIX_GAIN / (cols as f64).sqrt());
        Self {
            attention_norm: ones(hidden, device),
            query: matrix(all, hidden),
            key: matrix(kv, hidden),
            value: matrix(kv, hidden),
            output: matrix(hidden, all),
            mlp_norm: ones(hidden, device),
            gate: matrix(inner, hidden),
            up: matrix(inner, hidden),
            down: matrix(hidden, inner),
        }
    }

    /// `[rows · length, hidden]` → the same.
    fn forward(
        &self,
        hidden: Tensor<B, 2>,
        rows: usize,
        length: usize,
        shape: &Shape,
        positions: &Positions<B>,
    ) -> Tensor<B, 2> {
        let (heads, kv_heads, dim) = (shape.heads, shape.kv_heads, shape.head_dim);
        let groups = heads / kv_heads;
        let split =
            |tensor: Tensor<B, 2>, heads: usize| tensor.reshape([rows, length, heads, dim]).swap_dims(1, 2);
        let normed = rms_norm(hidden.clone(), &self.attention_norm);
        let query = split(positions.rotate(product(normed.clone(), &self.query), &positions.query), heads);
        let key = split(positions.rotate(product(normed.clone(), &self.key), &positions.key), kv_heads);
        let value = split(product(normed, &self.value), kv_heads);
        // Query heads that share a key head follow one another: they are more rows of one product.
        let query = query.reshape([rows, kv_heads, groups * length, dim]);
        let scores = query.matmul(key.transpose());
        // As one row for all: the backend adds it without walking strides.
        let scores = scores.reshape([rows * kv_heads, groups * length * length]) + positions.mask.clone();
        let weights = softmax(scores.reshape([rows, kv_heads, groups * length, length]), 3);
        let seen = weights.matmul(value).reshape([rows, heads, length, dim]);
        let seen = seen.swap_dims(1, 2).reshape([rows * length, heads * dim]);
        let hidden = hidden + product(seen, &self.output);
        let normed = rms_norm(hidden.clone(), &self.mlp_norm);
        let inner = silu(product(normed.clone(), &self.gate)) * product(normed, &self.up);
        hidden + product(inner, &self.down)
    }
}

impl<B: Backend> Positions<B> {
    fn new(shape: &Shape, rows: usize, length: usize, device: &B::Device) -> Self {
        let (dim, half) = (shape.head_dim, shape.head_dim / 2);
        // (x₀, x₁) · R = (−x₁, x₀) for the two halves.
        let mut turn = vec![0.0_f32; dim * dim];
        for i in 0..half {
            turn[(i + half) * dim + i] = -1.0;
            turn[i * dim + i + half] = 1.0;
        }
        let groups = shape.heads / shape.kv_heads;
        let mut mask = vec![0.0_f32; groups * length * length];
        for (row, mask) in mask.chunks_exact_mut(length).enumerate() {
            mask[row % length + 1..].fill(MASKED);
        }
        let count = mask.len();
        Self {
            rows,
            query: Rotation::new(shape.heads, dim, length, 1.0 / (dim as f64).sqrt(), device),
            key: Rotation::new(shape.kv_heads, dim, length, 1.0, device),
            half_turn: Tensor::from_data(TensorData::new(turn, [dim, dim]), device),
            mask: Tensor::from_data(TensorData::new(mask, [1, count]), device),
        }
    }

    /// `[rows · length, heads · head_dim]` → the same, each position turned by its angles.
    fn rotate(&self, heads: Tensor<B, 2>, by: &Rotation<B>) -> Tensor<B, 2> {
        let [dim, _] = self.half_turn.dims();
        let shape = heads.dims();
        let turned = heads.clone().reshape([-1, dim as i32]).matmul(self.half_turn.clone());
        let row = [self.rows as i32, -1];
        let rotated = heads.reshape(row) * by.cos.clone() + turned.reshape(row) * by.sin.clone();
        rotated.reshape(shape)
    }
}

impl<B: Backend> Rotation<B> {
    fn new(heads: usize, dim: usize, length: usize, scale: f64, device: &B::Device) -> Self {
        let half = dim / 2;
        let angle = |position: usize, i: usize| {
            position as f64 * ROPE_THETA.powf(-2.0 * (i % half) as f64 / dim as f64)
        };
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = (0..length)
                .flat_map(|position| {
                    (0..heads * dim).map(move |i| (scale * of(angle(position, i % dim))) as f32)
                })
                .collect();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [1, count]), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }
}

fn ones<B: Backend>(width: usize, device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::ones([width], device))
}

/// Rows `[n, in]` by a matrix `[out, in]` → `[n, out]`.
fn product<B: Backend>(rows: Tensor<B, 2>, matrix: &Param<Tensor<B, 2>>) -> Tensor<B, 2> {
    rows.matmul(matrix.val().transpose())
}

fn rms_norm<B: Backend>(rows: Tensor<B, 2>, weight: &Param<Tensor<B, 1>>) -> Tensor<B, 2> {
    let square = rows.clone() * rows.clone();
    let scale = (square.mean_dim(1) + NORM_EPS).sqrt().recip();
    rows * scale * weight.val().unsqueeze::<2>()
}
