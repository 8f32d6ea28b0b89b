//! What a model computes, for comparison with other libraries: `models/check.py` holds it beside transformers.
//!
//! Run with `cargo run --release -p avp --features model --example logits -- MODEL < prompts.txt`: a user's message a line. For
//! each, a line of JSON with the prompt's token ids, the logits behind its last token, and the greedy reply with its ids.

use std::io::BufRead as _;
use std::ops::ControlFlow;

use avp::model::{Connector as _, GenerateOptions, LoadOptions, Prompt, Runtime, Sampling};
use avp::weights::registry;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: logits MODEL < prompts.txt")?;
    let model = Runtime::open(registry::resolve(&name)?, LoadOptions::default(), &mut |_, _| ())?;
    for line in std::io::stdin().lock().lines() {
        let prompt = Prompt::User(line?);
        let tokens = model.tokens(&prompt)?;
        let hidden = model.model().prefill(&tokens, &mut model.model().empty_cache(), None)?;
        let logits = model.model().logits(&hidden)?;
        let options =
            GenerateOptions { sampling: Sampling::greedy(), max_tokens: 32, ..GenerateOptions::default() };
        let reply = model.generate(&prompt, options, &mut |_| ControlFlow::Continue(()))?;
        let line = serde_json::json!({
            "input_ids": tokens, "logits": logits, "reply_ids": reply.token_ids, "reply": reply.text,
        });
        println!("{line}");
    }
    Ok(())
}
