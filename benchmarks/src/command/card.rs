//! `avp-bench card`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use avp::model::{Connector as _, Device, LoadOptions, Runtime};
use avp::weights::{ModelSource, registry};
use avp_bench::relay::bundled;
use avp_bench::relay::evaluation::Arm;
use avp_bench::train::{Recipe, State, read_losses};

use super::evaluate;

const EXAMPLES: &str = "\
Examples:
  avp-bench card runs/pocket-a --recipe pocket-a --hardware \"2 cores of a Xeon\"

Measures RUN/model on the bundled items and writes RUN/model/README.md and RUN/model/loss.svg.";

/// Writes the card of a trained model: data, training, accuracy, sum.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A training run's folder.
    run: PathBuf,
    /// A shipped recipe's name, or the recipe as YAML.
    #[arg(long, value_name = "RECIPE")]
    recipe: String,
    /// Where it was trained, for the card.
    #[arg(long, value_name = "TEXT")]
    hardware: String,
    /// A file with remarks on the numbers, for the card.
    #[arg(long, value_name = "FILE")]
    remarks: Option<PathBuf>,
    /// How many of the bundled items.
    #[arg(long, default_value_t = 500, value_name = "N")]
    items: usize,
}

/// Losses at the end that the card gives the mean of.
const LAST: usize = 100;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let recipe = super::train::recipe(&args.recipe)?;
    let state = State::of(&args.run)?.with_context(|| format!("{} has no checkpoint", args.run.display()))?;
    anyhow::ensure!(
        state.recipe == recipe.fingerprint(),
        "{} was trained by another recipe than {}",
        args.run.display(),
        args.recipe
    );
    let losses = read_losses(&args.run)?;
    let last = &losses[losses.len().saturating_sub(LAST)..];
    let loss = last.iter().map(|step| f64::from(step.loss)).sum::<f64>() / last.len().max(1) as f64;

    let folder = args.run.join("model");
    let sum = registry::sha256(&folder.join("model.safetensors"))?;
    let mut items = bundled()?;
    items.truncate(args.items);
    let options = LoadOptions { device: Device::Cpu, ..LoadOptions::default() };
    let model = Runtime::open(&folder, options, &mut |_, _| ())?;
    let weights = ModelSource::from(&folder).weights()?;
    let parameters: usize = weights.names().filter_map(|name| Some(weights.info(name)?.len())).sum();
    let answers = evaluate::answers(&model, &items, &Arm::CARD, &recipe.name)?;
    let table = evaluate::table(&items, &answers, &Arm::CARD);
    let remarks = match &args.remarks {
        Some(path) => fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => String::new(),
    };
    let Recipe { name, shape, training, .. } = &recipe;
    let head = if shape.tied { "tied head" } else { "untied head" };
    let (steps, of, seed, hours) = (state.step, training.steps, state.seed, state.seconds / 3600.0);
    let (width, layers, rate) = (shape.hidden_size, shape.layers, training.matrix_rate);
    let vocabulary = model.info().vocab_size;
    let hardware = &args.hardware;
    let card = format!(
        "---
license: apache-2.0
---
# {name}

A Llama decoder of {parameters} parameters ({layers} layers, {width} wide, {vocabulary} tokens, {head}), trained on the relay
task of this project and on nothing else. It reads facts, takes notes, and answers questions about them; it knows no other
language. It is made for tests, examples and benchmarks of latent hand-off that run with no download.

| | |
|---|---|
| data | relay, training split, dialogues generated as they are needed (`datasets/relay/README.md`) |
| recipe | `benchmarks/pocket/{name}.yaml` |
| command | `avp-bench train {name} --seed {seed}` |
| steps | {steps} of {of}, {batch} dialogues each; Muon at {rate} and AdamW at {other} |
| loss at the end | {loss:.4} nats a token, mean of the last {LAST} steps |
| time | {hours:.2} hours on {hardware} |
| stored | f16 safetensors |
| sha256 of model.safetensors | `{sum}` |
| licence | Apache-2.0 |

![loss by step](loss.svg)

## Accuracy

`avp-bench evaluate {name} --items {count}`: bundled test items, greedy, with Wilson intervals of 95 %. Contexts cross the codec.
Direct: facts and question in one prompt. KV: one agent reads the facts, takes latent steps, and hands its cache to another,
which is told the question alone (withheld) or facts and question (repeated). Chance: the best fixed guess.

{table}
{remarks}
",
        batch = training.batch,
        other = training.learning_rate,
        count = items.len(),
    );
    fs::write(folder.join("README.md"), card.trim_end().to_owned() + "\n")?;
    fs::copy(args.run.join("loss.svg"), folder.join("loss.svg"))?;
    super::print(&format!("{}\n", folder.join("README.md").display()))?;
    Ok(ExitCode::SUCCESS)
}
