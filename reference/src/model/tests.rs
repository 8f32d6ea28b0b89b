//! What cannot be seen from outside: the path that runs on cards, on burn's CPU backend; and models that go wrong.

use std::path::{Path, PathBuf};

use super::activation::Place;
use super::config::ModelConfig;
use super::connector::{Connector as _, GenerateOptions, Prompt, ThinkOptions};
use super::context::{Context, Route};
use super::decoder::{LoadOptions, Model};
use super::device::Device;
use super::runtime::Runtime;
use crate::error::{ErrorClass, Result};
use crate::weights::Weights;
use crate::wire::{DataType, Encoder, Limits};

const MODELS: [&str; 13] = [
    "llama-tied",
    "llama-untied-rope3",
    "llama-odd",
    "qwen2-untied",
    "qwen2-window",
    "qwen3-tied",
    "qwen3-untied",
    "qwen3-yarn",
    "mistral",
    "smollm3",
    "gemma",
    "gemma2",
    "gemma3",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny").join(name)
}

fn both(name: &str) -> Result<[Model; 2]> {
    let open = |device| {
        let options = LoadOptions { device, dtype: Some(DataType::Float32), quantised: false };
        Model::open(folder(name), options, &mut |_, _| ())
    };
    Ok([open(Device::Cpu)?, open(Device::Rehearsal)?])
}

fn close(left: &[f32], right: &[f32]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| (a - b).abs() <= 2e-4)
}

#[test]
fn host_and_card_compute_the_same() {
    for name in MODELS {
        let [host, card] = both(name).unwrap();
        let prompt: Vec<u32> = (0..19).map(|index| index * 7 % 60).collect();
        let (mut here, mut there) = (host.empty_cache(), card.empty_cache());
        let (mut rows, mut card_rows) = (Vec::new(), Vec::new());
        let mut left =
            host.prefill(&prompt, &mut here, Some(&mut |_, values| rows.extend_from_slice(values))).unwrap();
        let mut right = card
            .prefill(&prompt, &mut there, Some(&mut |_, values| card_rows.extend_from_slice(values)))
            .unwrap();
        assert!(close(&rows, &card_rows), "{name}: hidden states");
        for step in 0..4 {
            assert!(close(&left, &right), "{name}: step {step}");
            assert!(close(&host.logits(&left).unwrap(), &card.logits(&right).unwrap()), "{name}: logits");
            assert!(
                close(
                    &host.soft_embed(&left, Some(2.0)).unwrap(),
                    &card.soft_embed(&right, Some(2.0)).unwrap()
                ),
                "{name}: soft embedding"
            );
            left = host.prefill(&[step + 3, step + 1], &mut here, None).unwrap();
            right = card.prefill(&[step + 3, step + 1], &mut there, None).unwrap();
        }
        for layer in 0..host.config().num_layers {
            let [keys, values] = here.read_layer(layer).unwrap().unwrap();
            let [card_keys, card_values] = there.read_layer(layer).unwrap().unwrap();
            assert!(close(&keys, &card_keys) && close(&values, &card_values), "{name}: layer {layer}");
        }
    }
}

#[test]
fn a_cache_moves_between_host_and_card() {
    for name in MODELS {
        let [host, card] = both(name).unwrap();
        let (mut here, mut there) = (host.empty_cache(), card.empty_cache());
        host.prefill(&[5, 6, 7, 8, 9], &mut here, None).unwrap();
        card.prefill(&[5, 6, 7, 8, 9], &mut there, None).unwrap();
        let mut moved_there = card.adopt(here.clone()).unwrap();
        let mut moved_here = host.adopt(there.clone()).unwrap();
        let expected = host.prefill(&[1, 2], &mut here, None).unwrap();
        assert!(
            close(&card.prefill(&[1, 2], &mut moved_there, None).unwrap(), &expected),
            "{name}: to the card"
        );
        assert!(
            close(&host.prefill(&[1, 2], &mut moved_here, None).unwrap(), &expected),
            "{name}: to the host"
        );
        assert_eq!(moved_there.len(), 7);
        // A clone on a card sees nothing of what the other appends.
        let mut one = there.clone();
        let first = card.prefill(&[3], &mut one, None).unwrap();
        let mut two = there.clone();
        card.prefill(&[9, 9, 9], &mut two, None).unwrap();
        let mut three = there;
        assert_eq!(card.prefill(&[3], &mut three, None).unwrap(), first);
    }
}

