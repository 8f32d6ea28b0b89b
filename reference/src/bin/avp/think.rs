//! `avp think`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use avp::model::{Connector as _, DEFAULT_STEPS, Route, ThinkOptions, ThinkOutput};
use avp::wire::{Compression, Encoder};
use serde_json::json;

use crate::runtime::{ModelArgs, PromptArgs, read_context};
use crate::style::grouped;
use crate::{files, json};

const EXAMPLES: &str = "\
Examples:
  avp think \"Plan the proof.\" --model smollm2-135m-instruct --out plan.avp
  avp think \"Check it.\" --model smollm2-135m-instruct --context plan.avp --steps 10 --out checked.avp
  avp think \"Plan the proof.\" --model ./model.gguf --state-only --out state.avp --stats
  avp generate \"Write it down.\" --model smollm2-135m-instruct --context plan.avp";

/// Reads a prompt, takes latent steps, and writes the context for another agent.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Latent steps; 0 only reads the prompt.
    #[arg(long, default_value_t = DEFAULT_STEPS)]
    steps: u32,
    /// A context to go on from.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Takes a context of another model hash if its shape fits.
    #[arg(long)]
    accept_structural: bool,
    /// Where the context goes.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Hands over the last hidden state alone, not the cache.
    #[arg(long)]
    state_only: bool,
    /// How many of the last hidden states are handed over.
    #[arg(long, requires = "state_only", value_name = "N", default_value_t = 1)]
    states: usize,
    /// Brings soft embeddings to the embeddings' mean norm (models with a tied head).
    #[arg(long)]
    rescale: bool,
    /// The session that the message belongs to.
    #[arg(long, value_name = "ID", default_value = "")]
    session: String,
    /// Sender.
    #[arg(long, value_name = "ID", default_value = "")]
    source_agent: String,
    /// Receiver.
    #[arg(long, value_name = "ID", default_value = "")]
    target_agent: String,
    /// Compresses the context with zstd.
    #[arg(long)]
    compress: bool,
    /// Durations, norms and what was odd, on standard error.
    #[arg(long)]
    stats: bool,
    /// What was done, as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.json && files::is_standard(&args.out) {
        bail!("the context and --json both go to standard output; name a file with -o");
    }
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("{} is no folder to write into", folder.display());
    }
    let prompt = args.prompt.read()?;
    let context = args.context.as_deref().map(read_context).transpose()?;
    let runtime = args.model.open()?;
    let options = ThinkOptions {
        steps: args.steps,
        context: context.map(|(context, _)| context),
        states: args.states,
        output: if args.state_only { ThinkOutput::HiddenState } else { ThinkOutput::Auto },
        rescale: args.rescale,
        accept_structural: args.accept_structural,
    };
    let thought = runtime.think(&prompt, options)?;
    for warning in &thought.diagnostics.warnings {
        eprintln!("avp: warning: {warning}");
    }
    let route = Route {
        session_id: args.session.clone(),
        source_agent_id: args.source_agent.clone(),
        target_agent_id: args.target_agent.clone(),
    };
    let encoder =
        Encoder::new().compression(if args.compress { Compression::Balanced } else { Compression::None });
    // A device or a pipe is written into; a file is replaced at the end, in full or not at all.
    let special = files::is_standard(&args.out) || (args.out.exists() && !args.out.is_file());
    let bytes = if special || args.compress {
        let message = thought.context.to_bytes(&encoder, &route)?;
        files::write(&args.out, &message)?;
        message.len() as u64
    } else {
        thought.context.write(&args.out, &encoder, &route)?
    };
    let (seq_len, num_steps) = (thought.context.seq_len(), thought.context.num_steps());
    if args.stats {
        eprintln!("{}", thought.diagnostics.summary());
        eprintln!(
            "{} prompt tokens, {} latent steps in {:.3} s; context of {seq_len} tokens, {} bytes",
            thought.diagnostics.prompt_tokens,
            thought.diagnostics.norm_trajectory.as_ref().map_or(0, |norms| norms.len() - 1),
            thought.metrics.think_duration_s,
            grouped(bytes)
        );
    }
    if args.json {
        files::print(&json::text(&json!({
            "model_hash": thought.context.model_hash(), "seq_len": seq_len, "num_steps": num_steps, "bytes": bytes,
            "metrics": thought.metrics, "diagnostics": thought.diagnostics,
        })))?;
    }
    Ok(ExitCode::SUCCESS)
}
