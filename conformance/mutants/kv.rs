//! KV codecs that are wrong on purpose.

use crate::{Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "kv-keys-and-values-swapped",
        "writes V before K",
        ask | frame | {
            swap_names(frame, |name| match name.split_at_checked(1) {
                Some(("k", layer)) => format!("v{layer}"),
                Some(("v", layer)) => format!("k{layer}"),
                _ => name.to_owned(),
            });
        }
    ),
    mutant!(
        "kv-layers-backwards",
        "writes the last layer first",
        ask | frame | {
            if frame.op() == "kv_encode" {
                let layers = frame.parts.len() / 2;
                swap_names(frame, |name| match name.split_at_checked(1) {
                    Some((kind, layer)) => {
                        format!("{kind}{}", layer.parse::<usize>().map_or(0, |layer| layers - 1 - layer))
                    }
                    None => name.to_owned(),
                });
            }
        }
    ),
    mutant!(
        "kv-heads-and-head-dim-swapped",
        "swaps two numbers of the header",
        tell | asked,
        told | {
            if let Some(header) = header(asked, told) {
                let (heads, head_dim) = header[4..12].split_at_mut(4);
                heads.swap_with_slice(head_dim);
            }
        }
    ),
    mutant!(
        "kv-header-big-endian",
        "writes seq_len in network order",
        tell | asked,
        told | {
            if let Some(header) = header(asked, told) {
                header[12..16].reverse();
            }
        }
    ),
    mutant!(
        "kv-dtype-as-in-numpy",
        "numbers float16 as 0 and float32 as 1",
        tell | asked,
        told | {
            if let Some(header) = header(asked, told)
                && header[16] < 2
            {
                header[16] ^= 1;
            }
        }
    ),
    mutant!(
        "kv-tokens-before-heads",
        "writes [seq, heads, head_dim]",
        ask | frame | {
            if frame.op() != "kv_encode" {
                return crate::Ask::Forward;
            }
            for part in &mut frame.parts {
                let shape: Vec<usize> = part
                    .spec
                    .get("shape")
                    .and_then(|shape| shape.as_array())
                    .map(|shape| {
                        shape.iter().filter_map(serde_json::Value::as_u64).map(|n| n as usize).collect()
                    })
                    .unwrap_or_default();
                if let [heads, seq, dim] = shape[..] {
                    let count = heads * seq * dim;
                    if count == 0 || part.bytes.len() % count != 0 {
                        continue;
                    }
                    let row = part.bytes.len() / (heads * seq);
                    let rows: Vec<Vec<u8>> = part.bytes.chunks(row).map(<[u8]>::to_vec).collect();
                    part.bytes = (0..seq)
                        .flat_map(|s| (0..heads).flat_map(|h| rows[h * seq + s].clone()).collect::<Vec<_>>())
                        .collect();
                }
            }
        }
    ),
    mutant!(
        "kv-unknown-dtype-is-float16",
        "reads every unknown dtype byte as float16",
        ask | frame | {
            if frame.op() == "kv_decode"
                && let Some(dtype) = frame.part_mut("kv").and_then(|kv| kv.get_mut(16)).filter(|d| **d > 2)
            {
                *dtype = 1;
            }
        }
    ),
    mutant!(
        "kv-truncated-accepted",
        "fills up missing tensor bytes with zeros",
        ask | frame | {
            if frame.op() == "kv_decode"
                && let Some(kv) = frame.part_mut("kv")
                && kv.len() >= 17
            {
                let number =
                    |at: usize| u64::from(u32::from_le_bytes([kv[at], kv[at + 1], kv[at + 2], kv[at + 3]]));
                let width = if kv[16] == 0 { 4 } else { 2 };
                let size = [number(0), number(4), number(8), number(12), 2 * width]
                    .into_iter()
                    .try_fold(1u64, u64::checked_mul)
                    .filter(|size| *size < 65_536);
                if let Some(size) = size {
                    kv.resize(kv.len().max(17 + size as usize), 0);
                }
            }
        }
    ),
    mutant!(
        "kv-nan-canonicalised",
        "turns every NaN into the canonical one",
        tell | asked,
        told | {
            if asked.op() == "kv_decode" && told.is_ok() {
                for part in &mut told.parts {
                    if part.spec.get("dtype").and_then(|d| d.as_str()) == Some("f16") {
                        for bits in part.bytes.chunks_exact_mut(2) {
                            if bits[1] & 0x7c == 0x7c && (bits[1] & 3 != 0 || bits[0] != 0) {
                                bits.copy_from_slice(&[0, 0x7e]);
                            }
                        }
                    }
                }
            }
        }
    ),
    mutant!(
        "kv-batch-flattened",
        "writes two batches under a single-batch header",
        ask | frame | {
            if frame.op() == "kv_encode" {
                for part in &mut frame.parts {
                    let shape = part.spec.get("shape").and_then(|shape| shape.as_array()).cloned();
                    if let Some([batch, heads, rest @ ..]) = shape.as_deref()
                        && rest.len() == 2
                    {
                        let heads = batch.as_u64().unwrap_or(1) * heads.as_u64().unwrap_or(1);
                        let shape = [&[heads.into()], rest].concat();
                        part.spec.insert("shape".to_owned(), shape.into());
                    }
                }
            }
        }
    ),
    mutant!(
        "kv-size-of-keys-only",
        "forgets V in the size estimate",
        tell | asked,
        told | {
            if asked.op() == "kv_size"
                && let Some(bytes) = told.ok_mut().and_then(|ok| ok.get_mut("bytes"))
            {
                *bytes = (bytes.as_u64().unwrap_or(0) / 2).into();
            }
        }
    ),
    mutant!(
        "kv-layers-believed",
        "counts to num_layers before it looks at the data",
        ask | frame | {
            if frame.op() == "kv_decode"
                && let Some(kv) = frame.part("kv")
                && kv.len() == 17
            {
                let layers = u32::from_le_bytes([kv[0], kv[1], kv[2], kv[3]]) as usize;
                // An eighth of what a list of that many layers would take: enough to be seen.
                std::hint::black_box(vec![1u8; layers.min(1 << 28)]);
            }
        }
    ),
];

/// The KV header of a `kv_encode` answer.
fn header<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut [u8]> {
    if asked.op() != "kv_encode" { None } else { told.part_mut("kv")?.get_mut(..17) }
}

/// Renames the tensors of a `kv_encode` request and puts them in order again.
fn swap_names(frame: &mut Frame, rename: impl Fn(&str) -> String) {
    if frame.op() == "kv_encode" {
        for part in &mut frame.parts {
            let name = rename(part.name());
            part.spec.insert("name".to_owned(), name.into());
        }
    }
}
