//! Holds what runs on a card beside the host path: prefill, latent steps, projections onto other models, and caches that go
//! from one to the other. `benches/gpu.py` runs it and writes the report.
//!
//! Run with `cargo run --release -p avp --features cuda --example parity -- MODEL [--onto MODEL]... [--device cuda]
//! [--dtype f32|bf16] [--json]`. Exits with 1 when something is beyond its bound. `--device rehearsal` runs the card's code on
//! the CPU.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use avp::model::{
    Connector as _, Context, Device, GenerateOptions, LoadOptions, Prompt, Route, Runtime, Sampling, Source,
    ThinkOptions, ThinkOutput,
};
use avp::transfer::MapRegistry;
use avp::weights::registry;
use avp::wire::{DataType, Encoder, Limits};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Relative error (L2) that a card may have beside the host: other orders of summing.
const BOUND_F32: f64 = 1e-3;
/// The same where activations are rounded to half precision behind each operation, which those of the host are not.
const BOUND_HALF: f64 = 2e-2;
/// Latent steps that are held beside each other.
const STEPS: u32 = 8;
/// Tokens of the prompts: more than one of everything, and no round number.
const PROMPT: u32 = 75;
const BEHIND: u32 = 7;
/// Hidden states that are projected.
const VECTORS: usize = 3;

struct Check {
    name: String,
    error: f64,
    /// Whether it says something that no other arithmetic could keep within a bound.
    shown_only: bool,
}

impl Check {
    fn new(name: impl Into<String>, error: f64) -> Self {
        Self { name: name.into(), error, shown_only: false }
    }
}

/// One model on the host and on the card.
struct Pair {
    host: Arc<Runtime>,
    card: Arc<Runtime>,
}

impl Pair {
    fn open(name: &str, device: Device, dtype: DataType) -> Outcome<Self> {
        let open = |device| -> avp::Result<Arc<Runtime>> {
            let options = LoadOptions { device, dtype: Some(dtype), quantised: false };
            let runtime = Runtime::open(registry::resolve(name)?, options, &mut |_, _| ())?;
            Ok(Arc::new(runtime.with_maps(Arc::new(MapRegistry::in_memory()))))
        };
        Ok(Self { host: open(Device::Cpu)?, card: open(device)? })
    }
}

