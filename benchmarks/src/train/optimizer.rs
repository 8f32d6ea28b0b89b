//! GRADIENTS → WEIGHTS: Muon for the blocks' matrices, AdamW for the rest. On an earlier form of the task Muon
//! needed 200 steps to the loss that AdamW alone reached after 550.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module as _, ModuleVisitor, Param, ParamId};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamW, AdamWConfig, AdjustLrFn, GradientsParams, Muon, MuonConfig, Optimizer as _};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use super::decoder::Decoder;
use super::recipe::Training;
use super::trainer::Backend;

/// AdamW's first moment's decay.
const BETA_1: f32 = 0.9;
/// AdamW's guard against division by zero.
const EPSILON: f32 = 1e-8;

/// Muon's part.
pub(super) type MatrixOptimizer = OptimizerAdaptor<Muon<Backend>, Decoder<Backend>, Backend>;
/// AdamW's part.
pub(super) type OtherOptimizer = OptimizerAdaptor<AdamW, Decoder<Backend>, Backend>;

/// Both optimizers, with their moments.
pub(super) struct Optimizer {
    pub(super) matrices: MatrixOptimizer,
    pub(super) others: OtherOptimizer,
    matrix_rate: f64,
    learning_rate: f64,
}

impl Optimizer {
    pub(super) fn new(training: &Training) -> Self {
        let matrices = MuonConfig::new()
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .with_weight_decay(Some(WeightDecayConfig::new(training.weight_decay)));
        let others = AdamWConfig::new()
            .with_beta_1(BETA_1)
            .with_beta_2(training.beta_2)
            .with_epsilon(EPSILON)
            .with_weight_decay(training.weight_decay)
            .with_grad_clipping(Some(GradientClippingConfig::Norm(training.clip)));
        Self {
            matrices: matrices.init(),
            others: others.init(),
            matrix_rate: training.matrix_rate,
            learning_rate: training.learning_rate,
        }
    }

    /// One step at a share of the largest learning rates.
    pub(super) fn step(
        &mut self,
        share: f64,
        decoder: Decoder<Backend>,
        mut gradients: <Backend as AutodiffBackend>::Gradients,
    ) -> Decoder<Backend> {
        let matrices = matrices(&decoder);
        let mut all = Ids(Vec::new());
        decoder.visit(&mut all);
        let others: Vec<_> = all.0.into_iter().filter(|id| !matrices.contains(id)).collect();
        let of_matrices = GradientsParams::from_params(&mut gradients, &decoder, &matrices);
        let of_others = GradientsParams::from_params(&mut gradients, &decoder, &others);
        let decoder = self.matrices.step(share * self.matrix_rate, decoder, of_matrices);
        self.others.step(share * self.learning_rate, decoder, of_others)
    }
}

/// The blocks' matrices.
fn matrices(decoder: &Decoder<Backend>) -> Vec<ParamId> {
    let blocks = decoder.blocks.iter();
    blocks
        .flat_map(|block| {
            [&block.query, &block.key, &block.value, &block.output, &block.gate, &block.up, &block.down]
        })
        .map(|matrix| matrix.id)
        .collect()
}

/// Every parameter's id.
struct Ids(Vec<ParamId>);

impl ModuleVisitor<Backend> for Ids {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<Backend, D>>) {
        self.0.push(parameter.id);
    }
}