#[test]
fn contexts_of_a_card_are_written_as_those_of_the_host() {
    let [host, card] = both("qwen2-untied").unwrap();
    let context = |model: &Model| {
        let mut cache = model.empty_cache();
        model.prefill(&[5, 6, 7], &mut cache, None).unwrap();
        Context {
            model_hash: "ab".repeat(32),
            model_family: "qwen2".into(),
            model_id: String::new(),
            hidden_dim: 24,
            num_layers: 2,
            num_steps: 0,
            cache: Some(cache),
            hidden: None,
            avp_map_id: String::new(),
        }
    };
    let message = context(&card).to_bytes(&Encoder::new(), &Route::default()).unwrap();
    let restored = Context::from_bytes(&message, Limits::default()).unwrap().context;
    let other = context(&host);
    let (left, right) = (restored.cache.unwrap(), other.cache.unwrap());
    assert_eq!(left.len(), 3);
    for layer in 0..host.config().num_layers {
        let pairs = left
            .read_layer(layer)
            .unwrap()
            .unwrap()
            .into_iter()
            .zip(right.read_layer(layer).unwrap().unwrap());
        assert!(pairs.into_iter().all(|(left, right)| close(&left, &right)));
    }
}

#[test]
fn half_precision_models_stay_near_their_wide_ones() {
    for name in ["llama-tied", "qwen2-untied", "qwen3-tied", "gemma"] {
        let [wide, _] = both(name).unwrap();
        for (dtype, bound) in [(DataType::BFloat16, 0.25), (DataType::Float16, 0.03)] {
            let options = LoadOptions { device: Device::Cpu, dtype: Some(dtype), quantised: false };
            let half = Model::open(folder(name), options, &mut |_, _| ()).unwrap();
            let options = LoadOptions { device: Device::Rehearsal, ..options };
            let card = Model::open(folder(name), options, &mut |_, _| ()).unwrap();
            for model in [&half, &card] {
                let prompt: Vec<u32> = (0..11).collect();
                let (mut cache, mut exact) = (model.empty_cache(), wide.empty_cache());
                let hidden = model.prefill(&prompt, &mut cache, None).unwrap();
                let found = model.prefill(&[1], &mut cache, None).unwrap();
                let first = wide.prefill(&prompt, &mut exact, None).unwrap();
                let second = wide.prefill(&[1], &mut exact, None).unwrap();
                for (found, exact) in [(hidden, first), (found, second)] {
                    let norm =
                        |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
                    let error = norm(&mut found.iter().zip(&exact).map(|(a, b)| a - b));
                    let size = norm(&mut exact.iter().copied());
                    assert!(error > 0.0 && error < bound * size, "{name} {dtype:?}: {error} of {size}");
                }
                assert_eq!(cache.shape().element, dtype);
            }
        }
    }
}

#[test]
fn the_host_place_is_the_cpus() {
    let [host, card] = both("llama-tied").unwrap();
    assert!(host.empty_cache().on_host());
    assert!(!card.empty_cache().on_host());
    assert!(matches!(Place::Host.rows(vec![1.0, 2.0], 2).count(), 1));
}

