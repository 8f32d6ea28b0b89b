//! One agent reads, another answers: inside one process, and through a message.
//!
//! Run with `cargo run -p avp --features model --example 04_handover [MODEL]`. MODEL is a model's name, a folder or a .gguf
//! file; without one it takes `pocket-a`, a model of 0.8 million parameters that lies inside the program.

use std::ops::ControlFlow;

use avp::model::{Connector, Context, GenerateOptions, LoadOptions, Route, Runtime, Sampling, ThinkOptions};
use avp::weights::registry;
use avp::wire::{Encoder, Limits};

const FACTS: &str = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea. Take a note.";
const QUESTION: &str = "What can Ann buy?";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "pocket-a".to_owned());
    let source = registry::resolve(&name)?;
    let model = Runtime::open(source, LoadOptions::default(), &mut |_, _| ())?;

    // The first agent reads the facts and takes latent steps: hidden states go back in as input embeddings.
    let thought = model.think(&FACTS.into(), ThinkOptions { steps: 5, ..ThinkOptions::default() })?;
    println!("{}", thought.diagnostics.summary());

    // The second agent is asked. It has not read the facts: without a context it can only guess.
    println!("alone:   {}", write(&model, None)?);

    // In one process the context is handed over as it is. A clone shares the tensors.
    println!("here:    {}", write(&model, Some(thought.context.clone()))?);

    // To another process it goes as a message.
    let route =
        Route { source_agent_id: "planner".into(), target_agent_id: "writer".into(), ..Route::default() };
    let message = thought.context.to_bytes(&Encoder::new(), &route)?;
    println!("message: {} bytes for {} tokens", message.len(), thought.context.seq_len());
    let received = Context::from_bytes(&message, Limits::default())?;
    println!("there:   {}", write(&model, Some(received.context))?);

    // Or as its last hidden state alone, which the other side turns into one position of a new cache: far smaller, and far
    // too small for facts.
    let state = thought.context.without_cache();
    println!("state:   {} bytes", state.to_bytes(&Encoder::new(), &route)?.len());
    println!("from it: {}", write(&model, Some(state))?);
    Ok(())
}

/// The second agent.
fn write(model: &impl Connector, context: Option<Context>) -> avp::Result<String> {
    let options = GenerateOptions {
        context,
        sampling: Sampling::greedy(),
        max_tokens: 12,
        ..GenerateOptions::default()
    };
    Ok(model.generate(&QUESTION.into(), options, &mut |_| ControlFlow::Continue(()))?.text)
}
