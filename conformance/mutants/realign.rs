//! Realignments and norms that are wrong on purpose.

use std::fs;
use std::path::PathBuf;

use half::f16;
use serde_json::{Value, json};

use crate::rows::{Rows, length};
use crate::{Ask, Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "realign-lambda-left-out",
        "solves the equations without λ",
        ask | frame | {
            if frame.op() == "realign_matrix" {
                frame.args_mut().insert("lambda".to_owned(), 0.into());
            }
        }
    ),
    mutant!(
        "realign-default-lambda-1e-3",
        "takes λ = 1e-3 when none is named",
        ask | frame | {
            default_lambda(frame, |_| 1e-3);
        }
    ),
    mutant!(
        "realign-default-lambda-of-the-trace",
        "takes 1e-5 of the Gram matrix's mean diagonal for λ",
        ask | frame | {
            default_lambda(frame, |head| {
                1e-5 * head.values.iter().map(|v| v * v).sum::<f64>() / head.dim as f64
            });
        }
    ),
    mutant!(
        "realign-transposed",
        "gives the matrix for a state that stands on its right",
        tell | asked,
        told | {
            if asked.op() == "realign_matrix"
                && let Some(w) = Rows::of(told, "w")
            {
                w.transposed().put(told, "w");
            }
        }
    ),
    mutant!(
        "realign-embeddings-swapped",
        "maps the input embedding to the head",
        ask | frame | {
            if frame.op() == "realign_matrix" {
                for part in &mut frame.parts {
                    let other = if part.name() == "e_in" { "e_out" } else { "e_in" };
                    part.spec.insert("name".to_owned(), other.into());
                }
            }
        }
    ),
    mutant!(
        "realign-target-norm-of-the-head",
        "measures the lengths of the head's rows",
        tell | asked,
        told | {
            if asked.op() == "realign_matrix"
                && let Some(head) = Rows::of(asked, "e_out")
                && let Some(ok) = told.ok_mut()
            {
                let lengths = head.each().map(length);
                ok.insert("target_norm".to_owned(), json!(lengths.sum::<f64>() / head.count() as f64));
            }
        }
    ),
    mutant!(
        "realign-sums-in-float16",
        "sums products of 16-bit weights in float16",
        ask | frame | {
            if frame.op() == "realign_matrix"
                && let Some(answer) = summed_in_float16(frame)
            {
                return Ask::Answer(Box::new(answer));
            }
        }
    ),
    mutant!(
        "realign-rows-cut",
        "cuts the longer embedding to the shorter one's rows",
        ask | frame | {
            if frame.op() == "realign_matrix"
                && let Some(e_in) = Rows::of(frame, "e_in")
                && let Some(e_out) = Rows::of(frame, "e_out")
                && e_in.count() != e_out.count()
            {
                let count = e_in.count().min(e_out.count());
                e_in.first(count).put(frame, "e_in");
                e_out.first(count).put(frame, "e_out");
            }
        }
    ),
    mutant!(
        "realign-missing-is-the-other",
        "takes the embedding that is there for the one that is not",
        ask | frame | {
            if frame.op() == "realign_matrix"
                && let [only] = &frame.parts[..]
            {
                let mut copy = only.clone();
                let other = if only.name() == "e_in" { "e_out" } else { "e_in" };
                copy.spec.insert("name".to_owned(), other.into());
                frame.parts.push(copy);
            }
        }
    ),
    mutant!(
        "realign-applied-from-the-left",
        "multiplies with the matrix on the left",
        ask | frame | {
            if frame.op() == "realign_apply"
                && let Some(w) = Rows::of(frame, "w")
            {
                w.transposed().put(frame, "w");
            }
        }
    ),
    mutant!(
        "realign-not-normalised",
        "leaves the product at its own length",
        tell | asked,
        told | {
            if asked.op() == "realign_apply"
                && let Some(hidden) = Rows::of(asked, "hidden")
                && let Some(w) = Rows::of(asked, "w")
            {
                hidden.times(&w).put(told, "aligned");
            }
        }
    ),
    mutant!(
        "realign-length-of-the-batch",
        "brings a batch as a whole to the target length",
        tell | asked,
        told | {
            if asked.op() == "realign_apply"
                && let Some(hidden) = Rows::of(asked, "hidden")
                && let Some(w) = Rows::of(asked, "w")
            {
                let made = hidden.times(&w);
                let mean = (length(&made.values) / (made.count().max(1) as f64).sqrt()).max(1e-6);
                made.map(|value| value * target(asked) / mean).put(told, "aligned");
            }
        }
    ),
    mutant!(
        "realign-needed-only-when-said",
        "takes a silent configuration for a tied model",
        tell | asked,
        told | {
            let silent =
                asked.args().get("config").is_some_and(|config| !config["tie_word_embeddings"].is_boolean());
            if asked.op() == "needs_realignment"
                && silent
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("value".to_owned(), false.into());
            }
        }
    ),
    mutant!(
        "realign-always-needed",
        "realigns tied models too",
        tell | asked,
        told | {
            if asked.op() == "needs_realignment"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("value".to_owned(), true.into());
            }
        }
    ),
    mutant!(
        "realign-cache-never-read",
        "computes the matrix anew at every call",
        ask | frame | {
            if let Some(folder) = cache(frame) {
                let _ = fs::remove_dir_all(folder);
            }
        }
    ),
    mutant!(
        "realign-cache-one-for-all",
        "keeps one matrix whatever the model",
        ask | frame | {
            if cache(frame).is_some() {
                frame.args_mut().insert("model_hash".to_owned(), "00".into());
            }
        }
    ),
    mutant!(
        "realign-cache-folder-ignored",
        "keeps its files in one place wherever it is sent",
        ask | frame | {
            if let Some(parent) = cache(frame).and_then(|folder| Some(folder.parent()?.join("fixed"))) {
                frame.args_mut().insert("cache_dir".to_owned(), json!(parent));
            }
        }
    ),
    mutant!(
        "realign-cache-beside-its-folder",
        "writes its files into the cache directory itself",
        ask | frame | {
            if let Some(folder) = cache(frame) {
                let _ = fs::create_dir_all(folder.join("realign"));
                move_files(&folder, &folder.join("realign"));
            }
        },
        tell | asked,
        _told | {
            if let Some(folder) = cache(asked) {
                move_files(&folder.join("realign"), &folder);
                let _ = fs::remove_dir(folder.join("realign"));
            }
        }
    ),
    mutant!(
        "realign-cache-file-anywhere",
        "makes a file name of whatever hash it is given",
        tell | asked,
        told | {
            let hash = asked.args().get("model_hash").and_then(Value::as_str).unwrap_or_default();
            if let Some(folder) = cache(asked)
                && hash.contains('/')
            {
                let file = folder.join("realign").join(hash);
                let _ = fs::create_dir_all(folder.join("realign/inner"));
                let _ = fs::write(file, "a matrix");
                told.become_ok(json!({"target_norm": 1.0}), &[("w", &[])]);
            }
        }
    ),
    mutant!(
        "norm-largest",
        "takes the longest embedding for the target",
        tell | asked,
        told | {
            target_norm(asked, told, |lengths| lengths.iter().copied().fold(0.0, f64::max));
        }
    ),
    mutant!(
        "norm-root-mean-square",
        "takes the root of the mean square for the target",
        tell | asked,
        told | {
            target_norm(asked, told, |lengths| length(lengths) / (lengths.len() as f64).sqrt());
        }
    ),
    mutant!(
        "norm-middle",
        "takes the middle length for the target",
        tell | asked,
        told | {
            target_norm(asked, told, |lengths| {
                lengths.sort_by(f64::total_cmp);
                lengths[lengths.len() / 2]
            });
        }
    ),
    mutant!(
        "norm-zeros-left-out",
        "leaves rows of zeros out of the mean",
        tell | asked,
        told | {
            target_norm(asked, told, |lengths| {
                lengths.retain(|length| *length > 0.0);
                lengths.iter().sum::<f64>() / lengths.len().max(1) as f64
            });
        }
    ),
    mutant!(
        "norm-floor-missing",
        "divides by the length as it is",
        tell | asked,
        told | {
            rescaled(asked, told, |length| length);
        }
    ),
    mutant!(
        "norm-floor-added",
        "adds the floor to the length",
        tell | asked,
        told | {
            rescaled(asked, told, |length| length + 1e-6);
        }
    ),
    mutant!(
        "norm-floor-one",
        "leaves states alone that are shorter than one",
        tell | asked,
        told | {
            rescaled(asked, told, |length| length.max(1.0));
        }
    ),
];

