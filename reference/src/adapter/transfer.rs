//! A whole transfer from one model to another, both of which come with the request.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{Answer, Outcome};
use super::maps::registry;
use super::model::load;
use super::request::{Request, invalid};
use super::rows::with_rows;
use crate::model::{
    Connector as _, Context, GenerateOptions, Prompt, Route, Runtime, Sampling, Source, ThinkOptions,
};
use crate::session::Vocabulary;
use crate::wire::{Encoder, Limits};

/// Most times that one request repeats its transfer.
const MAX_TIMES: usize = 16;

#[derive(Deserialize)]
struct Args<'a> {
    #[serde(borrow)]
    source_config: &'a RawValue,
    #[serde(borrow)]
    source_vocab: &'a RawValue,
    source_ids: Vec<u32>,
    steps: u32,
    #[serde(borrow)]
    config: &'a RawValue,
    #[serde(borrow)]
    vocab: &'a RawValue,
    ids: Vec<u32>,
    max_tokens: usize,
    #[serde(default)]
    vectors: Option<usize>,
    #[serde(default)]
    cross_model: Option<bool>,
    cache_dir: PathBuf,
    #[serde(default)]
    times: Option<usize>,
    /// Whether the context goes through a message first.
    #[serde(default)]
    restored: bool,
}

pub(super) fn transfer<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Args<'a> = request.args()?;
    let times = args.times.unwrap_or(1);
    if !(1..=MAX_TIMES).contains(&times) {
        return Err(invalid("times", format!("1 to {MAX_TIMES}"), times.to_string()).into());
    }
    let vectors = args.vectors.unwrap_or(1);
    let maps = Arc::new(registry(&args.cache_dir)?);
    let open = |config: &RawValue, weights: &str, vocabulary: &'a RawValue| -> crate::Result<Runtime> {
        let vocabulary = Vocabulary::from_text(vocabulary.get())?.into_owned();
        Ok(load(request, config, weights)?.with_vocabulary(vocabulary).with_maps(Arc::clone(&maps)))
    };
    let source = Arc::new(open(args.source_config, "source_weights", args.source_vocab)?);
    let target = open(args.config, "weights", args.vocab)?;
    let options = ThinkOptions { steps: args.steps, states: vectors, ..ThinkOptions::default() };
    let thought = source.think(&Prompt::Tokens(args.source_ids), options)?;
    let context = match args.restored {
        true => {
            let message =
                thought.context.to_bytes(&Encoder::new().dialect(request.dialect), &Route::default())?;
            Context::from_bytes(&message, Limits::default())?.context
        }
        false => thought.context,
    };
    let mut origins = Vec::new();
    let mut last = None;
    for _ in 0..times {
        let options = GenerateOptions {
            context: Some(context.clone()),
            source: Some(Source(Arc::clone(&source) as _)),
            cross_model: args.cross_model.unwrap_or(true),
            vectors,
            sampling: Sampling::greedy(),
            max_tokens: args.max_tokens,
            ..GenerateOptions::default()
        };
        let made = target
            .generate(&Prompt::Tokens(args.ids.clone()), options, &mut |_| ControlFlow::Continue(()))?;
        origins.extend(made.transfer.as_ref().map(|transfer| transfer.origin.as_str()));
        last = Some(made);
    }
    let Some(made) = last else { return Err(invalid("times", "1 or more", "none").into()) };
    let seen = &made.diagnostics;
    let primed = made.transfer.as_ref().map_or(0, |transfer| transfer.primed_len);
    let answer = Answer::new(json!({
        "ids": made.token_ids,
        // The same model's cache went over as it is.
        "latent": seen.transfer_mode != "text",
        "projection_method": seen.projection_method,
        "prompt_tokens": seen.prompt_tokens,
        "quality_gate_passed": seen.quality_gate_passed,
        "nearest_cos_sim": seen.nearest_cos_sim,
        "primed_len": primed,
        "origins": origins,
        "warnings": seen.warnings,
        "diagnostics": seen.extra,
    }));
    Ok(match &made.transfer {
        Some(transfer) => {
            let width = target.info().hidden_dim;
            let shape = [(transfer.injected.len() / width) as u64, width as u64];
            with_rows(answer, "injected", &shape, &transfer.injected)?
        }
        None => answer,
    })
}
