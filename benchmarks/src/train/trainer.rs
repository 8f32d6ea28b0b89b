//! RECIPE → WEIGHTS: the loop, with checkpoints, so that a run that is stopped goes on where it was.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::AutodiffModule as _;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use super::batch::Batches;
use super::checkpoint::{self, State};
use super::decoder::Decoder;
use super::error::{Error, Result, at};
use super::optimizer::Optimizer;
use super::recipe::Recipe;
use super::tokenizer;

/// The backend that chooses among the compiled ones at run time; with gradients on a device that keeps them.
pub type Backend = burn::Dispatch;
/// A decoder in training.
pub(super) type TrainDecoder = Decoder<Backend>;
type Device = burn::DispatchDevice;

/// Seconds between checkpoints: what a crash can cost.
const CHECKPOINT_SECONDS: u64 = 120;
/// The file with a line for each step.
pub const LOSSES: &str = "loss.jsonl";

/// One step, as its line in the run's folder has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Counted from 1.
    pub step: usize,
    /// Mean negative log likelihood of the learned tokens, in nats.
    pub loss: f32,
    /// Share of the largest learning rates.
    pub share: f64,
    /// Tokens of the batch, padding included.
    pub tokens: usize,
}

/// A model that has been trained.
pub struct Trained {
    /// Its recipe.
    pub recipe: Recipe,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its weights, without gradients.
    pub decoder: Decoder<Backend>,
    /// Steps done; fewer than the recipe's when it was stopped.
    pub steps: usize,
    /// Seconds that they took, over all runs.
    pub seconds: f64,
}

/// A training run in a folder.
pub struct Trainer {
    /// What to train.
    pub recipe: Recipe,
    /// Decides weights before training and the order of dialogues.
    pub seed: u64,
    /// Where checkpoints and losses go.
    pub folder: PathBuf,
    /// Where tensors live; without gradients.
    pub device: Device,
}

impl Trainer {
    /// Trains, from the folder's checkpoint where there is one. `watch` hears of each step and may end the run after it; the
    /// checkpoint is written then, too.
    ///
    /// # Errors
    /// A checkpoint of another recipe or seed, files, tensors, and a loss that is no number.
    pub fn run(&self, watch: &mut dyn FnMut(&Step) -> ControlFlow<()>) -> Result<Trained> {
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let training = &self.recipe.training;
        let tokenizer = tokenizer::train(&self.recipe.tokenizer)?;
        let device = Device::autodiff(self.device.clone());
        let (mut decoder, mut optimizer, mut state) = self.start(&tokenizer, &device)?;
        let mut losses = self.losses(state.step)?;
        let mut batches = Batches::new(&tokenizer, training, self.seed)?;
        let mut saved = Instant::now();
        let mut running = Instant::now();
        while state.step < training.steps {
            let batch = batches.step(state.step)?;
            let share = training.share(state.step);
            let loss = decoder.loss(&batch, &self.recipe.shape, &device);
            let value = loss.clone().into_data().convert::<f32>().into_vec::<f32>();
            let value = value.map_err(|e| Error::Engine(format!("{e:?}")))?[0];
            state.step += 1;
            if !value.is_finite() {
                return Err(Error::Diverged { step: state.step, loss: value });
            }
            decoder = optimizer.step(share, decoder, loss.backward());
            let step = Step { step: state.step, loss: value, share, tokens: batch.ids.len() };
            let line = serde_json::to_string(&step).unwrap_or_default();
            writeln!(losses, "{line}").map_err(at(&self.folder.join(LOSSES)))?;
            let stopped = watch(&step).is_break();
            if stopped || state.step == training.steps || saved.elapsed().as_secs() >= CHECKPOINT_SECONDS {
                state.seconds += running.elapsed().as_secs_f64();
                running = Instant::now();
                checkpoint::write(&self.folder, &decoder, &optimizer, &state)?;
                saved = Instant::now();
            }
            if stopped {
                break;
            }
        }
        Ok(Trained {
            recipe: self.recipe.clone(),
            tokenizer,
            decoder: decoder.valid(),
            steps: state.step,
            seconds: state.seconds,
        })
    }

    fn start(&self, tokenizer: &Tokenizer, device: &Device) -> Result<(TrainDecoder, Optimizer, State)> {
        let mine = State { step: 0, recipe: self.recipe.fingerprint(), seed: self.seed, seconds: 0.0 };
        let decoder = Decoder::new(&self.recipe.shape, tokenizer.get_vocab_size(true), self.seed, device);
        let optimizer = Optimizer::new(&self.recipe.training);
        let Some((folder, state)) = checkpoint::find(&self.folder)? else {
            return Ok((decoder, optimizer, mine));
        };
        if (&state.recipe, state.seed) != (&mine.recipe, mine.seed) {
            let reason = format!(
                "it belongs to recipe {} and seed {}, this run has {} and {}; choose another --out",
                state.recipe, state.seed, mine.recipe, mine.seed
            );
            return Err(Error::Checkpoint { path: folder, reason });
        }
        let (decoder, optimizer) = checkpoint::load(&folder, &decoder, optimizer, &self.device)?;
        Ok((decoder, optimizer, state))
    }

    /// The file of losses, without the steps that will be done again.
    fn losses(&self, done: usize) -> Result<File> {
        let path = self.folder.join(LOSSES);
        let kept: String = read_losses(&self.folder)?
            .into_iter()
            .filter(|step| step.step <= done)
            .filter_map(|step| Some(serde_json::to_string(&step).ok()? + "\n"))
            .collect();
        fs::write(&path, kept).map_err(at(&path))?;
        OpenOptions::new().append(true).open(&path).map_err(at(&path))
    }
}

/// The steps of a run so far. A line that was cut off ends them.
///
/// # Errors
/// A file that cannot be read.
pub fn read_losses(run: &Path) -> Result<Vec<Step>> {
    let path = run.join(LOSSES);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
}
