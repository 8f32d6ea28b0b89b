//! What the code for cards gives, on burn's CPU backend, beside the host path: latent steps, and contexts that go from one to
//! the other as messages. Passes and projections: `tests.rs`.

use super::connector::{Connector as _, Prompt, ThinkOptions};
use super::context::{Context, Route};
use super::decoder::LoadOptions;
use super::device::Device;
use super::runtime::Runtime;
use crate::error::Result;
use crate::weights::registry;
use crate::wire::{DataType, Encoder, Limits};

/// Relative error (L2) that a card may have: other orders of summing.
const BOUND: f64 = 1e-3;

const MODELS: [&str; 3] = ["pocket-a", "pocket-b", "pocket-c"];

fn both(name: &str) -> Result<[Runtime; 2]> {
    let open = |device| {
        let options = LoadOptions { device, dtype: Some(DataType::Float32), quantised: false };
        Runtime::open(registry::resolve(name)?, options, &mut |_, _| ())
    };
    Ok([open(Device::Cpu)?, open(Device::Rehearsal)?])
}

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let error =
        norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied());
    assert!(found.len() == expected.len() && error <= BOUND, "{what}: {error:e}");
}

fn think(runtime: &Runtime, tokens: std::ops::Range<u32>, options: ThinkOptions) -> Result<Context> {
    Ok(runtime.think(&Prompt::Tokens(tokens.collect()), options)?.context)
}

fn states(context: &Context) -> &[f32] {
    context.hidden_states().map_or(&[], |hidden| &hidden.values)
}

#[test]
fn latent_steps_are_the_hosts() {
    for name in MODELS {
        let [host, card] = both(name).unwrap();
        assert_eq!(card.info().device, Device::Rehearsal);
        for rescale in [false, true] {
            let run = |runtime| {
                think(
                    runtime,
                    10..50,
                    ThinkOptions { steps: 8, states: 9, rescale, ..ThinkOptions::default() },
                )
            };
            let (expected, found) = (run(&host).unwrap(), run(&card).unwrap());
            let width = host.info().hidden_dim;
            assert_eq!([states(&expected).len(), states(&found).len()], [9 * width; 2]);
            for (step, (found, expected)) in
                states(&found).chunks(width).zip(states(&expected).chunks(width)).enumerate()
            {
                assert_near(&format!("{name}: step {step}"), found, expected);
            }
        }
    }
}

#[test]
fn messages_go_between_host_and_card() {
    for name in MODELS {
        let both = both(name).unwrap();
        let message = |runtime| {
            let context = think(runtime, 10..50, ThinkOptions { steps: 2, ..ThinkOptions::default() })?;
            context.to_bytes(&Encoder::new(), &Route::default())
        };
        let messages = both.each_ref().map(|runtime| message(runtime).unwrap());
        let go_on = |runtime: &Runtime, message: &[u8]| -> Result<Context> {
            let context = runtime.place(Context::from_bytes(message, Limits::default())?.context)?;
            think(runtime, 5..9, ThinkOptions { steps: 1, context: Some(context), ..ThinkOptions::default() })
        };
        let expected = go_on(&both[0], &messages[0]).unwrap();
        for (from, message) in ["host", "card"].iter().zip(&messages) {
            for (to, runtime) in ["host", "card"].iter().zip(&both) {
                let found = go_on(runtime, message).unwrap();
                assert_eq!((found.seq_len(), found.num_steps()), (40 + 2 + 4 + 1, 3));
                assert_near(&format!("{name}: {from} to {to}"), states(&found), states(&expected));
            }
        }
    }
}
