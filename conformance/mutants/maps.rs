//! Projection maps that are kept and found in a wrong way on purpose.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::rows::Rows;
use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "map-id-of-15-characters",
        "takes one character of each hash too few",
        tell | asked,
        told | {
            named(asked, told, |source, target| format!("{}_{}", start(source, 15), start(target, 15)));
        }
    ),
    mutant!(
        "map-id-target-first",
        "names the target before the source",
        tell | asked,
        told | {
            named(asked, told, |source, target| format!("{}_{}", start(target, 16), start(source, 16)));
        }
    ),
    mutant!(
        "map-way-back-found",
        "finds a map for the way back",
        tell | asked,
        told | {
            if asked.op() == "map_find"
                && told.ok_mut().is_some_and(|ok| ok.get("file").is_none_or(Value::is_null))
            {
                let back = crate::again(asked, "map_find", turned);
                if let (Some(ok), Some(file)) =
                    (told.ok_mut(), back.json.get("ok").and_then(|ok| ok.get("file")))
                {
                    ok.insert("file".to_owned(), file.clone());
                }
            }
        }
    ),
    mutant!(
        "map-found-unseen",
        "tells where a map would lie without a look whether it lies there",
        tell | asked,
        told | {
            if asked.op() == "map_find"
                && let Some(folder) = cache(asked)
                && let Some(ok) = told.ok_mut()
            {
                let file = folder.join(format!("{}.safetensors", named_in(asked)));
                ok.insert("file".to_owned(), file.to_string_lossy().into());
            }
        }
    ),
    mutant!(
        "map-empty-for-none",
        "loads an empty map where there is none",
        tell | asked,
        told | {
            if asked.op() == "map_load" && told.is_ok() && !holds_map(told) {
                told.become_ok(json!({"map": {"method": "vocab_mediated", "anchor_count": 0}}), &[]);
            }
        }
    ),
    mutant!(
        "map-never-found",
        "finds no map",
        tell | asked,
        told | {
            if asked.op() == "map_find"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("file".to_owned(), Value::Null);
            }
        }
    ),
    mutant!(
        "map-beside-its-folder",
        "writes maps into the cache directory itself",
        tell | asked,
        told | {
            if asked.op() == "map_save"
                && told.is_ok()
                && let Some(folder) = cache(asked)
            {
                for entry in fs::read_dir(folder.join("maps")).into_iter().flatten().flatten() {
                    let _ = fs::rename(entry.path(), folder.join(entry.file_name()));
                }
            }
        }
    ),
    mutant!(
        "map-score-dropped",
        "loses the score on the disk",
        tell | asked,
        told | {
            loaded(asked, told, |map| _ = map.insert("validation_score".to_owned(), json!(0.0)));
        }
    ),
    mutant!(
        "map-names-swapped",
        "takes the source's name for the target's",
        tell | asked,
        told | {
            loaded(asked, told, |map| {
                let source = map.get("source_model_id").cloned().unwrap_or_default();
                map.insert("target_model_id".to_owned(), source);
            });
        }
    ),
    mutant!(
        "map-rows-in-bfloat16",
        "keeps the rows in bfloat16",
        tell | asked,
        told | {
            if asked.op() == "map_load"
                && let Some(bytes) = told.part_mut("w_map")
            {
                bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|value| value[..2].fill(0));
            }
        }
    ),
    mutant!(
        "map-indices-dropped",
        "loses the indices on the disk",
        tell | asked,
        told | {
            if asked.op() == "map_load" {
                told.parts.retain(|part| !part.name().ends_with("_indices"));
            }
        }
    ),
    mutant!(
        "map-bias-dropped",
        "loses the bias on the disk",
        tell | asked,
        told | {
            if asked.op() == "map_load" {
                told.parts.retain(|part| part.name() != "bias");
            }
        }
    ),
    mutant!(
        "map-first-one-stays",
        "does not replace a map that is there",
        ask | frame | {
            if frame.op() == "map_save" {
                remember(frame, true);
                let first = SAVED.lock().ok().and_then(|saved| saved.clone());
                if let Some(first) = first.filter(|first| cache(first) == cache(frame)) {
                    frame.parts = first.parts.clone();
                    *frame.args_mut() = first.args().clone();
                }
            }
        }
    ),
    mutant!(
        "map-damage-overlooked",
        "makes up what a damaged file lacks",
        tell | asked,
        told | {
            remember(asked, false);
            if asked.op() == "map_load" && !holds_map(told) {
                recall(asked, told, |saved, given| saved == given);
            }
        }
    ),
    mutant!(
        "map-full-hash-unchecked",
        "takes any map whose hashes begin alike",
        tell | asked,
        told | {
            remember(asked, false);
            if asked.op() == "map_load" && !holds_map(told) {
                recall(asked, told, |saved, given| start(saved, 16) == start(given, 16));
            }
        }
    ),
    mutant!(
        "map-name-believed",
        "takes a file for what its name says",
        tell | asked,
        told | {
            remember(asked, false);
            if asked.op() == "map_load" && !holds_map(told) {
                let name = named_in(asked);
                let there = cache(asked).is_some_and(|folder| lies_in(&folder.join("maps"), &name));
                if there {
                    recall(asked, told, |_, _| true);
                }
            }
        }
    ),
    mutant!(
        "map-file-anywhere",
        "makes a file name of whatever hash it is given",
        tell | asked,
        told | {
            let map = asked.args().get("map");
            let hash = |name: &str| map.and_then(|map| map[name].as_str()).unwrap_or_default();
            let (source, target) = (hash("source_hash"), hash("target_hash"));
            if asked.op() == "map_save"
                && (source.contains('/') || target.contains('/'))
                && let Some(folder) = cache(asked)
            {
                let name = format!("{}_{}.map", start(source, 16), start(target, 16));
                let _ = fs::create_dir_all(folder.join("maps"));
                let _ = fs::create_dir_all(folder.join("maps").join(start(source, 16)));
                let _ = fs::write(folder.join("maps").join(&name), "a map");
                told.become_ok(json!({ "file": name }), &[]);
            }
        }
    ),
    mutant!(
        "map-old-form-refused",
        "wants fields that old files lack",
        tell | asked,
        told | {
            let old =
                asked.part("pt").is_some_and(|file| !file.windows(13).any(|text| text == b"overlap_count"));
            if asked.op() == "map_import" && old {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "map-imported-rows-transposed",
        "reads a foreign map's rows as columns",
        tell | asked,
        told | {
            if asked.op() == "map_import"
                && let Some(rows) = Rows::of(told, "w_map")
            {
                rows.transposed().put(told, "w_map");
            }
        }
    ),
    mutant!(
        "map-imported-indices-swapped",
        "takes a foreign map's indices for one another",
        tell | asked,
        told | {
            if asked.op() == "map_import" {
                for part in &mut told.parts {
                    let other = match part.name() {
                        "src_indices" => "tgt_indices",
                        "tgt_indices" => "src_indices",
                        _ => continue,
                    };
                    part.spec.insert("name".to_owned(), other.into());
                }
            }
        }
    ),
    mutant!(
        "map-code-run",
        "runs what a foreign file says",
        ask | frame | {
            let code = frame.part("pt").is_some_and(|file| file.windows(5).any(|text| text == b"_exit"));
            if frame.op() == "map_import" && code {
                std::process::exit(3);
            }
        }
    ),
];

/// The last map that was saved, for mutants that should have forgotten it.
static SAVED: Mutex<Option<Frame>> = Mutex::new(None);

/// Remembers the request that saves a map; only the first one of a folder, where that is wanted.
fn remember(asked: &Frame, first: bool) {
    if asked.op() == "map_save"
        && let Ok(mut saved) = SAVED.lock()
        && !(first && saved.as_ref().is_some_and(|known| cache(known) == cache(asked)))
    {
        *saved = Some(asked.clone());
    }
}

/// Answers the map that was saved last, where both of its hashes are alike enough.
fn recall(asked: &Frame, told: &mut Frame, alike: impl Fn(&str, &str) -> bool) {
    let Ok(saved) = SAVED.lock() else { return };
    let Some(saved) = &*saved else { return };
    let map = saved.args().get("map").cloned().unwrap_or_default();
    let same = |name: &str| {
        let given = asked.args().get(name).and_then(Value::as_str).unwrap_or_default();
        alike(map[name].as_str().unwrap_or_default(), given)
    };
    if cache(saved) == cache(asked) && same("source_hash") && same("target_hash") {
        told.become_ok(json!({ "map": map }), &[]);
        told.parts.clone_from(&saved.parts);
    }
}

fn holds_map(told: &mut Frame) -> bool {
    told.ok_mut().is_some_and(|ok| ok.get("map").is_some_and(Value::is_object))
}

fn start(hash: &str, count: usize) -> String {
    hash.chars().take(count).collect()
}

/// The stem of the file that a request means.
fn named_in(asked: &Frame) -> String {
    let hash = |name: &str| asked.args().get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{}_{}", start(hash("source_hash"), 16), start(hash("target_hash"), 16))
}

fn lies_in(folder: &Path, stem: &str) -> bool {
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.any(|entry| entry.file_name().to_string_lossy().starts_with(stem))
}

/// The cache directory of a request that uses one.
fn cache(frame: &Frame) -> Option<PathBuf> {
    let uses = frame.op().starts_with("map_");
    uses.then(|| frame.args().get("cache_dir")?.as_str().map(PathBuf::from)).flatten()
}

/// Asks for the way back.
fn turned(args: &mut Map<String, Value>) {
    let source = args.get("source_hash").cloned().unwrap_or_default();
    let target = args.insert("target_hash".to_owned(), source).unwrap_or_default();
    args.insert("source_hash".to_owned(), target);
}

fn named(asked: &Frame, told: &mut Frame, id: impl Fn(&str, &str) -> String) {
    let hash = |name: &str| asked.args().get(name).and_then(Value::as_str).unwrap_or_default();
    if asked.op() == "map_id"
        && let Some(ok) = told.ok_mut()
    {
        ok.insert("id".to_owned(), id(hash("source_hash"), hash("target_hash")).into());
    }
}

/// Changes a map that is answered.
pub(crate) fn changed(told: &mut Frame, change: impl Fn(&mut Map<String, Value>)) {
    if let Some(map) = told.ok_mut().and_then(|ok| ok.get_mut("map")).and_then(Value::as_object_mut) {
        change(map);
    }
}

fn loaded(asked: &Frame, told: &mut Frame, change: impl Fn(&mut Map<String, Value>)) {
    if asked.op() == "map_load" {
        changed(told, change);
    }
}
