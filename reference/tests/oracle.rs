//! SmolLM2-135M against the Python SDK and transformers (`tests/oracle/README.md`). Needs the model:
//!
//! ```text
//! export AVP_SMOLLM2=$(cargo run --release --features cli,model -- models pull smollm2-135m-instruct --from package)
//! cargo test --release --features model --test oracle
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use avp::model::{
    Connector as _, Context, Device, GenerateOptions, LoadOptions, Prompt, Runtime, Sampling, ThinkOptions,
};
use avp::wire::{DataType, Limits};
use safetensors::SafeTensors;

const PROMPTS: [&str; 2] = ["arith", "code"];

/// Latent steps amplify the last bits: behind 20 of them a choice with a smaller margin may fall either way. The margins
/// themselves move by 1.6e-2 between float32 and float64.
const SAFE_MARGIN: f32 = 0.02;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

/// The model, or `None` after saying why there is none.
fn runtime() -> Result<Option<Runtime>, Box<dyn Error>> {
    let Some(path) = std::env::var_os("AVP_SMOLLM2") else {
        eprintln!("skipped: AVP_SMOLLM2 does not name the model; see the head of tests/oracle.rs");
        return Ok(None);
    };
    let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
    Ok(Some(Runtime::open(Path::new(&path), options, &mut |_, _| ())?))
}

struct Oracle(Vec<u8>);

