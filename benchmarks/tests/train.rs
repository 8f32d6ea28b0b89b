//! Training: what is trained is what the runtime computes, a run that is cut goes on as if it had not been, and a loss falls.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use avp::model::{Device, LoadOptions, Model};
use avp::text::{ChatMessage, ChatOptions, TextFiles};
use avp::wire::DataType;
use avp_bench::relay::dialogue::{self, Turn};
use avp_bench::relay::{Generator, Split};
use avp_bench::train::{
    Backend, Batches, Decoder, RECIPES, Recipe, Step, Trained, Trainer, curve, export, read_losses, tokenizer,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use half::f16;

type Outcome = Result<(), Box<dyn Error>>;

/// A model of a few thousand parameters.
const SMALL: &str = "
name: small
shape: {hidden_size: 24, layers: 2, heads: 4, kv_heads: 2, head_dim: 6, intermediate_size: 40, tied: TIED, max_positions: 512}
tokenizer: {vocab_size: 400, lowercase: LOWER}
training: {steps: 8, batch: 4, first_length: 80, last_length: 200, curriculum: 0.5, learning_rate: 1.0e-2,
  matrix_rate: 1.0e-2, warmup: 2, final_share: 0.1, weight_decay: 0.1, beta_2: 0.95, clip: 1.0}
";

fn small(tied: bool, lowercase: bool) -> Result<Recipe, avp_bench::train::Error> {
    Recipe::from_yaml(&SMALL.replace("TIED", &tied.to_string()).replace("LOWER", &lowercase.to_string()))
}

fn trainer(recipe: Recipe, folder: &Path) -> Result<Trainer, avp::Error> {
    Ok(Trainer { recipe, seed: 3, folder: folder.to_owned(), device: Device::Cpu.open()? })
}

/// Trains until a step, or to the end.
fn train(trainer: &Trainer, until: usize) -> Result<(Trained, Vec<Step>), avp_bench::train::Error> {
    let mut steps = Vec::new();
    let trained = trainer.run(&mut |step| {
        steps.push(*step);
        if step.step == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((trained, steps))
}

fn weights(trained: &Trained, folder: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    export(trained, folder)?;
    Ok(fs::read(folder.join("model.safetensors"))?)
}

#[test]
fn a_run_that_is_cut_goes_on_where_it_was() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let (at_once, steps) = train(&trainer(small(false, false)?, &whole)?, usize::MAX)?;
    assert_eq!(steps.len(), 8);
    let (part, first) = train(&trainer(small(false, false)?, &cut)?, 3)?;
    assert_eq!((part.steps, first.len()), (3, 3));
    // A crash in the middle of a line: that step is done again.
    fs::write(cut.join("loss.jsonl"), fs::read_to_string(cut.join("loss.jsonl"))? + "{\"step\": 4, \"lo")?;
    let (resumed, rest) = train(&trainer(small(false, false)?, &cut)?, usize::MAX)?;
    assert_eq!([first, rest].concat(), steps);
    assert_eq!(read_losses(&cut)?, read_losses(&whole)?);
    assert_eq!(weights(&at_once, &whole)?, weights(&resumed, &cut)?);
    // Cut between the two renames of a checkpoint: the one before is taken.
    fs::rename(cut.join("checkpoint"), cut.join("checkpoint.old"))?;
    let (again, none) = train(&trainer(small(false, false)?, &cut)?, usize::MAX)?;
    assert!(none.is_empty());
    assert_eq!(weights(&again, &cut)?, weights(&at_once, &whole)?);
    // Another seed and another recipe are other runs.
    let other = Trainer { seed: 4, ..trainer(small(false, false)?, &cut)? };
    assert!(train(&other, 1).is_err());
    assert!(train(&trainer(small(true, false)?, &cut)?, 1).is_err());
    curve::write(&steps, "small", &folder.path().join("loss.svg"))?;
    let drawn = fs::read_to_string(folder.path().join("loss.svg"))?;
    assert!(drawn.contains("<polyline") && drawn.contains("nats a token"));
    Ok(())
}

/// Every value as the exported file has it.
struct Rounded;

impl ModuleMapper<Backend> for Rounded {
    fn map_float<const D: usize>(
        &mut self,
        parameter: Param<Tensor<Backend, D>>,
    ) -> Param<Tensor<Backend, D>> {
        parameter.map(|tensor| {
            let device = tensor.device();
            let mut data = tensor.into_data();
            for value in data.as_mut_slice::<f32>().unwrap_or_default() {
                *value = f16::from_f32(*value).to_f32();
            }
            Tensor::from_data(data, &device)
        })
    }
}

#[test]
fn what_is_trained_is_what_the_runtime_computes() -> Outcome {
    for (tied, lowercase) in [(false, false), (true, true)] {
        let folder = tempfile::tempdir()?;
        let recipe = small(tied, lowercase)?;
        let (trained, _) = train(&trainer(recipe.clone(), folder.path())?, 4)?;
        let exported = folder.path().join("model");
        export(&trained, &exported)?;
        let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
        let model = Model::open(&exported, options, &mut |_, _| ())?;

        let mut batches = Batches::new(&trained.tokenizer, &recipe.training, 9)?;
        let batch = batches.step(100)?;
        let decoder: Decoder<Backend> = trained.decoder.map(&mut Rounded);
        let logits = decoder.logits(&batch, &recipe.shape, &Device::Cpu.open()?);
        let [_, vocabulary] = logits.dims();
        let logits = logits.into_data().into_vec::<f32>().map_err(|error| format!("{error:?}"))?;
        let mut compared = 0;
        for (row, ids) in batch.ids.chunks_exact(batch.length).enumerate() {
            let here = |position: i32| position as usize / batch.length == row;
            let count = batch.positions.iter().filter(|&&position| here(position)).count();
            let Some((i, &last)) = batch.positions.iter().enumerate().rfind(|(_, position)| here(**position))
            else {
                return Err("a dialogue without a learned token".into());
            };
            assert!(count > 0);
            let tokens: Vec<u32> = ids[..=last as usize % batch.length].iter().map(|&id| id as u32).collect();
            let hidden = model.prefill(&tokens, &mut model.empty_cache(), None)?;
            let theirs = model.logits(&hidden)?;
            let ours = &logits[i * vocabulary..(i + 1) * vocabulary];
            let scale = ours.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a - b).abs() <= 1e-5 * scale, "{a} {b}");
            }
            compared += 1;
        }
        assert_eq!(compared, recipe.training.batch);
    }
    Ok(())
}

