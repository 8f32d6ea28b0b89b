//! Where training stands, on disk: weights, the optimizer's moments, the step, and whose they are.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{AutodiffModule as _, Module as _, ModuleMapper, Param};
use burn::optim::Optimizer as _;
use burn::record::{BinFileRecorder, FullPrecisionSettings, Recorder};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result, at};
use super::optimizer::Optimizer;
use super::trainer::{Backend, TrainDecoder};

/// The folder's name in the run's folder.
const FOLDER: &str = "checkpoint";
/// Its name while the next one takes its place.
const OLD: &str = "checkpoint.old";
/// The step and whose it is, in the folder.
const STATE: &str = "state.json";

/// What a checkpoint belongs to and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: usize,
    /// [`Recipe::fingerprint`](super::Recipe::fingerprint).
    pub recipe: String,
    /// The run's seed.
    pub seed: u64,
    /// Seconds of training behind it.
    pub seconds: f64,
}

impl State {
    /// How far the run in a folder is; `None` before its first checkpoint.
    ///
    /// # Errors
    /// A checkpoint that cannot be read.
    pub fn of(run: &Path) -> Result<Option<Self>> {
        Ok(find(run)?.map(|(_, state)| state))
    }
}

type Files = BinFileRecorder<FullPrecisionSettings>;

fn broken(path: &Path, reason: impl ToString) -> Error {
    Error::Checkpoint { path: path.to_owned(), reason: reason.to_string() }
}

/// Writes a checkpoint. One that was there stays until this one is whole.
pub(super) fn write(run: &Path, decoder: &TrainDecoder, optimizer: &Optimizer, state: &State) -> Result<()> {
    let (folder, fresh) = (run.join(FOLDER), run.join("checkpoint.new"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(at(&fresh))?;
    }
    fs::create_dir_all(&fresh).map_err(at(&fresh))?;
    let recorder = Files::new();
    decoder.clone().save_file(fresh.join("decoder"), &recorder).map_err(|e| broken(&fresh, e))?;
    let records = [
        Recorder::<Backend>::record(&recorder, optimizer.matrices.to_record(), fresh.join("muon")),
        Recorder::<Backend>::record(&recorder, optimizer.others.to_record(), fresh.join("adamw")),
    ];
    for record in records {
        record.map_err(|e| broken(&fresh, e))?;
    }
    let path = fresh.join(STATE);
    let text = serde_json::to_string_pretty(state).map_err(|e| broken(&path, e))?;
    fs::write(&path, text).map_err(at(&path))?;
    let old = run.join(OLD);
    if folder.exists() {
        if old.exists() {
            fs::remove_dir_all(&old).map_err(at(&old))?;
        }
        fs::rename(&folder, &old).map_err(at(&folder))?;
    }
    fs::rename(&fresh, &folder).map_err(at(&fresh))?;
    if old.exists() {
        fs::remove_dir_all(&old).map_err(at(&old))?;
    }
    Ok(())
}

/// The state of a run's checkpoint; of the one before where a write was cut short between its two renames.
pub(super) fn find(run: &Path) -> Result<Option<(PathBuf, State)>> {
    for name in [FOLDER, OLD] {
        let folder = run.join(name);
        let path = folder.join(STATE);
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(at(&path))?;
            let state = serde_json::from_str(&text).map_err(|e| broken(&path, e))?;
            return Ok(Some((folder, state)));
        }
    }
    Ok(None)
}

/// Weights and moments of a checkpoint. Both are read where nothing keeps gradients, since tensors do not move between such
/// a device and one that does.
pub(super) fn load(
    folder: &Path,
    decoder: &TrainDecoder,
    mut optimizer: Optimizer,
    device: &burn::tensor::Device<Backend>,
) -> Result<(TrainDecoder, Optimizer)> {
    let recorder = Files::new();
    let read = decoder.valid().load_file(folder.join("decoder"), &recorder, device);
    let decoder = TrainDecoder::from_inner(read.map_err(|e| broken(folder, e))?).map(&mut Learning);
    let muon = recorder.load(folder.join("muon"), device).map_err(|e| broken(folder, e))?;
    let adamw = recorder.load(folder.join("adamw"), device).map_err(|e| broken(folder, e))?;
    optimizer.matrices = optimizer.matrices.load_record(muon);
    optimizer.others = optimizer.others.load_record(adamw);
    Ok((decoder, optimizer))
}

/// Parameters that were read are constants until they are said to be learned.
struct Learning;

impl ModuleMapper<Backend> for Learning {
    fn map_float<const D: usize>(
        &mut self,
        parameter: Param<Tensor<Backend, D>>,
    ) -> Param<Tensor<Backend, D>> {
        parameter.set_require_grad(true)
    }
}
