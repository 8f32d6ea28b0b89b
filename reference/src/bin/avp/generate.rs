//! `avp generate`.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use avp::model::{Connector as _, DEFAULT_MAX_TOKENS, GenerateOptions, Sampling, Source};
use serde_json::json;

use crate::runtime::{ModelArgs, PromptArgs, read_context};
use crate::{files, json};

const EXAMPLES: &str = "\
Examples:
  avp generate \"Why is the sky blue?\" --model smollm2-135m-instruct
  avp generate \"Write it down.\" --model smollm2-135m-instruct --context plan.avp --greedy
  avp generate \"Go on.\" --model pocket-b --context state.avp --source pocket-a
  avp generate --messages chat.json --model ./model.gguf --temperature 0.2 --seed 7 --json
  echo \"Once upon a time\" | avp generate - --raw --model ./model.gguf";

/// Reads a prompt, behind a context if there is one, and writes text as it comes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// A context to go on from.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// The model that the context comes from, when it is another one: the context's hidden states are projected onto this
    /// one. Experimental.
    #[arg(long, requires = "context", value_name = "MODEL")]
    source: Option<String>,
    /// Takes a context of another model hash if its shape fits.
    #[arg(long)]
    accept_structural: bool,
    /// Tokens written at most.
    #[arg(long, default_value_t = DEFAULT_MAX_TOKENS, value_name = "N")]
    max_tokens: usize,
    /// The most likely token each time.
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "seed"])]
    greedy: bool,
    /// Divides the logits; 0 is greedy.
    #[arg(long, default_value_t = Sampling::default().temperature, value_name = "T")]
    temperature: f32,
    /// Only so many of the most likely tokens; 0 for all. [default: what the model wants, or 50]
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Only the most likely tokens that together reach this probability.
    #[arg(long, default_value_t = Sampling::default().top_p, value_name = "P")]
    top_p: f32,
    /// Turns away from tokens that occurred; 1 for no. [default: what the model wants, or 1]
    #[arg(long, value_name = "X")]
    repetition_penalty: Option<f32>,
    /// The same seed gives the same text.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Durations and what was odd, on standard error.
    #[arg(long)]
    stats: bool,
    /// One JSON object at the end instead of text as it comes.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let prompt = args.prompt.read()?;
    let context = args.context.as_deref().map(read_context).transpose()?;
    let runtime = args.model.open()?;
    let source = args.source.as_deref().map(|name| args.model.open_as(name)).transpose()?;
    let context = context.map(|(context, _)| context);
    let states = context.as_ref().and_then(avp::model::Context::hidden_states);
    let vectors = source
        .as_ref()
        .zip(states)
        .map_or(1, |(source, states)| states.values.len() / source.info().hidden_dim);
    let wanted = runtime.sampling();
    let repetition_penalty = args.repetition_penalty.unwrap_or(wanted.repetition_penalty);
    let sampling = if args.greedy {
        Sampling { repetition_penalty, ..Sampling::greedy() }
    } else {
        Sampling {
            temperature: args.temperature,
            top_k: args.top_k.unwrap_or(wanted.top_k),
            top_p: args.top_p,
            repetition_penalty,
            seed: args.seed,
        }
    };
    let options = GenerateOptions {
        context,
        source: source.map(|source| Source(Arc::new(source))),
        cross_model: true,
        vectors,
        sampling,
        max_tokens: args.max_tokens,
        accept_structural: args.accept_structural,
        ..GenerateOptions::default()
    };
    let mut output = std::io::stdout().lock();
    let (mut failed, mut begun) = (None, false);
    let generation = runtime.generate(&prompt, options, &mut |piece| {
        if args.json {
            return ControlFlow::Continue(());
        }
        // A byte-level reply begins with a space; the text that `--json` gives does not.
        let piece = if begun { piece } else { piece.trim_start() };
        begun |= !piece.is_empty();
        match output.write_all(piece.as_bytes()).and_then(|()| output.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    drop(output);
    for warning in &generation.diagnostics.warnings {
        eprintln!("avp: warning: {warning}");
    }
    if args.stats {
        let tokens = generation.token_ids.len();
        let took = generation.metrics.generate_duration_s;
        eprintln!("{}", generation.diagnostics.summary());
        eprintln!(
            "{} prompt tokens and {tokens} new ones ({}) in {took:.3} s",
            generation.diagnostics.prompt_tokens,
            generation.finish.as_str()
        );
    }
    if args.json {
        files::print(&json::text(&json!({
            "text": generation.text, "token_ids": generation.token_ids, "finish": generation.finish.as_str(),
            "metrics": generation.metrics, "diagnostics": generation.diagnostics,
        })))?;
    } else {
        files::print("\n")?;
    }
    Ok(ExitCode::SUCCESS)
}