#[test]
fn a_dialogue_is_what_the_chat_template_writes() -> Outcome {
    for (_, text) in RECIPES {
        let folder = tempfile::tempdir()?;
        // The shipped tokenizer with a small decoder, since only the text counts.
        let recipe = Recipe { shape: small(false, false)?.shape, ..Recipe::from_yaml(text)? };
        let training = recipe.training.clone();
        let (trained, _) = train(&trainer(recipe, folder.path())?, 1)?;
        export(&trained, folder.path())?;
        let files = TextFiles::open(folder.path())?;
        let batches = Batches::new(&trained.tokenizer, &training, 1)?;
        for number in 0..40 {
            let (problem, mut rng) = Generator { split: Split::Train, seed: 2 }.problem(number);
            let turns: Vec<Turn> = dialogue::draw(&problem, &mut rng)
                .into_iter()
                .map(|turn| Turn { cut: None, ..turn })
                .collect();
            let messages: Vec<_> = turns
                .iter()
                .flat_map(|turn| {
                    [ChatMessage::new("user", &turn.user), ChatMessage::new("assistant", &turn.assistant)]
                })
                .collect();
            let options = ChatOptions { add_generation_prompt: false, ..ChatOptions::default() };
            let rendered = files.prompt(&messages, &options)?;
            let sequence = batches.sequence(&turns)?;
            assert_eq!(files.tokenizer.encode(&rendered, false)?, sequence.ids, "{rendered}");
            // What is learned is each reply with its end, and nothing of what is asked.
            let end = trained.tokenizer.token_to_id(tokenizer::END).ok_or("no end")?;
            let replies: Vec<u32> = sequence
                .ids
                .iter()
                .zip(&sequence.learned)
                .filter_map(|(&id, &learned)| learned.then_some(id))
                .collect();
            let replies: Vec<_> = replies.split(|&id| id == end).collect();
            assert_eq!(replies.len(), turns.len() + 1);
            for (reply, turn) in replies.iter().zip(&turns) {
                let text = files.tokenizer.decode(reply, true)?;
                assert_eq!(text.trim().to_lowercase(), turn.assistant.to_lowercase());
            }
        }
    }
    Ok(())
}

