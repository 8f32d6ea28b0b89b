//! What a prefill, a token, a latent step and a cache as a message take, for `benches/runtime.py` and `benches/gpu.py` to hold
//! beside other engines.
//!
//! Run with `cargo run --release --features model --example measure -- MODEL [--quantised] [--device D] [--dtype f32|bf16]
//! [--rounds N] [--json]`; a model is a name, a folder or a .gguf file. The number of threads is that of `RAYON_NUM_THREADS`.

use std::hint::black_box;
use std::time::Instant;

use avp::model::{Connector as _, Context, Device, LoadOptions, Prompt, Route, Runtime, ThinkOptions};
use avp::weights::registry;
use avp::wire::{DataType, Encoder, Limits};
use rayon::prelude::*;

/// Tokens of the prompts.
const PREFILL: [usize; 2] = [200, 512];
/// Tokens that are decoded in a round, behind the shorter prompt.
const DECODED: usize = 32;
/// Latent steps in a round.
const LATENT: usize = 8;
/// Bytes that the memory's bandwidth is measured with: far more than any cache holds.
const COPIED: usize = 256 << 20;
/// Copies, of which the fastest counts.
const COPIES: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut path, mut rounds, mut as_json, mut quantised) = (None, 1, false, false);
    let (mut device, mut dtype) = (Device::Auto, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => as_json = true,
            "--quantised" => quantised = true,
            "--device" => device = arguments.next().ok_or("--device wants a name")?.parse()?,
            "--dtype" => {
                dtype = match arguments.next().as_deref() {
                    Some("f32") => Some(DataType::Float32),
                    Some("bf16") => Some(DataType::BFloat16),
                    _ => return Err("--dtype wants f32 or bf16".into()),
                }
            }
            "--rounds" => rounds = arguments.next().ok_or("--rounds wants a number")?.parse()?,
            other => path = Some(other.to_owned()),
        }
    }
    let path = path.ok_or("which model? a name, a folder or a .gguf file")?;
    let started = Instant::now();
    let options = LoadOptions { device, dtype, quantised };
    let runtime = Runtime::open(registry::resolve(&path)?, options, &mut |_, _| ())?;
    let model = runtime.model();
    let load = started.elapsed();
    let vocab = u32::try_from(model.config().vocab_size)?;
    // Any tokens cost the same.
    let prompt: Vec<u32> = (0..PREFILL[1] as u32).map(|index| index * 97 % vocab).collect();

    let [mut short, mut long, mut decode, mut latent, mut to_bytes, mut from_bytes] =
        [const { Vec::new() }; 6];
    for _ in 0..rounds {
        measure(&mut long, || model.prefill(&prompt, &mut model.empty_cache(), None))?;
        let mut cache = model.empty_cache();
        let mut hidden = measure(&mut short, || model.prefill(&prompt[..PREFILL[0]], &mut cache, None))?;
        let mut thinking = cache.clone();
        let mut state = hidden.clone();
        for _ in 0..DECODED {
            hidden = measure(&mut decode, || {
                let logits = model.logits(&hidden)?;
                let best = logits
                    .iter()
                    .enumerate()
                    .fold(0, |best, (id, logit)| if *logit > logits[best] { id } else { best });
                model.prefill(&[u32::try_from(best).unwrap_or_default()], &mut cache, None)
            })?;
        }
        if model.config().tied() {
            for _ in 0..LATENT {
                state =
                    measure(&mut latent, || model.inject(model.soft_embed(&state, None)?, &mut thinking))?;
            }
        }
        let read = Prompt::Tokens(prompt[..PREFILL[0]].to_vec());
        let context = runtime.think(&read, ThinkOptions { steps: 0, ..ThinkOptions::default() })?.context;
        let message = measure(&mut to_bytes, || context.to_bytes(&Encoder::new(), &Route::default()))?;
        let limits = Limits { max_message: message.len() as u64, ..Limits::default() };
        let limits = Limits { max_payload: limits.max_message, ..limits };
        measure(&mut from_bytes, || runtime.place(Context::from_bytes(&message, limits)?.context))?;
    }
    let rows = [
        (format!("prefill_{}_ms", PREFILL[0]), &mut short),
        (format!("prefill_{}_ms", PREFILL[1]), &mut long),
        ("decode_ms".to_owned(), &mut decode),
        ("latent_ms".to_owned(), &mut latent),
        ("kv_to_bytes_ms".to_owned(), &mut to_bytes),
        ("kv_from_bytes_ms".to_owned(), &mut from_bytes),
    ];
    let (bytes, bandwidth) = (model.bytes_a_token(), copy_bandwidth());
    let mut members = vec![
        format!("\"load_ms\": {:.1}", load.as_secs_f64() * 1e3),
        format!("\"bytes_a_token\": {bytes}"),
        format!("\"copy_bytes_a_second\": {bandwidth:.4e}"),
    ];
    for (name, times) in rows {
        let samples: Vec<String> = times.iter().map(|time| format!("{time:.3}")).collect();
        members.push(format!("\"{name}\": [{}]", samples.join(", ")));
        times.sort_by(f64::total_cmp);
        if let (false, Some(best), Some(median)) = (as_json, times.first(), times.get(times.len() / 2)) {
            println!("{name:15} best {best:8.2}  median {median:8.2}");
        }
    }
    if as_json {
        println!("{{{}}}", members.join(", "));
    } else {
        let (bytes, bandwidth) = (bytes as f64 / 1e6, bandwidth / 1e9);
        let least = bytes / bandwidth;
        println!(
            "{bytes:.1} MB of weights a token; copying moves {bandwidth:.1} GB/s: at least {least:.2} ms a token"
        );
    }
    Ok(())
}

/// Milliseconds of one call.
fn measure<T, E>(times: &mut Vec<f64>, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let started = Instant::now();
    let made = call()?;
    times.push(started.elapsed().as_secs_f64() * 1e3);
    Ok(made)
}

/// Bytes a second that all threads together read and write when they copy.
fn copy_bandwidth() -> f64 {
    let from = vec![1_u8; COPIED];
    let mut to = vec![2_u8; COPIED];
    let piece = COPIED.div_ceil(rayon::current_num_threads());
    let seconds = (0..COPIES).map(|_| {
        let started = Instant::now();
        to.par_chunks_mut(piece).zip(from.par_chunks(piece)).for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut to);
        started.elapsed().as_secs_f64()
    });
    // Read once and written once.
    2.0 * COPIED as f64 / seconds.fold(f64::INFINITY, f64::min)
}
