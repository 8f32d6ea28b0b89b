//! `avp-bench train`.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use avp::model::Device;
use avp_bench::train::{Recipe, Trainer, curve, export, read_losses};

const EXAMPLES: &str = "\
Examples:
  avp-bench train pocket-a --seed 1 --device auto --out runs/pocket-a
  avp-bench train my-recipe.yaml --seed 2 --out runs/mine
  avp-bench evaluate runs/pocket-a/model

The folder gets checkpoint/ (every two minutes and at the end), loss.jsonl (a line for each step), loss.svg, and at the end
model/ with config.json, tokenizer.json and model.safetensors. The same command goes on from the checkpoint. Ctrl-C ends
after the step that is being done, with a checkpoint.";

/// Trains a pocket model on the relay task.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// pocket-a, pocket-b, pocket-c, or a recipe as YAML.
    recipe: String,
    /// Decides weights before training and the order of dialogues.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: Device,
    /// The run's folder. [default: runs/RECIPE-seed-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Ends after that many steps, with a checkpoint; the learning rate still follows the recipe's.
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// Threads of the tensor library. A model of this size gains little from more than one.
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
}

/// Steps whose mean loss the bar shows.
const SHOWN: usize = 50;

/// A shipped recipe by name, or one in a file.
pub(crate) fn recipe(argument: &str) -> anyhow::Result<Recipe> {
    if !argument.ends_with(".yaml") {
        return Ok(Recipe::named(argument)?);
    }
    let text = fs::read_to_string(argument).with_context(|| argument.to_owned())?;
    Recipe::from_yaml(&text).with_context(|| argument.to_owned())
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let recipe = recipe(&args.recipe)?;
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let stopped = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopped);
    ctrlc::set_handler(move || told.store(true, Ordering::SeqCst))?;

    let folder =
        args.out.clone().unwrap_or_else(|| format!("runs/{}-seed-{}", recipe.name, args.seed).into());
    let steps = recipe.training.steps;
    let trainer = Trainer { recipe, seed: args.seed, folder: folder.clone(), device: args.device.open()? };
    let bar = super::bar(steps as u64, &trainer.recipe.name);
    let last = args.stop_after.unwrap_or(usize::MAX);
    let (mut sum, mut count) = (0.0_f64, 0_usize);
    let trained = trainer.run(&mut |step| {
        sum += f64::from(step.loss);
        count += 1;
        bar.set_position(step.step as u64);
        if count == SHOWN {
            let mean = sum / count as f64;
            bar.set_message(format!("{} loss {mean:.3}", trainer.recipe.name));
            if bar.is_hidden() {
                eprintln!("step {} of {steps}, loss {mean:.4}", step.step);
            }
            (sum, count) = (0.0, 0);
        }
        if stopped.load(Ordering::SeqCst) || step.step >= last {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    bar.finish_and_clear();
    curve::write(&read_losses(&folder)?, &trained.recipe.name, &folder.join("loss.svg"))?;
    let model = folder.join("model");
    export(&trained, &model)?;
    let minutes = trained.seconds / 60.0;
    eprintln!("{} of {steps} steps in {minutes:.1} minutes of training", trained.steps);
    super::print(&format!("{}\n", model.display()))?;
    if stopped.load(Ordering::SeqCst) {
        eprintln!("interrupted; the same command goes on from here");
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::SUCCESS)
}
