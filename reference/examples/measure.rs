//! What a prefill, a token and a latent step take, for `benches/runtime.py` to hold beside another engine.
//!
//! Run with `cargo run --release --features model --example measure -- MODEL [--rounds N] [--json]`; a model is a folder or
//! a .gguf file. The number of threads is that of `RAYON_NUM_THREADS`.

use std::path::Path;
use std::time::Instant;

use avp::model::{LoadOptions, Model};

/// Tokens of the prompt.
const PREFILL: usize = 200;
/// Tokens that are decoded in a round.
const DECODED: usize = 32;
/// Latent steps in a round.
const LATENT: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut path, mut rounds, mut as_json) = (None, 1, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => as_json = true,
            "--rounds" => rounds = arguments.next().ok_or("--rounds wants a number")?.parse()?,
            other => path = Some(other.to_owned()),
        }
    }
    let path = path.ok_or("which model? a folder or a .gguf file")?;
    let started = Instant::now();
    let model = Model::open(Path::new(&path), LoadOptions::default(), &mut |_, _| ())?;
    let load = started.elapsed();
    let vocab = u32::try_from(model.config().vocab_size)?;
    // Any tokens cost the same.
    let prompt: Vec<u32> = (0..PREFILL as u32).map(|index| index * 97 % vocab).collect();

    let (mut prefill, mut decode, mut latent) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut cache = model.empty_cache();
        let mut hidden = measure(&mut prefill, || model.prefill(&prompt, &mut cache, None))?;
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
    }
    let rows = [("prefill_ms", &mut prefill), ("decode_ms", &mut decode), ("latent_ms", &mut latent)];
    let mut members = vec![format!("\"load_ms\": {:.1}", load.as_secs_f64() * 1e3)];
    for (name, times) in rows {
        let samples: Vec<String> = times.iter().map(|time| format!("{time:.3}")).collect();
        members.push(format!("\"{name}\": [{}]", samples.join(", ")));
        times.sort_by(f64::total_cmp);
        if let (false, Some(best), Some(median)) = (as_json, times.first(), times.get(times.len() / 2)) {
            println!("{name:10} best {best:8.2}  median {median:8.2}");
        }
    }
    if as_json {
        println!("{{{}}}", members.join(", "));
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
