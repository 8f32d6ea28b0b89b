//! What computing on a GGUF file's own blocks changes: the distribution over the next token, and the text.
//!
//! Run with `cargo run --release --features model --example quantised_loss -- MODEL.gguf [TEXT FILE]`. Without a text the
//! project's README is read. Both forms hold the same weights; what differs is that vectors are rounded to 8 bits before
//! each product.

use std::ops::ControlFlow;
use std::path::Path;

use avp::model::{Connector as _, GenerateOptions, LoadOptions, Model, Prompt, Runtime, Sampling};

/// Tokens of the text that are compared.
const TOKENS: usize = 256;
/// Tokens that either writes.
const WRITTEN: usize = 48;
const PROMPT: &str = "Explain in three sentences why the sky is blue.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which model? a .gguf file")?;
    let text = arguments
        .next()
        .map_or_else(|| Ok(include_str!("../../README.md").to_owned()), std::fs::read_to_string)?;
    let open = |quantised| {
        let options = LoadOptions { quantised, ..LoadOptions::default() };
        Runtime::open(Path::new(&path), options, &mut |_, _| ())
    };
    let [exact, rounded] = [open(false)?, open(true)?];
    let mut ids = exact.text()?.tokenizer.encode(&text, false)?;
    ids.truncate(TOKENS);

    let [exact_logits, rounded_logits] = [logits(exact.model(), &ids)?, logits(rounded.model(), &ids)?];
    let (mut divergence, mut largest, mut same, mut loss) = (0.0, 0.0_f64, 0, [0.0; 2]);
    for (index, (p, q)) in exact_logits.iter().zip(&rounded_logits).enumerate() {
        let (p, q) = (log_softmax(p), log_softmax(q));
        divergence += p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
        largest = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(largest, f64::max);
        same += usize::from(best(&p) == best(&q));
        if let Some(&next) = ids.get(index + 1) {
            loss[0] -= p[next as usize];
            loss[1] -= q[next as usize];
        }
    }
    let count = ids.len() as f64;
    println!("{} tokens of text, one at a time", ids.len());
    println!("KL divergence from f32      {:.5} nats a token", divergence / count);
    println!("largest log-probability gap {largest:.3} nats");
    println!("same most likely token      {:.1} %", same as f64 / count * 100.0);
    println!(
        "perplexity                  {:.3} in f32, {:.3} on blocks",
        perplexity(loss[0], count),
        perplexity(loss[1], count)
    );
    for (name, model) in [("f32", &exact), ("blocks", &rounded)] {
        let options = GenerateOptions {
            sampling: Sampling::greedy(),
            max_tokens: WRITTEN,
            ..GenerateOptions::default()
        };
        let made = model.generate(&Prompt::from(PROMPT), options, &mut |_| ControlFlow::Continue(()))?;
        println!("\n{name}: {}", made.text.trim());
    }
    Ok(())
}

/// Logits behind each token, read one at a time: that is where products with one vector are.
fn logits(model: &Model, ids: &[u32]) -> avp::Result<Vec<Vec<f32>>> {
    let mut cache = model.empty_cache();
    ids.iter().map(|&id| model.logits(&model.prefill(&[id], &mut cache, None)?)).collect()
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    logits.iter().map(|logit| f64::from(logit - largest) - sum.ln()).collect()
}

fn best(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

fn perplexity(loss: f64, count: f64) -> f64 {
    (loss / (count - 1.0)).exp()
}
