//! What models inject for another's hidden states, beside the Python SDK's numpy (`tests/projection/README.md`; AVP-PRJ-001,
//! 002, 003, 011), and beside the same in double precision. The larger model is needed for one of the pairs; see the head of
//! `tests/oracle.rs`.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use avp::TensorView;
use avp::context::{ContextMessage, ContextState};
use avp::model::{
    Connector as _, Context, Device, GenerateOptions, LoadOptions, Prompt, Runtime, Sampling, Source,
};
use avp::session::ProjectionMethod;
use avp::transfer::MapRegistry;
use avp::weights::registry;
use avp::wire::{DataType, Encoder, Limits};
use safetensors::SafeTensors;

/// Largest difference of a value from the SDK's, and of all of them together as a part of their length. The SDK computes in
/// f32: on the larger model its own values are up to 8.4e-6 from those in float64, which leaves ours little.
const BOUND: f64 = 1e-5;

/// Largest difference of a value from the one in float64. Logits that are rounded to f32 alone make 5.5e-7 on the larger model.
const EXACT_BOUND: f64 = 1e-6;

fn open(name: &str) -> Result<Arc<Runtime>, Box<dyn Error>> {
    let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
    let runtime = Runtime::open(registry::resolve(name)?, options, &mut |_, _| ())?;
    Ok(Arc::new(runtime.with_maps(Arc::new(MapRegistry::in_memory()))))
}

/// A context that the SDK could have left behind: the model's, with these states.
fn context(source: &Runtime, states: &[u8]) -> avp::Result<Context> {
    let width = source.info().hidden_dim;
    let shape = [(states.len() / 4 / width) as u64, width as u64];
    let message = ContextMessage {
        model_hash: source.identity().model_hash.clone(),
        model_family: String::new(),
        model_id: String::new(),
        session_id: String::new(),
        source_agent_id: String::new(),
        target_agent_id: String::new(),
        hidden_dim: width as u32,
        num_layers: 1,
        num_steps: 0,
        state: ContextState::Hidden {
            states: TensorView::new(DataType::Float32, &shape, states)?,
            seq_len: shape[0] as u32,
        },
    };
    Ok(Context::from_bytes(&message.to_bytes(&Encoder::new())?, Limits::default())?.context)
}

/// The largest difference of a value, and the length of all differences as a part of that of what is expected.
fn away(found: &[f32], expected: &[f64]) -> [f64; 2] {
    assert_eq!(found.len(), expected.len());
    let differences = || found.iter().zip(expected).map(|(a, b)| f64::from(*a) - b);
    let length =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    // What is no number shows in the length.
    let largest = differences().map(f64::abs).fold(0.0, f64::max);
    [largest, length(&mut differences()) / length(&mut expected.iter().copied())]
}

/// Projects a pair's states and holds the result beside the SDK's.
fn check(pair: [&str; 2], source: &Arc<Runtime>, method: ProjectionMethod) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projection");
    let (bytes, exact) =
        (std::fs::read(folder.join("sdk.safetensors"))?, std::fs::read(folder.join("exact.safetensors"))?);
    let (file, exact) = (SafeTensors::deserialize(&bytes)?, SafeTensors::deserialize(&exact)?);
    let name = |what: &str| format!("{}.{}.{what}", pair[0], pair[1]);
    let tensor = |what: &str| file.tensor(&name(what));
    let target = open(pair[1])?;
    let options = GenerateOptions {
        context: Some(context(source, tensor("states")?.data())?),
        source: Some(Source(Arc::clone(source) as _)),
        cross_model: true,
        vectors: tensor("states")?.shape()[0],
        sampling: Sampling::greedy(),
        max_tokens: 1,
        ..GenerateOptions::default()
    };
    let made = target.generate(&Prompt::Tokens(vec![5]), options, &mut |_| ControlFlow::Continue(()))?;
    let transfer = made.transfer.ok_or("no transfer")?;
    assert_eq!(transfer.method, method, "{pair:?}");
    let of_sdk = tensor("injected")?.data().as_chunks::<4>().0;
    let of_sdk: Vec<f64> = of_sdk.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect();
    let exact = exact.tensor(&name("exact"))?.data().as_chunks::<8>().0;
    let exact: Vec<f64> = exact.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let [largest, part] = away(&transfer.injected, &of_sdk);
    let [from_exact, _] = away(&transfer.injected, &exact);
    eprintln!(
        "{pair:?}: off by at most {largest:.2e}, by {part:.1e} of the length; in float64 by {from_exact:.1e}"
    );
    assert!(largest <= BOUND && part <= BOUND, "{pair:?}: {largest:e}, {part:e} of the length");
    assert!(from_exact <= EXACT_BOUND, "{pair:?}: {from_exact:e} from float64");
    assert!(of_sdk.iter().any(|value| *value != 0.0));
    Ok(())
}

#[test]
fn pocket_models_are_projected_as_by_the_sdk() -> Result<(), Box<dyn Error>> {
    let (one, other) = (open("pocket-a")?, open("pocket-b")?);
    check(["pocket-a", "pocket-b"], &one, ProjectionMethod::VocabMediated)?;
    check(["pocket-b", "pocket-a"], &other, ProjectionMethod::VocabMediated)?;
    check(["pocket-a", "pocket-c"], &one, ProjectionMethod::VocabOverlap)
}

#[test]
fn a_larger_model_is_projected_as_by_the_sdk() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::var_os("AVP_SMOLLM2").map(PathBuf::from) else {
        eprintln!("skipped: AVP_SMOLLM2 does not name the model; see the head of tests/oracle.rs");
        return Ok(());
    };
    let source = open(&path.to_string_lossy())?;
    check(["smollm2", "pocket-a"], &source, ProjectionMethod::VocabOverlap)
}
