//! Shared tokens of two vocabularies that are found in a wrong way on purpose.

use serde_json::{Value, json};

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "project-shared-by-utf16",
        "sorts shared tokens by their UTF-16 form",
        tell | asked,
        told | {
            shared(asked, told, |token, _| token.encode_utf16().map(u32::from).collect());
        }
    ),
    mutant!(
        "project-shared-by-id",
        "lists shared tokens in the order of their ids",
        tell | asked,
        told | {
            shared(asked, told, |_, id| vec![id]);
        }
    ),
    mutant!(
        "project-ratio-of-the-larger",
        "takes the share of the larger vocabulary",
        tell | asked,
        told | {
            let len = |name: &str| {
                asked.args().get(name).and_then(Value::as_object).map_or(1, serde_json::Map::len)
            };
            let larger = len("a").max(len("b"));
            if asked.op() == "vocab_overlap"
                && let Some(ok) = told.ok_mut()
            {
                let count = ok.get("count").and_then(Value::as_f64).unwrap_or_default();
                ok.insert("ratio".to_owned(), json!(count / larger as f64));
            }
        }
    ),
];

/// Lists shared tokens in the order of a key of token and id.
fn shared(asked: &Frame, told: &mut Frame, key: impl Fn(&str, u32) -> Vec<u32>) {
    let vocabulary = |name: &str| asked.args().get(name).and_then(Value::as_object);
    if asked.op() != "vocab_overlap" || !told.is_ok() {
        return;
    }
    let (Some(a), Some(b)) = (vocabulary("a"), vocabulary("b")) else { return };
    let id = |value: &Value| value.as_u64().unwrap_or_default() as u32;
    let mut both: Vec<(Vec<u32>, u32, u32)> =
        a.iter().filter_map(|(token, own)| Some((key(token, id(own)), id(own), id(b.get(token)?)))).collect();
    both.sort();
    for (name, side) in [("src_indices", 0), ("tgt_indices", 1)] {
        let bytes =
            both.iter().flat_map(|(_, a, b)| if side == 0 { a.to_le_bytes() } else { b.to_le_bytes() });
        if let Some(part) = told.part_mut(name) {
            *part = bytes.collect();
        }
    }
}
