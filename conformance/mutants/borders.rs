//! Implementations that are wrong at a border: of a length, of a number, of a list of names.

use serde_json::{Map, Value, json};

use crate::{
    Mutant,
    decoder::{restore_header, rewrite, wire_of},
    encoder::edit_message,
    frame::{Frame, object},
    mutant,
    wire::{Wire, varint, varint_bytes},
};

/// Bytes that `payload_length` can't say any more.
const TOO_MANY: u64 = 1 << 32;

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "sized-wraps",
        "lets the length of a message wrap",
        tell | asked,
        told | {
            if told.json.contains_key("err") {
                announce(asked, told, |metadata, payload| (metadata + payload) as u32);
            }
        }
    ),
    mutant!(
        "sized-sum-wraps",
        "looks at the length of the payload alone and lets the sum wrap",
        tell | asked,
        told | {
            if told.json.contains_key("err") && payload_len(asked) < TOO_MANY {
                announce(asked, told, |metadata, payload| (metadata + payload) as u32);
            }
        }
    ),
    mutant!(
        "sized-signed",
        "takes lengths of more than 31 bits for too long",
        tell | asked,
        told | {
            if payload_len(asked) > TOO_MANY / 2 {
                told.become_err("limit_exceeded");
            }
        }
    ),
    mutant!(
        "encode-numbers-low-bits",
        "keeps the low 32 bits of every number",
        ask | frame | {
            let low = |value: &mut Value| {
                if let Some(number) = value.as_i64() {
                    *value = (number & 0xffff_ffff).into();
                }
            };
            if let Some(metadata) = metadata(frame) {
                for name in ["hidden_dim", "num_layers"] {
                    metadata.get_mut(name).map(low);
                }
                metadata
                    .get_mut("tensor_shape")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                    .for_each(low);
            }
        }
    ),
    mutant!(
        "encode-extra-as-it-is",
        "writes an extra value that is no text as a number",
        ask | frame | {
            if let Some(Value::Object(extra)) = metadata(frame).and_then(|metadata| metadata.get_mut("extra"))
            {
                for (_, value) in extra.iter_mut().filter(|(_, value)| !value.is_string()) {
                    *value = "0".into();
                }
            }
        },
        tell | asked,
        told | {
            let extra = asked.args().get("metadata").and_then(|metadata| metadata.get("extra"));
            let strange = extra.and_then(Value::as_object).and_then(|extra| {
                let (key, value) = extra.iter().find(|(_, value)| !value.is_string())?;
                Some((key.clone(), value.as_u64().unwrap_or(0)))
            });
            if let Some((key, number)) = strange {
                let entry =
                    [&[0x0a, key.len() as u8], key.as_bytes(), &[0x10], &varint_bytes(number)].concat();
                edit_message(asked, told, |wire| {
                    wire.edit(|n, _, bytes| match n {
                        14 => [&[0x72, entry.len() as u8], &entry[..]].concat(),
                        _ => bytes.to_vec(),
                    });
                });
            }
        }
    ),
    mutant!(
        "encode-extra-object-as-fault",
        "lets an error of its own through where an extra value is an object",
        tell | asked,
        told | {
            let extra = asked.args().get("metadata").and_then(|metadata| metadata.get("extra"));
            let mut values = extra.and_then(Value::as_object).into_iter().flat_map(Map::values);
            if asked.op() == "encode" && values.any(Value::is_object) {
                told.json.retain(|name, _| name != "ok" && name != "err");
                told.json.insert("fault".to_owned(), "an object has no method `encode`".into());
                told.parts.clear();
            }
        }
    ),
    mutant!(
        "encode-unknown-level-is-none",
        "takes a level of compression that it does not know for none",
        ask | frame | {
            if frame.op() == "encode"
                && let Some(level) = frame.args_mut().get_mut("compression")
                && level.as_str().is_some_and(|name| !["none", "fast", "balanced", "max"].contains(&name))
            {
                *level = "none".into();
            }
        }
    ),
    mutant!(
        "decode-hidden-dim-saturates",
        "puts the largest number in place of one that is too large",
        ask | frame | {
            rewrite(frame, |wire| {
                numbers(wire, 5, |number| number.min(u64::from(u32::MAX)));
            });
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-unknown-dtype-sticks",
        "falls back to FLOAT32 at an unknown number and does not look at what follows",
        ask | frame | {
            rewrite(frame, |wire| {
                let mut unknown = false;
                numbers(wire, 8, |number| {
                    unknown |= number > 5;
                    number
                });
                if unknown {
                    wire.drop_field(8);
                }
            });
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-crc-zero-refused",
        "takes a checksum of zero for one that was forgotten",
        tell | asked,
        told | {
            let zero = |(n, _, bytes): &(u64, u8, Vec<u8>)| *n == 15 && bytes[..] == [0x78, 0];
            if wire_of(asked).and_then(|wire| wire.fields()).is_some_and(|fields| fields.iter().any(zero)) {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-embedding-claimed",
        "says that it reads the payload type of earlier releases, and does not",
        tell | asked,
        told | {
            if asked.op() == "hello"
                && let Some(ok) = told.ok_mut()
            {
                object(ok, "features").insert("embedding".to_owned(), true.into());
            }
        }
    ),
    mutant!(
        "method-name-normalised",
        "knows a method in whatever case, with hyphens too",
        ask | frame | {
            method(frame, |name| name.to_lowercase().replace('-', "_"));
        }
    ),
    mutant!(
        "method-anything-goes",
        "takes a method that it does not know for vocab_mediated",
        tell | asked,
        told | {
            if asked.op() == "projection_method" && told.json.contains_key("err") {
                told.become_ok(json!({"name": "vocab_mediated"}), &[]);
            }
        }
    ),
    mutant!(
        "method-told-as-constant",
        "tells a method by the name of its constant",
        tell | asked,
        told | {
            if asked.op() == "projection_method"
                && let Some(name) = told.ok_mut().and_then(|ok| ok.get_mut("name"))
            {
                *name = name.as_str().unwrap_or_default().to_uppercase().into();
            }
        }
    ),
    mutant!(
        "method-of-old-is-todays",
        "takes the linear methods of 0.2 for vocab_mediated",
        tell | asked,
        told | {
            let name = asked.args().get("name").and_then(Value::as_str);
            if asked.op() == "projection_method" && matches!(name, Some("ridge" | "procrustes")) {
                told.become_ok(json!({"name": "vocab_mediated"}), &[]);
            }
        }
    ),
];

fn payload_len(asked: &Frame) -> u64 {
    let sized = if asked.op() == "encode_sized" { asked.args().get("payload_len") } else { None };
    sized.and_then(Value::as_u64).unwrap_or(0)
}

/// Answers `encode_sized` with a header that says another length. The metadata is the reference's own.
fn announce(asked: &Frame, told: &mut Frame, length: impl FnOnce(u64, u64) -> u32) {
    if asked.op() != "encode_sized" {
        return;
    }
    let small = crate::again(asked, "encode_sized", |args| args.insert("payload_len".to_owned(), 0.into()));
    if let Some(head) = small.part("head")
        && let Some(Wire { metadata, .. }) = Wire::parse(head)
    {
        let mut head = head.to_vec();
        head[4..8].copy_from_slice(&length(metadata.len() as u64, payload_len(asked)).to_le_bytes());
        told.become_ok(json!({}), &[("head", &head)]);
    }
}

/// The metadata that an `encode` request asks for.
fn metadata(frame: &mut Frame) -> Option<&mut Map<String, Value>> {
    if frame.op() == "encode" { frame.args_mut().get_mut("metadata")?.as_object_mut() } else { None }
}

/// Changes the number in a field of varints.
fn numbers(wire: &mut Wire, field: u64, mut change: impl FnMut(u64) -> u64) {
    wire.edit(|n, kind, bytes| {
        let mut rest = bytes.get(1..).unwrap_or_default();
        match varint(&mut rest) {
            Some(number) if (n, kind) == (field, 0) => {
                let changed = change(number);
                if changed == number {
                    bytes.to_vec()
                } else {
                    [&bytes[..1], &varint_bytes(changed)].concat()
                }
            }
            _ => bytes.to_vec(),
        }
    });
}

/// Changes the name of a method that is asked about.
fn method(frame: &mut Frame, change: impl FnOnce(&str) -> String) {
    if frame.op() == "projection_method"
        && let Some(name) = frame.args_mut().get_mut("name")
    {
        *name = change(name.as_str().unwrap_or_default()).into();
    }
}