fn main() -> Outcome<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let (mut model, mut onto, mut device, mut dtype) = (None, Vec::new(), Device::Cuda(0), DataType::Float32);
    let mut as_json = false;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--onto" => onto.push(value()?),
            "--device" => device = value()?.parse()?,
            "--dtype" => {
                dtype = match value()?.as_str() {
                    "f32" => DataType::Float32,
                    "bf16" => DataType::BFloat16,
                    other => return Err(format!("--dtype is f32 or bf16, not {other}").into()),
                }
            }
            "--json" => as_json = true,
            _ => model = Some(argument),
        }
    }
    let name = model.ok_or("which model? a name, a folder or a .gguf file")?;
    let bound = if dtype == DataType::Float32 { BOUND_F32 } else { BOUND_HALF };
    let source = Pair::open(&name, device, dtype)?;
    let mut checks = prefill(&source)?;
    checks.push(stepwise(&source)?);
    // Steps one behind the other amplify a difference: on SmolLM2 some 70 times over eight of them.
    checks.push(Check { shown_only: dtype != DataType::Float32, ..latent(&source)? });
    checks.extend(handed_over(&source)?);
    for target in &onto {
        checks.push(projected(&source, &Pair::open(target, device, dtype)?, target)?);
    }
    let good = checks.iter().all(|check| check.shown_only || check.error <= bound);
    if as_json {
        let checks: Vec<_> = checks
            .iter()
            .map(|check| {
                let bound = (!check.shown_only).then_some(bound);
                serde_json::json!({"name": check.name, "error": check.error, "bound": bound})
            })
            .collect();
        let told = device.to_string();
        println!(
            "{}",
            serde_json::json!({
                "model": name, "device": told, "dtype": dtype.as_str(), "within": good, "checks": checks,
            })
        );
    } else {
        for check in &checks {
            let bound = if check.shown_only { "no bound".to_owned() } else { format!("of {bound:.0e}") };
            println!("{:40} {:.2e} {bound}", check.name, check.error);
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Error of the whole, relative to what was expected. What is not a number is beyond every bound.
fn relative(found: &[f32], expected: &[f32]) -> f64 {
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let error =
        norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied());
    if found.len() == expected.len() && error.is_finite() { error } else { f64::INFINITY }
}

/// Tokens that every vocabulary has.
fn tokens(runtime: &Runtime, count: u32, seed: u32) -> Vec<u32> {
    let vocabulary = u32::try_from(runtime.info().vocab_size).unwrap_or(u32::MAX);
    (0..count).map(|index| (index * 97 + seed) % vocabulary).collect()
}

/// Hidden states of all tokens after every block, and logits.
fn prefill(pair: &Pair) -> Outcome<Vec<Check>> {
    let run = |runtime: &Runtime| -> avp::Result<[Vec<f32>; 2]> {
        let (model, mut rows) = (runtime.model(), Vec::new());
        let mut watch = |_: usize, values: &[f32]| rows.extend_from_slice(values);
        let prompt = tokens(runtime, PROMPT, 5);
        let hidden = model.prefill(&prompt, &mut model.empty_cache(), Some(&mut watch))?;
        Ok([rows, model.logits(&hidden)?])
    };
    let (host, card) = (run(&pair.host)?, run(&pair.card)?);
    let names = ["prefill: hidden states of all layers", "prefill: logits"];
    let checks = names.into_iter().zip(card.iter().zip(&host));
    Ok(checks.map(|(name, (card, host))| Check::new(name, relative(card, host))).collect())
}

/// The hidden states behind the prompt and behind each latent step, each side going on from its own.
fn latent(pair: &Pair) -> Outcome<Check> {
    let run = |runtime: &Runtime| -> avp::Result<Vec<f32>> {
        let prompt = Prompt::Tokens(tokens(runtime, PROMPT, 5));
        let options = ThinkOptions { steps: STEPS, states: STEPS as usize + 1, ..ThinkOptions::default() };
        Ok(states(&runtime.think(&prompt, options)?.context))
    };
    let (host, card, width) = (run(&pair.host)?, run(&pair.card)?, pair.host.info().hidden_dim);
    let errors = card.chunks(width).zip(host.chunks(width)).map(|(card, host)| relative(card, host));
    let worst = if card.len() == host.len() { errors.fold(0.0, f64::max) } else { f64::INFINITY };
    Ok(Check::new(format!("{STEPS} latent steps on its own, worst"), worst))
}

/// The hidden state behind a token and a latent step, again and again from the host's cache.
fn stepwise(pair: &Pair) -> Outcome<Check> {
    let think = |runtime: &Runtime, tokens, steps, context| -> avp::Result<Context> {
        let options = ThinkOptions { steps, context, ..ThinkOptions::default() };
        Ok(runtime.think(&Prompt::Tokens(tokens), options)?.context)
    };
    let mut context = think(&pair.host, tokens(&pair.host, PROMPT, 5), 0, None)?;
    let mut worst = 0.0_f64;
    for step in 0..STEPS {
        let token = tokens(&pair.host, 1, 20 + step);
        let card = think(&pair.card, token.clone(), 1, Some(context.clone()))?;
        context = think(&pair.host, token, 1, Some(context))?;
        worst = worst.max(relative(&states(&card), &states(&context)));
    }
    Ok(Check::new(format!("a latent step, worst of {STEPS}"), worst))
}

fn states(context: &Context) -> Vec<f32> {
    context.hidden_states().map(|hidden| hidden.values.clone()).unwrap_or_default()
}

/// A cache as a message: its numbers beside the host's, and what either side makes of the other's.
fn handed_over(pair: &Pair) -> Outcome<Vec<Check>> {
    let export = |runtime: &Runtime| -> avp::Result<Vec<u8>> {
        let prompt = Prompt::Tokens(tokens(runtime, PROMPT, 5));
        let thought = runtime.think(&prompt, ThinkOptions { steps: 0, ..ThinkOptions::default() })?;
        thought.context.to_bytes(&Encoder::new(), &Route::default())
    };
    let go_on = |runtime: &Runtime, message: &[u8]| -> avp::Result<Vec<f32>> {
        let all = u64::from(u32::MAX);
        let limits = Limits { max_message: all, max_payload: all, ..Limits::default() };
        let context = Some(Context::from_bytes(message, limits)?.context);
        let prompt = Prompt::Tokens(tokens(runtime, BEHIND, 11));
        let thought =
            runtime.think(&prompt, ThinkOptions { steps: 0, context, ..ThinkOptions::default() })?;
        Ok(states(&thought.context))
    };
    let (host, card) = (export(&pair.host)?, export(&pair.card)?);
    let payload = |message: &[u8]| -> avp::Result<Vec<f32>> {
        let message = avp::decode(message)?;
        let elements = &message.payload[avp::kv::KV_HEADER_LEN..];
        Ok(match message.metadata.dtype {
            DataType::Float32 => {
                elements.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            _ => {
                let wide = elements.as_chunks::<2>().0.iter();
                wide.map(|[low, high]| f32::from_le_bytes([0, 0, *low, *high])).collect()
            }
        })
    };
    let expected = go_on(&pair.host, &host)?;
    let checks = [
        ("KV to_bytes: keys and values", relative(&payload(&card)?, &payload(&host)?)),
        ("KV card → host → continue", relative(&go_on(&pair.host, &card)?, &expected)),
        ("KV host → card → continue", relative(&go_on(&pair.card, &host)?, &expected)),
        ("KV card → card → continue", relative(&go_on(&pair.card, &card)?, &expected)),
    ];
    Ok(checks.map(|(name, error)| Check::new(name, error)).into())
}

/// The same hidden states, projected onto another model by both sides.
fn projected(source: &Pair, target: &Pair, name: &str) -> Outcome<Check> {
    let prompt = Prompt::Tokens(tokens(&source.host, PROMPT, 5));
    let options = ThinkOptions {
        steps: 2,
        states: VECTORS,
        output: ThinkOutput::HiddenState,
        ..ThinkOptions::default()
    };
    let context = source.host.think(&prompt, options)?.context;
    let inject = |source: &Arc<Runtime>, target: &Runtime| -> Outcome<(String, Vec<f32>)> {
        let options = GenerateOptions {
            context: Some(context.clone()),
            source: Some(Source(Arc::clone(source) as _)),
            cross_model: true,
            vectors: VECTORS,
            sampling: Sampling::greedy(),
            max_tokens: 1,
            ..GenerateOptions::default()
        };
        let question = Prompt::Tokens(tokens(target, BEHIND, 11));
        let made = target.generate(&question, options, &mut |_| ControlFlow::Continue(()))?;
        let transfer = made.transfer.ok_or("no transfer")?;
        Ok((transfer.method.as_str().to_owned(), transfer.injected))
    };
    let (method, host) = inject(&source.host, &target.host)?;
    let (_, card) = inject(&source.card, &target.card)?;
    Ok(Check::new(format!("{method} onto {name}"), relative(&card, &host)))
}