/// A model whose scores depend on the distance of two positions alone, through huge biases of queries and keys: they first
/// leave the range of a float at a distance of four.
fn breaks_at_distance_four() -> Runtime {
    const CONFIG: &str = r#"{"model_type": "qwen2", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
        "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 4, "vocab_size": 8, "rope_theta": 1e8,
        "tie_word_embeddings": true}"#;
    let zeros = |count: usize| vec![0_u8; 4 * count];
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    // Elements 0 and 2 turn by one radian a position: q · k = 4e38 · cos(distance − 4).
    let size = 2e19_f32;
    let query = [size * 4_f32.cos(), 0.0, -size * 4_f32.sin(), 0.0];
    let block = "model.layers.0.";
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![8, 4], floats(&[0.5; 32])),
        ("model.norm.weight".to_owned(), vec![4], floats(&[1.0; 4])),
        (format!("{block}input_layernorm.weight"), vec![4], floats(&[1.0; 4])),
        (format!("{block}post_attention_layernorm.weight"), vec![4], floats(&[1.0; 4])),
        (format!("{block}self_attn.q_proj.bias"), vec![4], floats(&query)),
        (format!("{block}self_attn.k_proj.bias"), vec![4], floats(&[size, 0.0, 0.0, 0.0])),
        (format!("{block}self_attn.v_proj.bias"), vec![4], zeros(4)),
    ];
    for name in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"] {
        tensors.push((format!("{block}{name}.weight"), vec![4, 4], zeros(16)));
    }
    for name in ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] {
        tensors.push((format!("{block}{name}.weight"), vec![4, 4], zeros(16)));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (
            name.clone(),
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let file = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    let weights = Weights::from_file(bytes::Bytes::from(file).into()).unwrap();
    let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
    let model =
        Model::load(ModelConfig::from_text(CONFIG).unwrap(), weights, options, &mut |_, _| ()).unwrap();
    Runtime::new(model, None, super::identity_of(CONFIG).unwrap(), None)
}

/// AVP-RLN-018, AVP-MET-006: the third of ten steps gives NaN; it is counted, and the last.
#[test]
fn thinking_stops_where_a_hidden_state_is_no_number() {
    let runtime = breaks_at_distance_four();
    let thought = runtime
        .think(&Prompt::Tokens(vec![1, 2]), ThinkOptions { steps: 10, ..ThinkOptions::default() })
        .unwrap();
    assert_eq!((thought.context.num_steps(), thought.context.seq_len()), (3, 5));
    assert!(thought.diagnostics.has_nan && !thought.diagnostics.healthy());
    assert!(thought.diagnostics.summary().starts_with("UNHEALTHY[NaN"), "{}", thought.diagnostics.summary());
    assert_eq!(thought.diagnostics.warnings.len(), 1);
    let norms = thought.diagnostics.norm_trajectory.unwrap();
    assert_eq!(norms.len(), 4);
    assert!(norms[..3].iter().all(|norm| norm.is_finite()) && norms[3].is_nan());
    // And text: no number is left to choose by.
    let error = runtime
        .generate(
            &Prompt::Tokens(vec![1]),
            GenerateOptions { context: Some(thought.context), ..GenerateOptions::default() },
            &mut |_| std::ops::ControlFlow::Continue(()),
        )
        .unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::EngineUnavailable, "model.logits"));
}

/// What a pocket model's files give, on the host or as if on a card.
fn pocket(name: &str, card: bool, dtype: DataType) -> Result<Runtime> {
    let device = if card { Device::Rehearsal } else { Device::Cpu };
    let options = LoadOptions { device, dtype: Some(dtype), quantised: false };
    let runtime = Runtime::open(crate::weights::registry::resolve(name)?, options, &mut |_, _| ())?;
    Ok(runtime.with_maps(Default::default()))
}

/// Heads and embeddings on a card give the projections of the host, through the vocabulary and through shared tokens.
#[test]
fn contexts_cross_between_cards_as_between_hosts() {
    for dtype in [DataType::Float32, DataType::BFloat16] {
        let injected = |card: bool, shared: bool| {
            let source = pocket("pocket-a", card, dtype).unwrap();
            let mut target = pocket("pocket-b", card, dtype).unwrap();
            if shared {
                let all = target.vocabulary().unwrap();
                let some = all.entries().iter().filter(|(_, id)| id % 3 != 1).cloned();
                target = target.with_vocabulary(crate::session::Vocabulary::new(some));
            }
            let prompt = Prompt::Tokens((10..30).collect());
            let thought =
                source.think(&prompt, ThinkOptions { steps: 0, states: 3, ..ThinkOptions::default() });
            let mut thought = thought.unwrap();
            // One state for all, whatever rounding the passes before it had.
            let width = source.info().hidden_dim;
            let states = (0..3 * width).map(|at| (at * 37 % 101) as f32 / 40.0 - 1.25).collect();
            thought.context.hidden.as_mut().unwrap().values = states;
            let options = GenerateOptions {
                context: Some(thought.context),
                source: Some(super::connector::Source(std::sync::Arc::new(source))),
                cross_model: true,
                vectors: 3,
                max_tokens: 1,
                ..GenerateOptions::default()
            };
            let made = target.generate(&prompt, options, &mut |_| std::ops::ControlFlow::Continue(()));
            let made = made.unwrap();
            (made.transfer.unwrap().injected, made.diagnostics.nearest_cos_sim.unwrap())
        };
        for shared in [false, true] {
            let (host, card) = (injected(false, shared), injected(true, shared));
            // The card has the rows as the model's type has them, the map as the file has them: two digits in bfloat16.
            let bound = if dtype == DataType::Float32 { 1e-4 } else { 1e-2 };
            let largest = host.0.iter().copied().map(f32::abs).fold(0.0, f32::max);
            let worst = host.0.iter().zip(&card.0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert_eq!(host.0.len(), card.0.len());
            assert!(worst <= bound * largest, "{dtype:?} {shared}: {worst} of {largest}");
            assert!((host.1 - card.1).abs() < f64::from(bound), "{dtype:?} {shared}: {} {}", host.1, card.1);
        }
    }
}