fn target(asked: &Frame) -> f64 {
    asked.args().get("target_norm").and_then(Value::as_f64).unwrap_or(1.0)
}

/// Puts a λ where a request names none.
fn default_lambda(frame: &mut Frame, choose: impl Fn(&Rows) -> f64) {
    if frame.op() == "realign_matrix"
        && !frame.args().contains_key("lambda")
        && let Some(head) = Rows::of(frame, "e_out")
    {
        frame.args_mut().insert("lambda".to_owned(), json!(choose(&head)));
    }
}

/// The answer of an implementation that sums in float16, to embeddings of 16 bits.
fn summed_in_float16(frame: &Frame) -> Option<Frame> {
    let wide = |name: &str| {
        let part = frame.parts.iter().find(|part| part.name() == name);
        part.is_none_or(|part| part.spec.get("dtype") == Some(&"f32".into()))
    };
    let (e_in, e_out) = (Rows::of(frame, "e_in")?, Rows::of(frame, "e_out")?);
    if wide("e_in") || wide("e_out") || e_in.count() != e_out.count() {
        return None;
    }
    let summed = |other: &Rows, i: usize, j: usize| {
        let products = e_out.each().zip(other.each()).map(|(a, b)| f16::from_f64(a[i] * b[j]));
        products.fold(f16::ZERO, |sum, product| sum + product).to_f64()
    };
    let dim = e_out.dim;
    let mut rows: Vec<Vec<f64>> = (0..dim)
        .map(|i| {
            let gram = (0..dim).map(|j| summed(&e_out, i, j) + if i == j { 1e-5 } else { 0.0 });
            gram.chain((0..dim).map(|j| summed(&e_in, i, j))).collect()
        })
        .collect();
    // Gauss and Jordan; the Gram matrix has a strong diagonal.
    for step in 0..dim {
        let divisor = rows[step][step];
        rows[step].iter_mut().for_each(|value| *value /= divisor);
        let pivot = rows[step].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != step) {
            let factor = row[step];
            row.iter_mut().zip(&pivot).for_each(|(value, other)| *value -= factor * other);
        }
    }
    let values = rows.iter().flat_map(|row| row[dim..].iter().copied()).collect();
    let norm = e_in.each().map(length).sum::<f64>() / e_in.count() as f64;
    let mut answer = Frame::default();
    answer.json.insert("id".to_owned(), frame.json.get("id").cloned().unwrap_or_default());
    answer.become_ok(json!({ "target_norm": norm }), &[("w", &[])]);
    Rows { dim, values }.put(&mut answer, "w");
    Some(answer)
}

