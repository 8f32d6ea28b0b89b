//! Readers of KV caches that are wrong on purpose, and writers that put down what the format can't carry.

use half::f16;
use serde_json::{Value, json};

use crate::{
    Mutant,
    frame::{Frame, Part},
    mutant,
};

/// Bytes of the header.
const HEADER: usize = 17;

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "kv-header-read-big-endian",
        "reads the numbers of the header in network order",
        ask | frame | {
            if let Some(numbers) = received(frame).and_then(|kv| kv.get_mut(..16)) {
                numbers.chunks_exact_mut(4).for_each(<[u8]>::reverse);
            }
        }
    ),
    mutant!(
        "kv-header-read-padded",
        "reads the header as a struct that a compiler padded to 20 bytes",
        ask | frame | {
            if let Some(kv) = received(frame).filter(|kv| kv.len() >= 20) {
                kv.drain(HEADER..20);
            }
        }
    ),
    mutant!(
        "kv-values-read-first",
        "reads V before K",
        tell | asked,
        told | {
            if let Some(cache) = read(asked, told) {
                for pair in cache.parts.chunks_exact_mut(2) {
                    let (keys, values) = pair.split_at_mut(1);
                    std::mem::swap(&mut keys[0].bytes, &mut values[0].bytes);
                }
            }
        }
    ),
    mutant!(
        "kv-keys-read-before-values",
        "reads the keys of all layers and then the values of all",
        tell | asked,
        told | {
            if let Some(cache) = read(asked, told) {
                let as_sent: Vec<Vec<u8>> = cache.parts.iter().map(|part| part.bytes.clone()).collect();
                let layers = as_sent.len() / 2;
                for (at, part) in cache.parts.iter_mut().enumerate() {
                    part.bytes = as_sent[at / 2 + at % 2 * layers].clone();
                }
            }
        }
    ),
    mutant!(
        "kv-tokens-read-before-heads",
        "reads each tensor as [seq, heads, head_dim]",
        tell | asked,
        told | {
            let number = |told: &Frame, name: &str| told.json["ok"][name].as_u64().unwrap_or(0) as usize;
            if let Some(cache) = read(asked, told) {
                let (heads, tokens) = (number(cache, "num_kv_heads"), number(cache, "seq_len"));
                for part in &mut cache.parts {
                    let Some(row) = part.bytes.len().checked_div(heads * tokens).filter(|row| *row > 0)
                    else {
                        continue;
                    };
                    let rows: Vec<&[u8]> = part.bytes.chunks_exact(row).collect();
                    let by_head = (0..heads).flat_map(|head| (0..tokens).map(move |token| (token, head)));
                    part.bytes =
                        by_head.map(|(token, head)| rows[token * heads + head]).collect::<Vec<_>>().concat();
                }
            }
        }
    ),
    mutant!(
        "kv-bfloat16-read-as-float16",
        "takes both types of two bytes for float16",
        tell | asked,
        told | {
            if let Some(cache) = read(asked, told)
                && dtype(cache) == "bf16"
            {
                label(cache, "f16");
            }
        }
    ),
    mutant!(
        "kv-float16-widened",
        "hands float16 caches on as float32",
        tell | asked,
        told | {
            if let Some(cache) = read(asked, told)
                && dtype(cache) == "f16"
            {
                let wide = |two: &[u8; 2]| f16::from_le_bytes(*two).to_f32().to_le_bytes();
                for part in &mut cache.parts {
                    part.bytes = part.bytes.as_chunks().0.iter().flat_map(wide).collect();
                }
                label(cache, "f32");
            }
        }
    ),
    mutant!(
        "kv-float32-narrowed",
        "hands float32 caches on as float16",
        tell | asked,
        told | {
            if let Some(cache) = read(asked, told)
                && dtype(cache) == "f32"
            {
                let narrow = |four: &[u8; 4]| f16::from_f32(f32::from_le_bytes(*four)).to_le_bytes();
                for part in &mut cache.parts {
                    part.bytes = part.bytes.as_chunks().0.iter().flat_map(narrow).collect();
                }
                label(cache, "f16");
            }
        }
    ),
    mutant!(
        "kv-signalling-nan-quieted",
        "passes float32 through a register that makes every NaN quiet",
        tell | asked,
        told | {
            if let Some(cache) = read(asked, told)
                && dtype(cache) == "f32"
            {
                for part in &mut cache.parts {
                    part.bytes.as_chunks_mut().0.iter_mut().for_each(quiet);
                }
            }
        }
    ),
    mutant!(
        "kv-short-header-is-empty",
        "takes what is shorter than a header for an empty cache",
        tell | asked,
        told | {
            if asked.op() == "kv_decode" && asked.part("kv").is_some_and(|kv| kv.len() < HEADER) {
                told.become_ok(empty(), &[]);
            }
        }
    ),
    mutant!(
        "kv-size-in-32-bits",
        "computes the size of a tensor in 32 bits",
        tell | asked,
        told | {
            if let Some((header, data)) = sent(asked)
                && let [layers, heads, head_dim, seq_len] = header.numbers
                && let Some(dtype @ ("f32" | "f16" | "bf16")) = header.dtype()
                && layers < 16
            {
                let width: u32 = if dtype == "f32" { 4 } else { 2 };
                let size = [heads, head_dim, seq_len].into_iter().fold(width, u32::wrapping_mul) as usize;
                if data.len() == 2 * layers as usize * size {
                    let ok = json!({"num_layers": layers, "num_kv_heads": heads, "head_dim": head_dim, "seq_len": seq_len, "dtype": dtype});
                    told.become_ok(ok, &[]);
                    for at in 0..2 * layers as usize {
                        let name = format!("{}{}", if at % 2 == 0 { 'k' } else { 'v' }, at / 2);
                        told.parts.push(Part::named(&name, &data[at * size..(at + 1) * size]));
                    }
                }
            }
        }
    ),
    mutant!(
        "kv-empty-refused",
        "refuses caches without layers or without tokens",
        tell | asked,
        told | {
            if let Some((header, _)) = sent(asked)
                && (header.numbers[0] == 0 || header.numbers[3] == 0)
                && told.is_ok()
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "kv-nothing-written",
        "writes a header of zeros for a cache without layers",
        tell | asked,
        told | {
            if asked.op() == "kv_encode" && asked.parts.is_empty() {
                told.become_ok(json!({}), &[("kv", &[0; HEADER])]);
            }
        }
    ),
    mutant!(
        "kv-batch-of-the-first-layer",
        "looks at the batch of the first layer, and takes the first sequence of the others",
        ask | frame | {
            if frame.op() == "kv_encode" {
                for part in frame.parts.iter_mut().skip(2) {
                    if let [batch, heads, tokens, dim] = shape(part)[..]
                        && batch > 1
                    {
                        part.bytes.truncate(part.bytes.len() / batch);
                        part.spec.insert("shape".to_owned(), json!([1, heads, tokens, dim]));
                    }
                }
            }
        }
    ),
    mutant!(
        "kv-first-shape-for-all",
        "takes shape and type of the first tensor for those of all",
        tell | asked,
        told | {
            if told.json.contains_key("err") {
                write(asked, told, |_| true);
            }
        }
    ),
    mutant!(
        "kv-tensors-compared-by-length",
        "takes tensors of the same number of bytes for tensors of the same shape",
        tell | asked,
        told | {
            if told.json.contains_key("err") {
                write(asked, told, |parts| parts.iter().all(|part| part.bytes.len() == parts[0].bytes.len()));
            }
        }
    ),
    mutant!(
        "kv-other-types-as-float16",
        "calls every type that it has no number for float16",
        tell | asked,
        told | {
            let other = |part: &Part| {
                let dtype = part.spec.get("dtype").and_then(Value::as_str);
                !matches!(dtype, Some("f32" | "f16" | "bf16"))
            };
            if told.json.contains_key("err") && asked.parts.iter().all(other) {
                write(asked, told, |_| true);
            }
        }
    ),
    mutant!(
        "kv-size-with-header",
        "counts the header in the size estimate",
        tell | asked,
        told | {
            if asked.op() == "kv_size"
                && let Some(bytes) = told.ok_mut().and_then(|ok| ok.get_mut("bytes"))
            {
                *bytes = bytes.as_u64().map(|bytes| bytes + HEADER as u64).into();
            }
        }
    ),
];

