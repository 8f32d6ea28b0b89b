//! `avp-bench evaluate`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use avp::model::{Device, LoadOptions, Runtime};
use avp::weights::registry;
use avp_bench::relay::evaluation::{Answer, Arm, answer, chance, foreign, share};
use avp_bench::relay::{Generator, Item, Layout, Length, Split, Task, bundled};
use avp_bench::stats::Share;
use clap::ValueEnum;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  avp-bench evaluate pocket-a
  avp-bench evaluate pocket-b --items 100 --split validation
  avp-bench evaluate runs/mine/model --json > mine.json
  avp-bench evaluate pocket-a --answers answers.jsonl

Every arm answers every item, greedily. Contexts cross the codec. Intervals are Wilson's, 95 %. Chance is the share of items
that the best fixed guess gets right.";

/// Measures a model on the relay task: alone, with a context handed over, and with the wrong one.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A pocket model, a pulled model's name, a folder, or a .gguf file.
    model: String,
    /// How many items, from the first.
    #[arg(long, default_value_t = 500, value_name = "N")]
    items: usize,
    /// The bundled test items, or fresh ones of the validation split.
    #[arg(long, value_enum, default_value_t = Source::Test)]
    split: Source,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Only hand-over in the withheld layout, after these many latent steps.
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    steps: Vec<u32>,
    /// A file that gets every answer, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn arms(&self) -> Vec<Arm> {
        if self.steps.is_empty() {
            return Arm::CARD.to_vec();
        }
        self.steps.iter().map(|&steps| Arm::Latent(Layout::Withheld, steps)).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    Test,
    Validation,
}

/// The validation items' seed: not that of the bundled test items, nor of any training run in a card.
const VALIDATION_SEED: u64 = 1000;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut items = match args.split {
        Source::Test => bundled()?,
        Source::Validation => {
            let generator = Generator { split: Split::Validation, seed: VALIDATION_SEED };
            (0..args.items as u64).map(|number| generator.item(number)).collect()
        }
    };
    items.truncate(args.items);
    let source = registry::resolve(&args.model)?;
    let options = LoadOptions { device: args.device, ..LoadOptions::default() };
    let model = Runtime::open(source, options, &mut |_, _| ())?;
    let answers = answers(&model, &items, &args.arms(), &args.model)?;
    if let Some(path) = &args.answers {
        let lines: String =
            answers.iter().filter_map(|answer| Some(serde_json::to_string(answer).ok()? + "\n")).collect();
        fs::write(path, lines).with_context(|| path.display().to_string())?;
    }
    let text =
        if args.json { as_json(args, &items, &answers) } else { table(&items, &answers, &args.arms()) };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Every arm's answer to every item, in the items' order.
pub(crate) fn answers(
    model: &Runtime,
    items: &[Item],
    arms: &[Arm],
    name: &str,
) -> anyhow::Result<Vec<Answer>> {
    let bar = super::bar((items.len() * arms.len()) as u64, name);
    let mut answers = Vec::with_capacity(items.len() * arms.len());
    for (i, item) in items.iter().enumerate() {
        for &arm in arms {
            let answered = answer(model, item, foreign(items, i), arm);
            answers.push(answered.with_context(|| format!("{}, {arm}", item.id))?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(answers)
}

/// Percent with its interval.
fn cell(share: Share) -> String {
    let (low, high) = share.interval();
    format!("{:.1} ({:.1}–{:.1})", share.value() * 100.0, low * 100.0, high * 100.0)
}

/// A Markdown table: arms by tasks and lengths.
pub(crate) fn table(items: &[Item], answers: &[Answer], arms: &[Arm]) -> String {
    let mut text = "| right answers, % | all |".to_owned();
    for task in Task::ALL {
        let _ = write!(text, " {task} |");
    }
    for length in Length::ALL {
        let _ = write!(text, " {length} |");
    }
    text.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for &arm in arms {
        let _ = write!(text, "| {arm} | {} |", cell(share(answers, arm, None, None)));
        for task in Task::ALL {
            let _ = write!(text, " {} |", cell(share(answers, arm, Some(task), None)));
        }
        for length in Length::ALL {
            let _ = write!(text, " {:.1} |", share(answers, arm, None, Some(length)).value() * 100.0);
        }
        text.push('\n');
    }
    let all = Task::ALL.map(|task| chance(items, task));
    let together = all.into_iter().fold(Share::default(), Share::and);
    let _ = write!(text, "| chance | {:.1} |", together.value() * 100.0);
    for share in all {
        let _ = write!(text, " {:.1} |", share.value() * 100.0);
    }
    text.push_str(" | | |\n");
    text
}

fn as_json(args: &Args, items: &[Item], answers: &[Answer]) -> String {
    let counted = |share: Share| {
        let (low, high) = share.interval();
        json!({"right": share.right, "of": share.of, "share": share.value(), "low": low, "high": high})
    };
    let arms: serde_json::Map<_, _> = args
        .arms()
        .iter()
        .map(|&arm| {
            let mut value = counted(share(answers, arm, None, None));
            for task in Task::ALL {
                value[task.to_string()] = counted(share(answers, arm, Some(task), None));
            }
            for length in Length::ALL {
                value[length.to_string()] = counted(share(answers, arm, None, Some(length)));
            }
            (arm.to_string(), value)
        })
        .collect();
    let chances: serde_json::Map<_, _> =
        Task::ALL.iter().map(|&task| (task.to_string(), counted(chance(items, task)))).collect();
    format!("{:#}\n", json!({"model": args.model, "items": items.len(), "arms": arms, "chance": chances}))
}
