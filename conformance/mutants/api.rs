//! Transfer modes, metrics and the API above the codec, wrong on purpose.

use serde_json::{Map, Value, json};

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "transfer-cache-rounded",
        "sends caches in fewer bits",
        ask | frame | {
            round(frame, "kv_encode");
        }
    ),
    mutant!(
        "transfer-context-rounded",
        "writes contexts in fewer bits",
        ask | frame | {
            round(frame, "context_to_bytes");
        }
    ),
    mutant!(
        "transfer-size-of-keys-only",
        "forgets the values of a cache",
        tell | asked,
        told | {
            set(asked, told, "size_report", "full", |full| json!(full.as_u64().unwrap_or(0) / 2));
        }
    ),
    mutant!(
        "transfer-size-32-bits",
        "counts bytes in 32 bits",
        tell | asked,
        told | {
            set(asked, told, "size_report", "full", |full| json!(full.as_u64().unwrap_or(0) as u32));
        }
    ),
    mutant!(
        "transfer-always-full",
        "sends the whole cache over every line",
        tell | asked,
        told | {
            set(asked, told, "recommend_mode", "mode", |_| "full".into());
        }
    ),
    mutant!(
        "transfer-kbits",
        "takes megabits for kilobits",
        ask | frame | {
            if frame.op() == "recommend_mode"
                && let Some(megabits) = frame.args().get("megabits").and_then(Value::as_f64)
            {
                frame.args_mut().insert("megabits".to_owned(), json!(megabits / 1000.0));
            }
        }
    ),
    mutant!(
        "api-inspect-numbers",
        "shows enumerations as numbers",
        tell | asked,
        told | {
            for name in ["payload_type", "dtype", "mode"] {
                set(asked, told, "inspect", name, |_| json!(0));
            }
        }
    ),
    mutant!(
        "api-inspect-few-fields",
        "shows the header only",
        tell | asked,
        told | {
            if asked.op() == "inspect"
                && let Some(ok) = told.ok_mut()
            {
                ok.retain(|name, _| {
                    ["version", "flags", "payload_length", "metadata_length"].contains(&&**name)
                });
            }
        }
    ),
    mutant!(
        "api-inspect-junk-accepted",
        "shows what it can't read as an empty message",
        tell | asked,
        told | {
            if asked.op() == "inspect" && told.json.contains_key("err") {
                told.become_ok(json!({"version": 1, "flags": 0}), &[]);
            }
        }
    ),
    mutant!(
        "api-errors-flat",
        "makes every class a kind of none",
        tell | asked,
        told | {
            set(asked, told, "error_catalog", "errors", |errors| {
                errors
                    .as_object()
                    .into_iter()
                    .flat_map(Map::keys)
                    .map(|name| (name.clone(), Value::Null))
                    .collect()
            });
        }
    ),
    mutant!(
        "api-configuration-unknown",
        "has no class for wrong arguments",
        tell | asked,
        told | {
            set(asked, told, "error_catalog", "errors", |mut errors| {
                errors.as_object_mut().and_then(|errors| errors.remove("configuration"));
                errors
            });
        }
    ),
    mutant!(
        "api-hash-needs-an-engine",
        "reads configurations with a library that is not there",
        tell | asked,
        told | {
            if asked.op() == "model_hash" {
                told.become_err("engine_unavailable");
            }
        }
    ),
    mutant!(
        "api-unpack-keeps-the-envelope",
        "gives the envelope for the text in it",
        tell | asked,
        told | {
            if asked.op() == "easy_unpack"
                && let Some(text) = asked.part("data").and_then(|data| std::str::from_utf8(data).ok())
            {
                told.become_ok(json!({"content": text}), &[]);
            }
        }
    ),
    mutant!(
        "metrics-durations-renamed",
        "names durations after their unit",
        tell | asked,
        told | {
            rename(asked, told, |field| field.replace("duration_s", "seconds"));
        }
    ),
    mutant!(
        "metrics-without-trajectory",
        "does not diagnose norms",
        tell | asked,
        told | {
            rename(asked, told, |field| field.replace("norm_trajectory", "norms"));
        }
    ),
    mutant!(
        "metrics-new-names-only",
        "has forgotten the names of 0.2",
        tell | asked,
        told | {
            set(asked, told, "metrics_catalog", "types", |mut types| {
                for old in ["HandshakeMetrics", "PackMetrics", "UnpackMetrics"] {
                    types.as_object_mut().and_then(|types| types.remove(old));
                }
                types
            });
        }
    ),
    mutant!(
        "metrics-nan-is-healthy",
        "looks at the output only",
        ask | frame | {
            if frame.op() == "diagnostics" {
                frame.args_mut().insert("has_nan".to_owned(), false.into());
            }
        }
    ),
    mutant!(
        "metrics-summary-in-words",
        "writes the summary for people",
        tell | asked,
        told | {
            set(asked, told, "diagnostics", "summary", |summary| {
                summary
                    .as_str()
                    .unwrap_or_default()
                    .replace("OK", "healthy")
                    .replace("UNHEALTHY", "sick")
                    .into()
            });
        }
    ),
    mutant!(
        "metrics-summary-of-two-lines",
        "breaks the summary",
        tell | asked,
        told | {
            set(asked, told, "diagnostics", "summary", |summary| {
                summary.as_str().unwrap_or_default().replace(" | ", "\n").into()
            });
        }
    ),
    mutant!(
        "metrics-overlap-of-the-union",
        "divides by the words of both texts together",
        tell | asked,
        told | {
            let words = |name: &str| -> std::collections::BTreeSet<String> {
                let text = asked.args().get(name).and_then(Value::as_str).unwrap_or_default();
                text.split_whitespace().map(str::to_lowercase).collect()
            };
            let (a, b) = (words("a"), words("b"));
            set(asked, told, "word_overlap", "overlap", |overlap| match a.union(&b).count() {
                0 => overlap,
                all => json!(a.intersection(&b).count() as f64 / all as f64),
            });
        }
    ),
    mutant!(
        "metrics-overlap-of-nothing-is-zero",
        "finds two empty texts unlike",
        tell | asked,
        told | {
            let blank =
                |name| asked.args().get(name).and_then(Value::as_str).is_some_and(|t| t.trim().is_empty());
            let both = blank("a") && blank("b");
            set(asked, told, "word_overlap", "overlap", |overlap| if both { json!(0.0) } else { overlap });
        }
    ),
    mutant!(
        "metrics-timings-in-microseconds",
        "tells microseconds for seconds",
        tell | asked,
        told | {
            for name in ["encode_s", "decode_s"] {
                set(asked, told, "codec_timings", name, |seconds| {
                    // A clock that ticks coarsely may say nothing; a microsecond is what it then says.
                    json!(seconds.as_f64().unwrap_or(0.0).max(1e-5) * 1e6)
                });
            }
        }
    ),
];

/// Changes a value of an answer to `op`.
fn set(asked: &Frame, told: &mut Frame, op: &str, name: &str, change: impl FnOnce(Value) -> Value) {
    if asked.op() == op
        && let Some(value) = told.ok_mut().and_then(|ok| ok.get_mut(name))
    {
        *value = change(value.take());
    }
}

/// Renames fields of the metrics.
fn rename(asked: &Frame, told: &mut Frame, change: impl Fn(&str) -> String) {
    set(asked, told, "metrics_catalog", "types", |mut types| {
        let lists = types.as_object_mut().into_iter().flat_map(|types| types.values_mut());
        for field in lists.filter_map(Value::as_array_mut).flatten() {
            *field = change(field.as_str().unwrap_or_default()).into();
        }
        types
    });
}

/// Clears the last bit of every second byte of the tensors that go to `op`: the low byte of any 16-bit element.
fn round(frame: &mut Frame, op: &str) {
    if frame.op() == op {
        frame.parts.iter_mut().flat_map(|part| part.bytes.iter_mut().step_by(2)).for_each(|byte| *byte &= !1);
    }
}
