//! A model at work: latent steps and text, of a model that comes with the request or one that is installed here.
//!
//! A model that comes along is a config.json in `args.config` and a safetensors file in the part `weights`: small, so that
//! every request stands alone. `args.model` names one that is installed.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{Answer, Outcome};
use super::request::{Request, invalid};
use crate::model::{
    Connector, Context, DEFAULT_STEPS, Device, Easy, GenerateOptions, LoadOptions, Model, ModelConfig,
    Prompt, Route, Runtime, Sampling, ThinkOptions, ThinkOutput, identity_of,
};
use crate::tensor::encode_f32;
use crate::weights::Weights;
use crate::wire::{DataType, Encoder, Limits, PayloadType};

/// Numbers are judged against float64: no element type but the widest, wherever this runs.
const OPTIONS: LoadOptions =
    LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };

/// Installed models that stay loaded.
static INSTALLED: LazyLock<Easy> = LazyLock::new(|| Easy::installed(OPTIONS));

#[derive(Deserialize)]
struct Args<'a> {
    /// A config.json.
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
    /// An installed model.
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    ids: Option<Vec<u32>>,
    #[serde(borrow, default)]
    prompt: Option<Cow<'a, str>>,
    #[serde(default)]
    steps: Option<i64>,
    #[serde(borrow, default)]
    output: Option<Cow<'a, str>>,
    #[serde(default)]
    rescale: Option<bool>,
    #[serde(default)]
    max_tokens: Option<usize>,
    /// Where and in which elements the model is to run; numbers are judged on the CPU in float32.
    #[serde(borrow, default)]
    load: Option<Load<'a>>,
}

#[derive(Deserialize)]
struct Load<'a> {
    #[serde(borrow, default)]
    device: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    dtype: Option<Cow<'a, str>>,
}

impl Load<'_> {
    fn options(&self) -> crate::Result<LoadOptions> {
        let device = self.device.as_deref().map_or(Ok(Device::Auto), str::parse)?;
        let dtype = match self.dtype.as_deref() {
            None => None,
            Some("f32") => Some(DataType::Float32),
            Some("f16") => Some(DataType::Float16),
            Some("bf16") => Some(DataType::BFloat16),
            Some(other) => return Err(invalid("dtype", "f32, f16 or bf16", other)),
        };
        Ok(LoadOptions { device, dtype, quantised: false })
    }
}

impl Args<'_> {
    fn connector(&self, request: &Request<'_>) -> crate::Result<Arc<dyn Connector>> {
        if let Some(name) = &self.model {
            return INSTALLED.connector(name);
        }
        let Some(config) = self.config else {
            return Err(invalid("config", "a model: config and weights, or its name", "none"));
        };
        let options = self.load.as_ref().map_or(Ok(OPTIONS), Load::options)?;
        Ok(Arc::new(load_with(request, config, "weights", options)?))
    }

    fn prompt(&self) -> crate::Result<Prompt> {
        match (&self.ids, &self.prompt) {
            (Some(ids), None) => Ok(Prompt::Tokens(ids.clone())),
            (None, Some(text)) => Ok(Prompt::User(text.clone().into_owned())),
            _ => Err(invalid("ids", "ids or a prompt", "both or neither")),
        }
    }

    fn context(request: &Request<'_>) -> crate::Result<Option<Context>> {
        let part = request.parts().iter().find(|part| part.name == "context");
        let read = part.map(|part| Context::from_bytes(part.bytes, Limits::default()));
        Ok(read.transpose()?.map(|received| received.context))
    }
}

/// A model that came along, its weights in the part of that name.
pub(super) fn load(request: &Request<'_>, config: &RawValue, weights: &str) -> crate::Result<Runtime> {
    load_with(request, config, weights, OPTIONS)
}