#[test]
fn a_cut_note_is_cut_and_a_batch_is_padded() -> Outcome {
    let recipe = small(false, false)?;
    let tokens = tokenizer::train(&recipe.tokenizer)?;
    let mut batches = Batches::new(&tokens, &recipe.training, 1)?;
    let turn = Turn { user: "Take a note.".into(), assistant: "box 7 red paint".into(), cut: Some(2) };
    let answer = Turn { cut: None, ..turn.clone() };
    let [cut, whole] = [batches.sequence(&[turn])?, batches.sequence(&[answer])?];
    let learned = |sequence: &avp_bench::train::Sequence| sequence.learned.iter().filter(|&&is| is).count();
    assert_eq!(learned(&cut), 2);
    assert!(whole.ids.starts_with(&cut.ids) && learned(&whole) > 3);

    for step in [0, 15, 16, 200] {
        let batch = batches.step(step)?;
        assert_eq!((batch.rows, batch.ids.len()), (4, 4 * batch.length));
        assert!(batch.length <= recipe.training.length(step / 16 * 16).next_multiple_of(8));
        for (&position, &target) in batch.positions.iter().zip(&batch.targets) {
            assert_eq!(batch.ids[position as usize + 1], target);
            assert_ne!(target, 0, "padding is not learned");
        }
        // The same whoever asks, in whatever order.
        assert_eq!(Batches::new(&tokens, &recipe.training, 1)?.step(step)?, batch);
        assert_ne!(Batches::new(&tokens, &recipe.training, 2)?.step(step)?, batch);
    }
    Ok(())
}

#[test]
fn the_loss_falls() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut recipe = small(true, false)?;
    recipe.training.steps = 60;
    let (_, steps) = train(&trainer(recipe, folder.path())?, usize::MAX)?;
    let mean = |steps: &[Step]| steps.iter().map(|step| step.loss).sum::<f32>() / steps.len() as f32;
    let (first, last) = (mean(&steps[..10]), mean(&steps[50..]));
    assert!(last < 0.7 * first, "{first} to {last}");
    Ok(())
}

#[test]
fn recipes_are_checked() -> Outcome {
    for (name, text) in RECIPES {
        let recipe = Recipe::named(name)?;
        assert_eq!((recipe.name.as_str(), &recipe), (name, &Recipe::from_yaml(text)?));
        assert_eq!(recipe.training.share(0), 1.0 / recipe.training.warmup as f64);
        assert!((recipe.training.share(recipe.training.steps) - recipe.training.final_share).abs() < 1e-9);
        assert_eq!(recipe.training.length(0), recipe.training.first_length);
        assert_eq!(recipe.training.length(recipe.training.steps), recipe.training.last_length);
    }
    for (from, to, field) in [
        ("kv_heads: 2", "kv_heads: 3", "shape.kv_heads"),
        ("head_dim: 6", "head_dim: 5", "shape.head_dim"),
        ("layers: 2", "layers: 0", "shape.layers"),
        ("batch: 4", "batch: 0", "training.batch"),
        ("first_length: 80", "first_length: 20", "training.first_length"),
        ("clip: 1.0", "clip: 1.0, momentum: 2", "momentum"),
        ("steps: 8, ", "", "steps"),
    ] {
        let error =
            Recipe::from_yaml(&SMALL.replace("TIED", "false").replace("LOWER", "false").replace(from, to));
        let text = error.err().ok_or(field)?.to_string();
        assert!(text.contains(field), "{text}");
    }
    assert!(Recipe::named("pocket-z").err().ok_or("known")?.to_string().contains("pocket-a"));
    Ok(())
}