/// The numbers and the type of a header.
struct Header {
    /// Layers, heads, head dimension, tokens.
    numbers: [u32; 4],
    dtype: u8,
}

impl Header {
    fn dtype(&self) -> Option<&'static str> {
        ["f32", "f16", "bf16"].get(usize::from(self.dtype)).copied()
    }
}

/// The cache of a `kv_decode` request, to be changed before it is read.
fn received(frame: &mut Frame) -> Option<&mut Vec<u8>> {
    if frame.op() == "kv_decode" { frame.part_mut("kv") } else { None }
}

/// The same, by header and tensors.
fn sent(asked: &Frame) -> Option<(Header, &[u8])> {
    if asked.op() != "kv_decode" {
        return None;
    }
    let (head, data) = asked.part("kv")?.split_at_checked(HEADER)?;
    let numbers = head.as_chunks::<4>().0;
    let numbers = std::array::from_fn(|at| u32::from_le_bytes(numbers[at]));
    Some((Header { numbers, dtype: head[16] }, data))
}

/// The answer to `kv_decode`, when a cache was read.
fn read<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut Frame> {
    (asked.op() == "kv_decode" && told.is_ok()).then_some(told)
}

fn dtype(cache: &Frame) -> &str {
    cache.json["ok"]["dtype"].as_str().unwrap_or_default()
}