fn load_with(
    request: &Request<'_>,
    config: &RawValue,
    weights: &str,
    options: LoadOptions,
) -> crate::Result<Runtime> {
    let part = request.parts().iter().find(|part| part.name == weights);
    let part = part.ok_or_else(|| invalid("parts", weights, "no such part"))?;
    let weights = Weights::from_file(Bytes::copy_from_slice(part.bytes).into())?;
    let model = Model::load(ModelConfig::from_text(config.get())?, weights, options, &mut |_, _| ())?;
    Ok(Runtime::new(model, None, identity_of(config.get())?, None))
}

pub(super) fn think<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Args<'a> = request.args()?;
    let steps = args.steps.map_or(Ok(DEFAULT_STEPS), |steps| {
        u32::try_from(steps).map_err(|_| invalid("steps", "0, or a number above", steps.to_string()))
    })?;
    let output = match args.output.as_deref() {
        None | Some("auto") => ThinkOutput::Auto,
        Some("kv_cache") => ThinkOutput::KvCache,
        Some("hidden_state") => ThinkOutput::HiddenState,
        Some(other) => return Err(invalid("output", "auto, kv_cache or hidden_state", other).into()),
    };
    let context = Args::context(request)?;
    let rescale = args.rescale.unwrap_or_default();
    let connector = args.connector(request)?;
    let thought = connector.think(
        &args.prompt()?,
        ThinkOptions { steps, context, output, rescale, ..ThinkOptions::default() },
    )?;
    let message = thought.context.to_bytes(&Encoder::new().dialect(request.dialect), &Route::default())?;
    let payload = thought.context.payload_type().map(PayloadType::as_str);
    let answer = Answer::new(json!({
        "model_hash": thought.context.model_hash(),
        "num_steps": thought.context.num_steps(),
        "seq_len": thought.context.seq_len(),
        "prompt_tokens": thought.diagnostics.prompt_tokens,
        "payload_type": payload,
        "has_nan": thought.diagnostics.has_nan,
        "has_inf": thought.diagnostics.has_inf,
        "norm_trajectory": thought.diagnostics.norm_trajectory,
        "warnings": thought.diagnostics.warnings,
    }));
    let answer = answer.part("message", message);
    Ok(match thought.context.hidden_states() {
        Some(hidden) => {
            let bytes = encode_f32(&hidden.values, DataType::Float32)?;
            let width = connector.info().hidden_dim;
            answer.tensor("hidden", "f32", &[(hidden.values.len() / width) as u64, width as u64], bytes)
        }
        None => answer,
    })
}

pub(super) fn generate<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Args<'a> = request.args()?;
    let context = Args::context(request)?;
    let connector = args.connector(request)?;
    let options = GenerateOptions {
        context,
        sampling: Sampling::greedy(),
        max_tokens: args.max_tokens.unwrap_or(16),
        ..GenerateOptions::default()
    };
    let made = connector.generate(&args.prompt()?, options, &mut |_| ControlFlow::Continue(()))?;
    Ok(Answer::new(json!({
        "ids": made.token_ids,
        "text": made.text,
        "finish": made.finish.as_str(),
        "seq_len": made.context.seq_len(),
        "has_nan": made.diagnostics.has_nan,
        "output_empty": made.diagnostics.output_empty,
        "warnings": made.diagnostics.warnings,
    })))
}

pub(super) fn connector_info<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Args<'a> = request.args()?;
    let connector = args.connector(request)?;
    let (info, can) = (connector.info(), connector.capabilities());
    Ok(Answer::new(json!({
        "identity": connector.identity().to_json(),
        "hidden_dim": info.hidden_dim,
        "num_layers": info.num_layers,
        "context_length": info.context_length,
        "vocab_size": info.vocab_size,
        "device": info.device.to_string(),
        "dtype": info.dtype.as_str(),
        "stop_tokens": info.stop_tokens,
        "can_think": can.can_think,
        "context": can.context,
        "cross_model": can.cross_model,
    })))
}