/// The cache directory of a request that uses one.
fn cache(frame: &Frame) -> Option<PathBuf> {
    let cached = frame.op() == "realign_cached";
    cached.then(|| frame.args().get("cache_dir")?.as_str().map(PathBuf::from)).flatten()
}

/// Moves the files, not the folders, of a folder.
fn move_files(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        if entry.path().is_file() {
            let _ = fs::rename(entry.path(), to.join(entry.file_name()));
        }
    }
}

/// Answers another number for the target norm.
fn target_norm(asked: &Frame, told: &mut Frame, choose: impl Fn(&mut Vec<f64>) -> f64) {
    if asked.op() == "target_norm"
        && let Some(embedding) = Rows::of(asked, "e_in")
        && let Some(ok) = told.ok_mut()
    {
        let mut lengths: Vec<f64> = embedding.each().map(length).collect();
        ok.insert("value".to_owned(), json!(choose(&mut lengths)));
    }
}

/// Brings states to the target length by another divisor.
fn rescaled(asked: &Frame, told: &mut Frame, divisor: impl Fn(f64) -> f64) {
    let Some(hidden) = Rows::of(asked, "hidden") else { return };
    let (name, made) = match (asked.op(), Rows::of(asked, "w")) {
        ("normalize", _) => ("out", hidden),
        ("realign_apply", Some(w)) => ("aligned", hidden.times(&w)),
        _ => return,
    };
    let target = target(asked);
    made.each_row(|row| {
        let scale = target / divisor(length(row));
        row.iter().map(|value| value * scale).collect()
    })
    .put(told, name);
}
