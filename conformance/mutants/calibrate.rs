//! Projection maps that are made in a wrong way on purpose.

use serde_json::{Map, Value, json};

use crate::maps::changed;
use crate::rows::Rows;
use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "calibrate-by-tokens-alone",
        "takes the same tokens under other ids for one vocabulary",
        tell | asked,
        told | {
            let tokens = |side: &str| {
                let vocab = asked.args().get(side).and_then(|side| side["vocab"].as_object());
                vocab.map(|vocab| vocab.keys().cloned().collect::<std::collections::BTreeSet<_>>())
            };
            if tokens("source") == tokens("target") {
                calibrated(asked, told, |map| _ = map.insert("method".to_owned(), "vocab_mediated".into()));
            }
        }
    ),
    mutant!(
        "calibrate-always-overlap",
        "takes every pair of vocabularies for two",
        tell | asked,
        told | {
            calibrated(asked, told, |map| _ = map.insert("method".to_owned(), "vocab_overlap".into()));
        }
    ),
    mutant!(
        "calibrate-hundred-not-enough",
        "wants more than a hundred shared tokens",
        tell | asked,
        told | {
            let count = told.ok_mut().and_then(|ok| ok.get("map")?.get("overlap_count")?.as_u64());
            if asked.op() == "calibrate" && count == Some(100) {
                told.become_err("invalid_argument");
            }
        }
    ),
    mutant!(
        "calibrate-anything-goes",
        "makes a map of whatever it is given",
        tell | asked,
        told | {
            if asked.op() == "calibrate" && !told.is_ok() {
                told.become_ok(
                    json!({"map": {"method": "vocab_overlap"}, "saved": false}),
                    &[("w_map", &[])],
                );
            }
        }
    ),
    mutant!(
        "calibrate-hashes-swapped",
        "writes the source's hash in place of the target's",
        tell | asked,
        told | {
            calibrated(asked, told, |map| {
                let source = map.insert("source_hash".to_owned(), map["target_hash"].clone());
                map.insert("target_hash".to_owned(), source.unwrap_or_default());
            });
        }
    ),
    mutant!(
        "calibrate-score-one",
        "gives every map a score of one",
        tell | asked,
        told | {
            calibrated(asked, told, |map| _ = map.insert("validation_score".to_owned(), json!(1.0)));
        }
    ),
    mutant!(
        "calibrate-length-of-shared-rows",
        "measures the length of the shared rows alone",
        tell | asked,
        told | {
            if let Some(rows) = Rows::of(told, "w_map") {
                let length = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>().sqrt();
                let mean = rows.each().map(length).sum::<f64>() / rows.count().max(1) as f64;
                calibrated(asked, told, |map| _ = map.insert("target_norm".to_owned(), json!(mean)));
            }
        }
    ),
    mutant!(
        "calibrate-first-rows",
        "takes the first rows for those of the shared tokens",
        tell | asked,
        told | {
            if asked.op() == "calibrate"
                && let Some(embed) = Rows::of(asked, "tgt_embed")
                && let Some(rows) = Rows::of(told, "w_map")
            {
                embed.first(rows.count()).put(told, "w_map");
            }
        }
    ),
    mutant!(
        "calibrate-padding-cut",
        "cuts the target's rows to its vocabulary",
        tell | asked,
        told | {
            let vocab = asked.args().get("target").and_then(|side| side["vocab"].as_object());
            if asked.op() == "calibrate"
                && let Some(rows) = Rows::of(told, "w_map")
                && let Some(count) = vocab.map(Map::len).filter(|count| *count < rows.count())
            {
                rows.first(count).put(told, "w_map");
            }
        }
    ),
    mutant!(
        "calibrate-never-saves",
        "keeps its maps to itself",
        ask | frame | {
            if frame.op() == "calibrate" {
                frame.args_mut().insert("auto_save".to_owned(), false.into());
            }
        }
    ),
    mutant!(
        "calibrate-always-saves",
        "saves its maps whether wanted or not",
        ask | frame | {
            if frame.op() == "calibrate" {
                frame.args_mut().shift_remove("auto_save");
            }
        }
    ),
    mutant!(
        "calibrate-fails-without-a-disk",
        "has no map where it can't save one",
        tell | asked,
        told | {
            let unsaved = told.ok_mut().is_some_and(|ok| ok.get("saved") == Some(&false.into()));
            if asked.op() == "calibrate" && unsaved && asked.args().get("auto_save").is_none() {
                told.become_err("configuration");
            }
        }
    ),
];

fn calibrated(asked: &Frame, told: &mut Frame, change: impl Fn(&mut Map<String, Value>)) {
    if asked.op() == "calibrate" {
        changed(told, change);
    }
}
