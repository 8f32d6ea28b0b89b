//! One agent thinks, another writes: inside one process, and through a message.
//!
//! Run with `cargo run -p avp --features model --example 04_handover [MODEL]`; MODEL is a folder or a .gguf file. Without
//! one it takes a tiny model of random weights, whose words mean nothing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use avp::model::{Connector, Context, GenerateOptions, LoadOptions, Route, Runtime, Sampling, ThinkOptions};
use avp::wire::{Encoder, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tiny = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny/llama-tied");
    let path = std::env::args().nth(1).map_or_else(tiny, PathBuf::from);
    let model = Runtime::open(&path, LoadOptions::default(), &mut |_, _| ())?;

    // The first agent reads its prompt and takes latent steps: hidden states go back in as input embeddings.
    let thought =
        model.think(&"count the pens".into(), ThinkOptions { steps: 5, ..ThinkOptions::default() })?;
    println!("{}", thought.diagnostics.summary());

    // In one process the context is handed over as it is. A clone shares the tensors.
    println!("here:    {}", write(&model, thought.context.clone())?);

    // To another process it goes as a message.
    let route =
        Route { source_agent_id: "planner".into(), target_agent_id: "writer".into(), ..Route::default() };
    let message = thought.context.to_bytes(&Encoder::new(), &route)?;
    println!("message: {} bytes for {} tokens", message.len(), thought.context.seq_len());
    let received = Context::from_bytes(&message, Limits::default())?;
    println!("there:   {}", write(&model, received.context)?);

    // Or as its last hidden state alone, which the other side turns into one position of a new cache.
    let state = thought.context.without_cache();
    println!("state:   {} bytes", state.to_bytes(&Encoder::new(), &route)?.len());
    println!("from it: {}", write(&model, state)?);
    Ok(())
}

/// The second agent.
fn write(model: &impl Connector, context: Context) -> avp::Result<String> {
    let options = GenerateOptions {
        context: Some(context),
        sampling: Sampling::greedy(),
        max_tokens: 12,
        ..GenerateOptions::default()
    };
    Ok(model.generate(&"go on".into(), options, &mut |_| ControlFlow::Continue(()))?.text)
}