impl Oracle {
    fn open() -> Result<Self, Box<dyn Error>> {
        Ok(Self(std::fs::read(folder().join("smollm2-135m.safetensors"))?))
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, Box<dyn Error>> {
        let file = SafeTensors::deserialize(&self.0)?;
        let tensor = file.tensor(name)?;
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn ids(&self, name: &str) -> Result<Vec<u32>, Box<dyn Error>> {
        let file = SafeTensors::deserialize(&self.0)?;
        let numbers =
            file.tensor(name)?.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        Ok(numbers.map(u32::try_from).collect::<Result<_, _>>()?)
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn relative(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    norm(found.iter().zip(expected).map(|(a, b)| a - b)) / norm(expected.iter().copied())
}

#[track_caller]
fn check(what: &str, found: f64, bound: f64) {
    eprintln!("{what}: {found:.2e} (at most {bound:.0e})");
    assert!(found <= bound, "{what}: {found:e} is more than {bound:e}");
}

#[test]
fn hidden_states_logits_cache_and_latent_steps_are_transformers() -> Result<(), Box<dyn Error>> {
    let Some(runtime) = runtime()? else { return Ok(()) };
    let (model, oracle) = (runtime.model(), Oracle::open()?);
    let words: serde_json::Value = serde_json::from_slice(&std::fs::read(folder().join("oracle.json"))?)?;
    let width = model.config().hidden_size;
    for name in PROMPTS {
        let array = |what: &str| oracle.floats(&format!("{name}.{what}"));
        let user = words["prompts"][name]["prompt"].as_str().ok_or("no prompt")?;
        let ids = runtime.tokens(&Prompt::from(user))?;
        assert_eq!(ids, oracle.ids(&format!("{name}.input_ids"))?, "{name}: tokens");

        let mut cache = model.empty_cache();
        let (mut last_rows, mut last_layer) = (Vec::new(), Vec::new());
        let hidden = model.prefill(
            &ids,
            &mut cache,
            Some(&mut |_, rows| {
                last_rows.extend_from_slice(&rows[rows.len() - width..]);
                last_layer = rows.to_vec();
            }),
        )?;
        let layers = array("hidden_layers_last")?;
        check(
            &format!("{name}: last hidden state"),
            relative(&hidden, &layers[layers.len() - width..]),
            1e-4,
        );
        for (layer, (found, expected)) in
            last_rows.chunks_exact(width).zip(layers.chunks_exact(width)).enumerate()
        {
            let error = relative(found, expected);
            assert!(error <= 1e-4, "{name}: hidden state {layer} differs by {error:e}");
        }
        assert_eq!(last_rows.len(), layers.len());
        check(
            &format!("{name}: hidden states of all tokens"),
            relative(&last_layer, &array("hidden_final")?),
            1e-4,
        );
        let logits = model.logits(&hidden)?;
        let expected = array("logits_last")?;
        let worst = logits.iter().zip(&expected).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        check(&format!("{name}: logits, absolute"), worst, 5e-3);
        for layer in [0, 29] {
            let [keys, values] = cache.read_layer(layer)?.ok_or("no such layer")?;
            check(
                &format!("{name}: keys of layer {layer}"),
                relative(&keys, &array(&format!("k{layer}"))?),
                1e-3,
            );
            check(
                &format!("{name}: values of layer {layer}"),
                relative(&values, &array(&format!("v{layer}"))?),
                1e-3,
            );
        }

        let (states, embeds) = (array("latent_hidden")?, array("latent_embed")?);
        let mut hidden = hidden;
        for (step, (state, embed)) in
            states.chunks_exact(width).skip(1).zip(embeds.chunks_exact(width)).enumerate()
        {
            let input = model.soft_embed(&hidden, None)?;
            check(&format!("{name}: embedding of latent step {}", step + 1), relative(&input, embed), 1e-3);
            hidden = model.inject(input, &mut cache)?;
            check(
                &format!("{name}: hidden state of latent step {}", step + 1),
                relative(&hidden, state),
                1e-3,
            );
        }
    }
    Ok(())
}

/// Greedy tokens behind a context, if any. The end token ends them.
fn greedy(runtime: &Runtime, user: &str, context: Option<Context>) -> avp::Result<Vec<u32>> {
    let options = GenerateOptions {
        context,
        sampling: Sampling::greedy(),
        max_tokens: 48,
        accept_structural: true,
        ..GenerateOptions::default()
    };
    let made = runtime.generate(&Prompt::from(user), options, &mut |_| ControlFlow::Continue(()))?;
    Ok(made.token_ids)
}

#[test]
fn greedy_texts_are_the_python_sdks() -> Result<(), Box<dyn Error>> {
    let Some(runtime) = runtime()? else { return Ok(()) };
    let oracle = Oracle::open()?;
    let words: serde_json::Value = serde_json::from_slice(&std::fs::read(folder().join("oracle.json"))?)?;
    for name in PROMPTS {
        let user = words["prompts"][name]["prompt"].as_str().ok_or("no prompt")?;
        assert_eq!(
            greedy(&runtime, user, None)?,
            oracle.ids(&format!("{name}.greedy_direct"))?,
            "{name}: direct"
        );

        let thought = runtime.think(&Prompt::from(user), ThinkOptions::default())?;
        assert_eq!(thought.context.num_steps(), 20);
        let live = greedy(&runtime, user, Some(thought.context.clone()))?;
        let expected = oracle.ids(&format!("{name}.greedy_think20"))?;
        let margins = oracle.floats(&format!("{name}.greedy_think20_margins"))?;
        let safe = margins.iter().position(|&margin| margin < SAFE_MARGIN).unwrap_or(margins.len());
        let same = live.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        eprintln!(
            "{name}: {same} of {} tokens behind 20 latent steps are the same ({safe} must)",
            expected.len()
        );
        assert!(same >= safe, "{name}: {live:?} instead of {expected:?}");

        // The same context once more, and out of a message: contexts are values.
        assert_eq!(greedy(&runtime, user, Some(thought.context.clone()))?, live, "{name}: used twice");
        let message = thought.context.to_bytes(&avp::Encoder::new(), &avp::model::Route::default())?;
        let restored = Context::from_bytes(&message, Limits::default())?.context;
        assert_eq!(greedy(&runtime, user, Some(restored))?, live, "{name}: restored");
    }
    Ok(())
}

#[test]
fn the_sdks_own_message_is_read_to_the_bit() -> Result<(), Box<dyn Error>> {
    let path = folder().join("wire_think2_Hi.avp");
    let mapped = Context::open(&path, Limits::default())?;
    let context = &mapped.context;
    assert_eq!((context.seq_len(), context.num_steps(), context.model_family()), (33, 2, "llama"));
    let bytes = std::fs::read(&path)?;
    let read = Context::from_bytes(&bytes, Limits::default())?;
    // Written again it has the same payload, and decodes to the same metadata.
    let written = read.context.to_bytes(&avp::Encoder::new(), &read.route)?;
    let (ours, theirs) = (avp::decode(&written)?, avp::decode(&bytes)?);
    assert_eq!(ours.payload, theirs.payload);
    assert_eq!(ours.metadata, theirs.metadata);
    let Some(runtime) = runtime()? else { return Ok(()) };
    // Our own two steps behind the same prompt give the same cache.
    let own =
        runtime.think(&Prompt::from("Hi"), ThinkOptions { steps: 2, ..ThinkOptions::default() })?.context;
    assert_eq!(own.seq_len(), 33);
    let message = own.to_bytes(&avp::Encoder::new(), &avp::model::Route::default())?;
    let (ours, theirs) = (floats(&avp::decode(&message)?.payload), floats(&theirs.payload));
    check("the cache of think(\"Hi\", steps = 2)", relative(&ours, &theirs), 1e-3);
    Ok(())
}

/// The tensors of a float32 payload.
fn floats(payload: &[u8]) -> Vec<f32> {
    payload[avp::kv::KV_HEADER_LEN..]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}