/// Says another type, of the cache and of each tensor.
fn label(cache: &mut Frame, dtype: &str) {
    if let Some(ok) = cache.ok_mut() {
        ok.insert("dtype".to_owned(), dtype.into());
    }
    for part in &mut cache.parts {
        part.spec.insert("dtype".to_owned(), dtype.into());
    }
}

/// Sets the bit that tells a quiet NaN from a signalling one.
pub(crate) fn quiet(four: &mut [u8; 4]) {
    if f32::from_le_bytes(*four).is_nan() {
        four[2] |= 0x40;
    }
}

fn empty() -> Value {
    json!({"num_layers": 0, "num_kv_heads": 0, "head_dim": 0, "seq_len": 0, "dtype": "f32"})
}

fn shape(part: &Part) -> Vec<usize> {
    let shape = part.spec.get("shape").and_then(Value::as_array).into_iter().flatten();
    shape.filter_map(Value::as_u64).map(|n| n as usize).collect()
}

/// Answers `kv_encode` with all the tensors under a header that the first one fills, where they pass a look.
fn write(asked: &Frame, told: &mut Frame, passes: impl Fn(&[Part]) -> bool) {
    if asked.op() != "kv_encode" || asked.parts.is_empty() || !passes(&asked.parts) {
        return;
    }
    let [.., heads, tokens, dim] = shape(&asked.parts[0])[..] else { return };
    let numbers = [asked.parts.len() / 2, heads, dim, tokens];
    let mut kv: Vec<u8> = numbers.iter().flat_map(|n| (*n as u32).to_le_bytes()).collect();
    kv.push(match asked.parts[0].spec.get("dtype").and_then(Value::as_str) {
        Some("f32") => 0,
        Some("bf16") => 2,
        _ => 1,
    });
    asked.parts.iter().for_each(|part| kv.extend(&part.bytes));
    told.become_ok(json!({}), &[("kv", &kv)]);
}
