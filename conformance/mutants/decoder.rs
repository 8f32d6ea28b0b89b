//! Decoders that are wrong on purpose.

use serde_json::{Value, json};

use crate::{
    Mutant,
    frame::Frame,
    mutant,
    wire::{Wire, varint},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "decode-magic-unchecked",
        "never looks at the magic",
        ask | frame | {
            patch(frame, |message| {
                if message.len() >= 12 {
                    message[..2].copy_from_slice(b"AV");
                }
            });
        }
    ),
    mutant!(
        "decode-magic-first-byte-only",
        "checks one byte of the magic",
        ask | frame | {
            patch(frame, |message| {
                if message.len() >= 12 && message[0] == b'A' {
                    message[1] = b'V';
                }
            });
        }
    ),
    mutant!(
        "decode-any-version",
        "takes every version for 1",
        ask | frame | {
            patch(frame, |message| {
                if let Some(version) = message.get_mut(2) {
                    *version = 1;
                }
            });
        }
    ),
    mutant!(
        "decode-newer-versions",
        "takes newer versions for compatible ones",
        ask | frame | {
            patch(frame, |message| {
                if let Some(version) = message.get_mut(2).filter(|version| **version > 1) {
                    *version = 1;
                }
            });
        }
    ),
    mutant!(
        "decode-truncated-accepted",
        "fills up a cut message with zeros",
        ask | frame | {
            patch(frame, |message| {
                if message.len() >= 12 {
                    let want =
                        12 + u32::from_le_bytes([message[4], message[5], message[6], message[7]]) as usize;
                    if (message.len()..message.len() + 65_536).contains(&want) {
                        message.resize(want, 0);
                    }
                }
            });
        }
    ),
    mutant!(
        "decode-lengths-unchecked",
        "slices behind the payload when metadata_length is too large",
        ask | frame | {
            patch(frame, |message| {
                if message.len() >= 12 && message[8..12] > message[4..8] {
                    let payload = [message[4], message[5], message[6], message[7]];
                    message[8..12].copy_from_slice(&payload);
                }
            });
        }
    ),
    mutant!(
        "decode-crc-unchecked",
        "never verifies the checksum",
        ask | frame | {
            rewrite(frame, |wire| wire.drop_field(15));
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-crc-zero-is-absent",
        "skips verification when the checksum is zero",
        ask | frame | {
            rewrite(frame, |wire| {
                wire.edit(|n, _, b| if n == 15 && b == [0x78, 0] { Vec::new() } else { b.to_vec() });
            });
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-crc-required",
        "refuses messages without a checksum",
        tell | asked,
        told | {
            if let Some(wire) = wire_of(asked)
                && !wire.fields().is_some_and(|fields| fields.iter().any(|(n, ..)| *n == 15))
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-unknown-dtype-is-float32",
        "falls back to FLOAT32",
        ask | frame | {
            replace_enum(frame, 8, 3);
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-unknown-payload-type",
        "falls back to HIDDEN_STATE",
        ask | frame | {
            replace_enum(frame, 7, 2);
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-unknown-mode",
        "falls back to LATENT",
        ask | frame | {
            replace_enum(frame, 10, 2);
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-flag-over-metadata",
        "believes the KV flag rather than the metadata",
        tell | asked,
        told | {
            let spec = asked.json.get("spec").and_then(Value::as_str).unwrap_or_default();
            let bit = if spec == "0.4" { 4 } else { 8 };
            if let (Some(wire), Some(metadata)) = (wire_of(asked), metadata_mut(told)) {
                let kind = if wire.flags & bit != 0 { "KV_CACHE" } else { "HIDDEN_STATE" };
                metadata.insert("payload_type".to_owned(), kind.into());
            }
        }
    ),
    mutant!(
        "decode-conflict-unreported",
        "keeps quiet about flags that contradict the metadata",
        tell | asked,
        told | {
            if asked.op() == "decode"
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("diagnostics".to_owned(), json!([]));
            }
        }
    ),
    mutant!(
        "decode-bad-utf8-replaced",
        "replaces bytes that are no UTF-8",
        ask | frame | {
            rewrite(frame, |wire| {
                wire.edit(|n, kind, bytes| {
                    if kind != 2 || !matches!(n, 1..=4 | 11 | 13) {
                        return bytes.to_vec();
                    }
                    bytes
                        .iter()
                        .enumerate()
                        .map(|(i, b)| if i > 1 && !b.is_ascii() { b'?' } else { *b })
                        .collect()
                });
            });
        }
    ),
    mutant!(
        "decode-first-value-wins",
        "keeps the first of a repeated field",
        ask | frame | {
            rewrite(frame, |wire| {
                let mut seen = Vec::new();
                wire.edit(|n, kind, bytes| {
                    let repeated = matches!(n, 9 | 14) || kind == 3;
                    if !repeated && seen.contains(&n) {
                        return Vec::new();
                    }
                    seen.push(n);
                    bytes.to_vec()
                });
            });
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-unknown-field-refused",
        "refuses fields that it does not know",
        tell | asked,
        told | {
            if let Some(wire) = wire_of(asked)
                && wire.fields().is_some_and(|fields| fields.iter().any(|(n, ..)| *n > 15))
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-shape-packed-only",
        "overlooks an unpacked tensor_shape",
        ask | frame | {
            rewrite(frame, |wire| {
                wire.edit(|n, kind, b| if (n, kind) == (9, 0) { Vec::new() } else { b.to_vec() });
            });
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-reserved-flags-refused",
        "refuses messages with a reserved flag",
        tell | asked,
        told | {
            if asked.op() == "decode"
                && asked.part("message").is_some_and(|m| m.len() >= 12 && m[3] & 0xf0 != 0)
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-trailing-into-payload",
        "takes everything up to the end of the buffer for payload",
        ask | frame | {
            patch(frame, |message| {
                if let Some(wire) = Wire::parse(message)
                    && let tail = message.split_off(12 + wire.metadata.len() + wire.section.len())
                    && !tail.is_empty()
                {
                    let longer = Wire { section: [wire.section.as_slice(), &tail].concat(), ..wire };
                    *message = longer.bytes();
                }
            });
        }
    ),
    mutant!(
        "decode-empty-message-refused",
        "wants at least one byte of metadata",
        tell | asked,
        told | {
            if asked.op() == "decode" && asked.part("message").is_some_and(|m| m.len() == 12) {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-payload-one-byte-short",
        "drops the last byte of the payload",
        tell | asked,
        told | {
            if asked.op() == "decode"
                && let Some(payload) = told.part_mut("payload")
            {
                payload.pop();
            }
        }
    ),
    mutant!(
        "decode-one-class-for-all",
        "calls every refusal a decode error",
        tell | asked,
        told | {
            if asked.op() == "decode" && told.json.contains_key("err") {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-error-as-fault",
        "lets a panic through where it should refuse",
        tell | asked,
        told | {
            if asked.op() == "decode" && told.json.contains_key("err") {
                told.json.remove("err");
                told.json.insert("fault".to_owned(), "index out of range".into());
            }
        }
    ),
    mutant!(
        "decode-dies-on-junk",
        "ends the process on metadata that is no protobuf",
        ask | frame | {
            if wire_of(frame).is_some_and(|wire| wire.fields().is_none()) {
                std::process::abort();
            }
        }
    ),
    mutant!(
        "decode-hangs-on-long-metadata",
        "never returns when metadata_length is the largest number",
        ask | frame | {
            if frame.op() == "decode"
                && frame.part("message").is_some_and(|m| m.get(8..12) == Some(&[0xff; 4][..]))
            {
                loop {
                    std::thread::park();
                }
            }
        }
    ),
];

/// Changes the message of a `decode` request.
fn patch(frame: &mut Frame, change: impl FnOnce(&mut Vec<u8>)) {
    if frame.op() == "decode"
        && let Some(message) = frame.part_mut("message")
    {
        change(message);
    }
}

/// Changes the sections of a `decode` request's message, when its lengths are consistent. What follows it is dropped.
pub(crate) fn rewrite(frame: &mut Frame, change: impl FnOnce(&mut Wire)) {
    patch(frame, |message| {
        if let Some(mut wire) = Wire::parse(message)
            && message.len() == 12 + wire.metadata.len() + wire.section.len()
        {
            change(&mut wire);
            *message = wire.bytes();
        }
    });
}

pub(crate) fn wire_of(frame: &Frame) -> Option<Wire> {
    if frame.op() == "decode" { Wire::parse(frame.part("message")?) } else { None }
}

/// Puts a known value in place of an unknown one: zero for everything above `largest`.
fn replace_enum(frame: &mut Frame, field: u64, largest: u64) {
    rewrite(frame, |wire| {
        wire.edit(|n, kind, bytes| {
            let mut rest = bytes.get(1..).unwrap_or_default();
            let unknown = varint(&mut rest).is_none_or(|value| value > largest);
            if (n, kind) == (field, 0) && unknown { Vec::new() } else { bytes.to_vec() }
        });
    });
}

/// Shows the header of the message that was asked about, not of the rewritten one.
pub(crate) fn restore_header(asked: &Frame, told: &mut Frame) {
    let Some(message) = asked.part("message").filter(|message| message.len() >= 12) else { return };
    let number =
        |at: usize| u32::from_le_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
    let (payload, metadata) = (number(4), number(8));
    if asked.op() == "decode"
        && let Some(ok) = told.ok_mut()
    {
        let header = crate::frame::object(ok, "header");
        header.insert("payload_length".to_owned(), payload.into());
        header.insert("metadata_length".to_owned(), metadata.into());
        if ok.contains_key("consumed") {
            ok.insert("consumed".to_owned(), (12 + u64::from(payload)).into());
        }
    }
}

fn metadata_mut(told: &mut Frame) -> Option<&mut serde_json::Map<String, Value>> {
    told.ok_mut()?.get_mut("metadata")?.as_object_mut()
}
