//! Readers of contexts that overlook damage, and writers that put down what no context can say.

use half::f16;
use serde_json::Value;

use crate::{
    Mutant,
    context::{edit_read, edit_written},
    mutant,
    wire::Wire,
};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "context-cut-cache-padded",
        "fills up a cut cache with zeros",
        ask | frame | {
            edit_read(frame, |wire| {
                wire.section.resize(wire.section.len().max(17), 0);
                if let Some(size) = announced(wire) {
                    wire.section.resize(wire.section.len().max(size), 0);
                }
            });
        }
    ),
    mutant!(
        "context-magic-unchecked",
        "never looks at the magic of a context",
        ask | frame | {
            if frame.op() == "context_from_bytes"
                && let Some(magic) = frame.part_mut("message").and_then(|message| message.get_mut(..2))
            {
                magic.copy_from_slice(b"AV");
            }
        }
    ),
    mutant!(
        "context-checksum-unchecked",
        "never verifies the checksum of a context",
        ask | frame | {
            edit_read(frame, |wire| wire.drop_field(15));
        }
    ),
    mutant!(
        "context-other-types-cast",
        "makes float32 of what it has no label for",
        ask | frame | {
            if frame.op() == "context_to_bytes" {
                for part in &mut frame.parts {
                    let values: Vec<f32> = match part.spec.get("dtype").and_then(Value::as_str) {
                        Some("i8") => part.bytes.iter().map(|byte| f32::from(*byte as i8)).collect(),
                        Some("f64") => {
                            part.bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()
                        }
                        _ => continue,
                    };
                    part.bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                    part.spec.insert("dtype".to_owned(), "f32".into());
                }
            }
        }
    ),
    mutant!(
        "context-wish-as-payload-type",
        "sends what the caller asked for, the first of auto, kv_cache and hidden_state, as the payload type",
        tell | asked,
        told | {
            edit_written(asked, told, |wire| wire.drop_field(7));
        }
    ),
];

/// How long the cache would be, when that can be said and is not absurd.
fn announced(wire: &Wire) -> Option<usize> {
    let head = wire.section.get(..17)?;
    let numbers = head.as_chunks::<4>().0.iter().map(|four| u64::from(u32::from_le_bytes(*four)));
    let width = if head[16] == 0 { 4 } else { size_of::<f16>() as u64 };
    let size = numbers.take(4).try_fold(2 * width, u64::checked_mul)?;
    (size < 65_536).then_some(17 + size as usize)
}
