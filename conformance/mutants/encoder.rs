//! Encoders that are wrong on purpose.

use serde_json::json;

use crate::{
    Mutant,
    frame::Frame,
    mutant,
    wire::{Wire, checksum_field, negative, varint_bytes},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!("encode-magic-swapped", "writes the magic as a little-endian number", tell message |out| {
        out.swap(0, 1);
    }),
    mutant!("encode-version-2", "writes its own release number as the version byte", tell message |out| {
        out[2] = 2;
    }),
    mutant!("encode-payload-length-big-endian", "writes payload_length in network order", tell message |out| {
        out[4..8].reverse();
    }),
    mutant!("encode-metadata-length-big-endian", "writes metadata_length in network order", tell message |out| {
        out[8..12].reverse();
    }),
    mutant!("encode-payload-length-without-metadata", "counts only the tensor bytes in payload_length", tell wire |wire, out| {
        let len = (wire.section.len() as u32).to_le_bytes();
        out[4..8].copy_from_slice(&len);
    }),
    mutant!("encode-payload-length-with-header", "counts the header in payload_length", tell wire |wire, out| {
        let len = ((wire.metadata.len() + wire.section.len() + 12) as u32).to_le_bytes();
        out[4..8].copy_from_slice(&len);
    }),
    mutant!("encode-metadata-length-off-by-one", "counts one byte too many in metadata_length", tell wire |wire, out| {
        let len = ((wire.metadata.len() + 1) as u32).to_le_bytes();
        out[8..12].copy_from_slice(&len);
    }),
    mutant!("encode-compressed-flag-missing", "compresses without saying so in the flags", tell message |out| {
        out[3] &= !1;
    }),
    mutant!("encode-map-flag-missing", "never sets the map flag", tell spec |spec, out| {
        out[3] &= if spec == "0.4" { !2 } else { !4 };
    }),
    mutant!("encode-kv-flag-of-the-other-dialect", "sets the KV flag where the other dialect has it", tell spec |spec, out| {
        let (right, wrong) = if spec == "0.4" { (4, 8) } else { (8, 4) };
        if out[3] & right != 0 {
            out[3] = out[3] & !right | wrong;
        }
    }),
    mutant!("encode-reserved-flag", "leaves a debugging bit in the flags", tell message |out| {
        out[3] |= 0x80;
    }),
    mutant!("encode-crc-of-compressed", "takes the checksum over the bytes as sent", tell edit |wire| {
        let crc = crc32fast::hash(&wire.section);
        wire.edit(|n, _, bytes| if n == 15 { checksum_field(crc) } else { bytes.to_vec() });
    }),
    mutant!("encode-crc-not-inverted", "leaves out the final inversion of CRC-32", tell edit |wire| {
        wire.edit(|n, _, bytes| {
            let mut rest = bytes.get(1..).unwrap_or_default();
            match crate::wire::varint(&mut rest) {
                Some(crc) if n == 15 => checksum_field(!(crc as u32)),
                _ => bytes.to_vec(),
            }
        });
    }),
    mutant!("encode-crc-zero-left-out", "takes a checksum of zero for none", tell edit |wire| {
        wire.edit(|n, _, bytes| if n == 15 && bytes == [0x78, 0] { Vec::new() } else { bytes.to_vec() });
    }),
    mutant!("encode-confidence-under-0.4", "still writes field 12", tell spec_edit |spec, wire| {
        if spec == "0.4" {
            wire.metadata.extend([0x65, 0, 0, 0, 0x3f]);
        }
    }),
    mutant!("encode-defaults-written", "writes hidden_dim even when it is zero", tell edit |wire| {
        if let Some(fields) = wire.fields()
            && !fields.iter().any(|(n, ..)| *n == 5)
        {
            wire.metadata.extend([0x28, 0]);
        }
    }),
    mutant!("encode-shape-unpacked", "writes tensor_shape one element a tag", tell edit |wire| {
        wire.edit(|n, kind, bytes| {
            if (n, kind) != (9, 2) {
                return bytes.to_vec();
            }
            let mut rest = bytes.get(1..).unwrap_or_default();
            let _length = crate::wire::varint(&mut rest);
            let mut out = Vec::new();
            while let Some(dim) = crate::wire::varint(&mut rest) {
                out.push(0x48);
                out.extend(varint_bytes(dim));
            }
            out
        });
    }),
    mutant!("encode-fields-descending", "writes the fields from the last to the first", tell edit |wire| {
        if let Some(mut fields) = wire.fields() {
            fields.reverse();
            wire.metadata = fields.into_iter().flat_map(|(.., bytes)| bytes).collect();
        }
    }),
    mutant!("encode-shape-as-bytes", "writes each dimension as one byte", tell edit |wire| {
        wire.edit(|n, kind, bytes| {
            if (n, kind) != (9, 2) {
                return bytes.to_vec();
            }
            let mut rest = bytes.get(1..).unwrap_or_default();
            let _length = crate::wire::varint(&mut rest);
            let mut dims = Vec::new();
            while let Some(dim) = crate::wire::varint(&mut rest) {
                dims.push(dim as u8 & 0x7f);
            }
            let mut out = vec![0x4a];
            out.extend(varint_bytes(dims.len() as u64));
            out.extend(dims);
            out
        });
    }),
    mutant!("encode-compression-unnamed", "leaves field 11 out of compressed messages", tell edit |wire| {
        wire.drop_field(11);
    }),
    mutant!("encode-frame-without-size", "streams into zstd, so that the frame has no content size", tell compressed |wire| {
        let frame = zstd::stream::decode_all(wire.section.as_slice()).and_then(|plain| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3)?;
            encoder.include_contentsize(false)?;
            std::io::Write::write_all(&mut encoder, &plain)?;
            encoder.finish()
        });
        if let Ok(frame) = frame {
            wire.section = frame;
        }
    }),
    mutant!("encode-two-frames", "cuts the payload into two zstd frames", tell compressed |wire| {
        if let Ok(plain) = zstd::stream::decode_all(wire.section.as_slice())
            && plain.len() > 1
            && let (Ok(a), Ok(b)) = (
                zstd::bulk::compress(&plain[..plain.len() / 2], 3),
                zstd::bulk::compress(&plain[plain.len() / 2..], 3),
            )
        {
            wire.section = [a, b].concat();
        }
    }),
    mutant!(
        "encode-hidden-dim-16-bit",
        "keeps hidden_dim in sixteen bits",
        ask | frame | {
            if let Some(dim) = frame.args_mut().get_mut("metadata").and_then(|m| m.get_mut("hidden_dim"))
                && let Some(n) = dim.as_u64()
            {
                *dim = (n & 0xffff).into();
            }
        }
    ),
    mutant!(
        "encode-negative-clamped",
        "writes zero for a negative number",
        ask | frame | {
            if let Some(metadata) = frame.args_mut().get_mut("metadata").and_then(|m| m.as_object_mut()) {
                for (_, value) in metadata.iter_mut() {
                    if negative(value) {
                        *value = json!(0);
                    } else if let Some(items) = value.as_array_mut() {
                        items.iter_mut().filter(|item| negative(item)).for_each(|item| *item = json!(0));
                    }
                }
            }
        }
    ),
    mutant!(
        "encode-extra-dropped",
        "knows one extra entry at most",
        ask | frame | {
            if let Some(extra) = frame
                .args_mut()
                .get_mut("metadata")
                .and_then(|m| m.get_mut("extra"))
                .and_then(|extra| extra.as_object_mut())
            {
                let first = extra.iter().next().map(|(k, v)| (k.clone(), v.clone()));
                extra.clear();
                extra.extend(first);
            }
        }
    ),
    mutant!(
        "encode-source-and-target-swapped",
        "swaps the two agent ids",
        ask | frame | {
            if let Some(metadata) = frame.args_mut().get_mut("metadata").and_then(|m| m.as_object_mut()) {
                let source = metadata.remove("source_agent_id");
                let target = metadata.remove("target_agent_id");
                metadata.extend(source.map(|id| ("target_agent_id".to_owned(), id)));
                metadata.extend(target.map(|id| ("source_agent_id".to_owned(), id)));
            }
        }
    ),
    mutant!(
        "encode-checksum-always",
        "can't leave the checksum out and doesn't say so",
        ask | frame | {
            frame.args_mut().insert("checksum".to_owned(), json!(true));
        }
    ),
];

/// The message of an `encode` answer.
pub(crate) fn message_of<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut Vec<u8>> {
    if asked.op() != "encode" || !told.is_ok() {
        return None;
    }
    told.part_mut("message").filter(|message| message.len() >= 12)
}

/// Takes the message of an `encode` answer apart, changes it and puts it together again.
pub(crate) fn edit_message(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Wire)) {
    if let Some(message) = message_of(asked, told)
        && let Some(mut wire) = Wire::parse(message)
    {
        change(&mut wire);
        *message = wire.bytes();
    }
}
