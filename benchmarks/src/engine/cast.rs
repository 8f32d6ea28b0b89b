//! The models of a run, loaded.

use std::collections::BTreeMap;

use avp::model::{Connector as _, LoadOptions, Prompt, Runtime};
use avp::text::{ChatMessage, ChatOptions};
use avp::transfer::ProjectionMap;
use avp::weights::{ModelSource, registry};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};
use crate::arm::Arm;
use crate::run_file::{RunFile, hex};

/// The models of a run, loaded: the one that answers, and the others that its arms need.
pub struct Cast {
    answerer: (String, Runtime),
    others: BTreeMap<String, Other>,
    /// Of each model, what a record says.
    facts: BTreeMap<String, BTreeMap<String, String>>,
    moments: (Vec<f32>, f32),
}

/// A model that hands over to the one that answers.
pub(super) struct Other {
    pub(super) runtime: Runtime,
    pub(super) map: Option<std::sync::Arc<ProjectionMap>>,
}

impl Cast {
    /// Loads what the arms of a run need; `progress` is told of each model.
    ///
    /// # Errors
    /// What the runtime refuses, with the model's name.
    pub fn load(file: &RunFile, arms: &[Arm], progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let mut facts = BTreeMap::new();
        let mut load = |name: &str| -> Result<Runtime> {
            progress(name);
            let failed = |source| Error::Model { name: name.to_owned(), source };
            let argument = file.models.get(name).unwrap_or(name);
            let options =
                LoadOptions { device: file.device()?, dtype: file.dtype()?, quantised: file.quantised };
            let source = registry::resolve(argument).map_err(failed)?;
            let weights = weights_sum(&source).map_err(failed)?;
            let runtime = Runtime::open(source, options, &mut |_, _| ()).map_err(failed)?;
            facts.insert(name.to_owned(), describe(&runtime, weights));
            Ok(runtime)
        };
        let answerer = load(&file.answerer)?;
        let mut others = BTreeMap::new();
        let mut maps = BTreeMap::new();
        for arm in arms {
            let (name, projected) = match arm {
                Arm::Text(Some(other)) => (&other.name, false),
                Arm::Rosetta(rosetta) => (&rosetta.other.name, true),
                _ => continue,
            };
            if !others.contains_key(name) {
                others.insert(name.clone(), Other { runtime: load(name)?, map: None });
            }
            let Some(other) = others.get_mut(name).filter(|other| projected && other.map.is_none()) else {
                continue;
            };
            let made = answerer.map_from(&other.runtime);
            let (map, _) = made.map_err(|source| Error::Model { name: name.clone(), source })?;
            maps.insert(name.clone(), (map.method.as_str(), map.id()));
            other.map = Some(map);
        }
        for (name, (method, id)) in maps {
            let facts: &mut BTreeMap<_, _> = facts.entry(name).or_default();
            facts.insert("projection".to_owned(), method.to_owned());
            facts.insert("avp_map_id".to_owned(), id);
        }
        let embedding = answerer.model().input_embedding();
        let embedding = embedding.map_err(|source| Error::Model { name: file.answerer.clone(), source })?;
        let moments = moments(&embedding, answerer.info().hidden_dim);
        Ok(Self { answerer: (file.answerer.clone(), answerer), others, facts, moments })
    }

    /// Of each loaded model: weights, tokenizer, element type, device.
    #[must_use]
    pub fn facts(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.facts
    }

    pub(super) fn answerer(&self) -> (&str, &Runtime) {
        (&self.answerer.0, &self.answerer.1)
    }

    pub(super) fn other(&self, name: &str) -> Option<&Other> {
        self.others.get(name)
    }

    /// The mean of the answering model's input embeddings, and their mean length.
    pub(super) fn moments(&self) -> (&[f32], f32) {
        (&self.moments.0, self.moments.1)
    }
}

/// The mean of rows, and their mean length.
fn moments(rows: &[f32], width: usize) -> (Vec<f32>, f32) {
    let count = (rows.len() / width.max(1)).max(1) as f64;
    let (mut mean, mut length) = (vec![0.0_f64; width], 0.0_f64);
    for row in rows.chunks_exact(width.max(1)) {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
        length += row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    }
    (mean.into_iter().map(|sum| (sum / count) as f32).collect(), (length / count) as f32)
}

/// The tokens of a user's message.
pub(super) fn chat(runtime: &Runtime, text: &str) -> avp::Result<Vec<u32>> {
    runtime.tokens(&Prompt::User(text.to_owned()))
}

/// The tokens by which a model says a reply to a message: what its chat template writes between the two and behind the
/// reply counts as template, and the reply's first token is as the template leaves it.
pub(super) fn reply_tokens(runtime: &Runtime, message: &str, reply: &str) -> avp::Result<Vec<u32>> {
    let text = runtime.text()?;
    let user = ChatMessage::new("user", message);
    let open = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
    let before = text.prompt(std::slice::from_ref(&user), &open)?;
    let both = text.prompt(&[user, ChatMessage::new("assistant", reply)], &ChatOptions::default())?;
    let said = both.strip_prefix(&before).and_then(|rest| Some(&rest[..rest.find(reply)? + reply.len()]));
    text.tokenizer.encode(said.unwrap_or(reply), false)
}

/// SHA-256 of a model's weights: of the file, or of each file of a folder in the order of names.
fn weights_sum(source: &ModelSource) -> avp::Result<String> {
    match source {
        ModelSource::Pocket(model) => Ok(hex(&Sha256::digest(model.weights))),
        ModelSource::Path(path) if path.is_dir() => {
            let mut files: Vec<_> = std::fs::read_dir(path)
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"))
                .collect();
            files.sort();
            let sums: Vec<_> = files.iter().map(|file| registry::sha256(file)).collect::<avp::Result<_>>()?;
            Ok(match <[String; 1]>::try_from(sums) {
                Ok([sum]) => sum,
                Err(sums) => hex(&Sha256::digest(sums.join("\n"))),
            })
        }
        ModelSource::Path(path) => registry::sha256(path),
    }
}

fn describe(runtime: &Runtime, weights: String) -> BTreeMap<String, String> {
    let (identity, info) = (runtime.identity(), runtime.info());
    let facts = [
        ("id", identity.model_id.clone()),
        ("model_hash", identity.model_hash.clone()),
        ("tokenizer_hash", identity.tokenizer_hash.clone()),
        ("weights_sha256", weights),
        ("dtype", info.dtype.as_str().to_owned()),
        ("device", info.device.to_string()),
        ("layers", info.num_layers.to_string()),
        ("hidden_dim", info.hidden_dim.to_string()),
    ];
    facts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
