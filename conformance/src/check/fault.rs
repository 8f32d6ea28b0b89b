//! Named faults on random messages, alone and in pairs.

use serde_json::Value;

use super::draft::{BOTH, Draft, Property, part, reject};
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::build::{Fields, Message, crc32};
use crate::case::{Level, Spec};
use crate::dissect::Stage;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "single-fault",
        share: Share::Permille(200),
        specs: BOTH,
        requirements: &[],
        why: "",
        bug: "fault-accepted",
        make: single_fault,
    },
    Property {
        name: "fault-pair",
        share: Share::Weight(96),
        specs: BOTH,
        requirements: &["AVP-HDR-007"],
        why: "A message that is wrong in two ways is refused for the earlier one.",
        bug: "check-order",
        make: fault_pair,
    },
];

/// One thing that is wrong.
struct Fault {
    /// For a person.
    says: &'static str,
    stage: Stage,
    code: &'static str,
    requirements: &'static [&'static str],
    /// Feature that a decoder must have to notice.
    feature: Option<&'static str>,
    /// Only under 0.4.
    v04: bool,
    apply: fn(&mut Random, &mut Message),
}

const fn fault(
    says: &'static str,
    stage: Stage,
    requirements: &'static [&'static str],
    apply: fn(&mut Random, &mut Message),
) -> Fault {
    Fault { says, stage, code: "decode", requirements, feature: None, v04: false, apply }
}

const FAULTS: &[Fault] = &[
    Fault {
        code: "invalid_magic",
        ..fault("the magic is wrong", Stage::Magic, &["AVP-HDR-002"], |r, m| {
            m.magic[r.below(2)] ^= 1 << r.below(8);
        })
    },
    Fault {
        code: "unsupported_version",
        ..fault("the version is not 1", Stage::Version, &["AVP-HDR-005"], |r, m| {
            m.version = r.between(2, 256) as u8;
        })
    },
    fault("payload_length goes past the end", Stage::Truncation, &["AVP-HDR-021"], |r, m| {
        let len = (m.metadata.len() + m.payload.len()) as u32;
        m.payload_length = Some(len + 1 + (r.number() >> 2));
    }),
    fault("metadata_length goes past payload_length", Stage::Truncation, &["AVP-HDR-019"], |r, m| {
        // Without a payload the section is good protobuf up to its end, so nothing else can give the length away.
        if r.once_in(2) {
            m.payload.clear();
        }
        let len = (m.metadata.len() + m.payload.len()) as u32;
        m.metadata_length = Some(len + 1 + (r.number() >> 2));
    }),
    fault("a metadata field is cut off", Stage::Metadata, &["AVP-META-028"], |r, m| {
        let cut: &[u8] =
            r.pick(&[&[0x28][..], &[0x28, 0x80], &[0x0a], &[0x0a, 5, b'x'], &[0xa5, 0x06, 1, 2], &[0x80]]);
        m.metadata.extend_from_slice(cut);
    }),
    fault("a field has the number 0", Stage::Metadata, &["AVP-META-028"], |r, m| {
        let at = if r.once_in(2) { 0 } else { m.metadata.len() };
        m.metadata.splice(at..at, [0x00, 0x01]);
    }),
    fault("a group ends that never began", Stage::Metadata, &["AVP-META-028"], |r, m| {
        m.metadata.push(r.pick(&[0x0c, 0x2c, 0x7c]));
    }),
    fault("a group never ends", Stage::Metadata, &["AVP-META-028"], |_, m| {
        m.metadata.extend([0x83, 0x01, 0x08, 0x01]);
    }),
    fault("a field has a wire type that does not exist", Stage::Metadata, &["AVP-META-028"], |r, m| {
        m.metadata.extend([0x28 | r.pick(&[6, 7]), 0]);
    }),
    fault("a varint has more than ten bytes", Stage::Metadata, &["AVP-META-028"], |_, m| {
        m.metadata.push(0x28);
        m.metadata.extend([0x80; 10]);
        m.metadata.push(0);
    }),
    fault("a text is not UTF-8", Stage::Metadata, &["AVP-META-029"], |r, m| {
        let bad: &[u8] =
            r.pick(&[&[0xff][..], &[0xc3], &[0xed, 0xa0, 0x80], &[0xc0, 0x80], &[0xf4, 0x90, 0x80, 0x80]]);
        let mut fields = Fields::new();
        fields.bytes(r.pick(&[1, 2, 3, 4, 13]), bad);
        m.metadata.extend(fields.into_bytes());
    }),
    fault("a key or value of extra is not UTF-8", Stage::Metadata, &["AVP-META-029"], |r, m| {
        let entry: &[u8] = r.pick(&[&[0x0a, 1, 0xfe][..], &[0x0a, 1, b'k', 0x12, 2, 0xc3, 0x28]]);
        let mut fields = Fields::new();
        fields.bytes(14, entry);
        m.metadata.extend(fields.into_bytes());
    }),
    Fault {
        feature: Some("zstd"),
        ..fault(
            "the compressed flag is set over raw bytes",
            Stage::Decompression,
            &["AVP-CMP-006"],
            |r, m| {
                m.flags |= 1;
                m.payload =
                    r.pick(&[&b""[..], b"(", b"plain", b"\x28\xb5\x2f\xfe\x20\x00\x01\x00\x00"]).to_vec();
            },
        )
    },
    Fault {
        feature: Some("zstd"),
        ..fault("the frame is cut off", Stage::Decompression, &["AVP-CMP-006"], |r, m| {
            let frame = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello";
            m.flags |= 1;
            m.payload = frame[..r.between(4, frame.len() - 1)].to_vec();
        })
    },
    Fault {
        feature: Some("zstd"),
        ..fault("something stands behind the frame", Stage::Decompression, &["AVP-CMP-005"], |r, m| {
            let frame = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello";
            let more = if r.once_in(2) { frame.to_vec() } else { r.bytes(3) };
            m.flags |= 1;
            m.payload = [&frame[..], &more].concat();
        })
    },
    Fault {
        feature: Some("zstd"),
        ..fault("field 11 names another algorithm", Stage::Decompression, &["AVP-CMP-009"], |r, m| {
            let mut fields = Fields::new();
            fields.string(11, r.pick(&["lz4", "gzip", "ZSTD", "zstd "]));
            m.metadata.extend(fields.into_bytes());
            m.flags |= 1;
            m.payload = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello".to_vec();
        })
    },
    Fault {
        feature: Some("checksum"),
        v04: true,
        ..fault("the checksum is wrong", Stage::Checksum, &["AVP-CMP-014"], |r, m| {
            let payload = if m.flags & 1 == 0 { &m.payload[..] } else { b"hello" };
            let mut fields = Fields::new();
            fields.varint(15, u64::from(crc32(payload) ^ 1 << r.below(32)));
            m.metadata.extend(fields.into_bytes());
        })
    },
    Fault {
        feature: Some("!embedding"),
        v04: true,
        ..fault("payload type 2 is no longer there", Stage::Enums, &["AVP-ENUM-003"], |_, m| {
            m.metadata.extend([0x38, 2]);
        })
    },
    Fault {
        v04: true,
        ..fault("a dtype is reserved", Stage::Enums, &["AVP-ENUM-007"], |r, m| {
            m.metadata.extend([0x40, r.pick(&[4, 5])]);
        })
    },
    fault("an enum has a value that does not exist", Stage::Enums, &["AVP-ENUM-008"], |r, m| {
        let mut fields = Fields::new();
        let value = r.pick(&[6, 17, 99, 127, 128, 65_536, u64::MAX, u64::MAX - 1, 1 << 31]);
        fields.varint(r.pick(&[7, 8, 10]), value);
        m.metadata.extend(fields.into_bytes());
    }),
];

/// What accepts a message in spite of that requirement is called in golden vectors too, so that reports put both under
/// one cause.
pub(super) fn bug_of(requirement: &str) -> &'static str {
    match requirement {
        "AVP-HDR-002" => "magic-unchecked",
        "AVP-HDR-005" => "version-unchecked",
        "AVP-HDR-019" => "metadata-length-unchecked",
        "AVP-HDR-020" | "AVP-HDR-021" => "truncation-accepted",
        "AVP-META-028" => "malformed-metadata-accepted",
        "AVP-META-029" => "utf8-unchecked",
        "AVP-CMP-005" => "framing-lenient",
        "AVP-CMP-006" => "broken-frame-accepted",
        "AVP-CMP-009" => "compression-label-ignored",
        "AVP-CMP-014" => "checksum-unchecked",
        "AVP-CMP-018" => "decompression-unbounded",
        "AVP-ENUM-003" => "embedding-accepted",
        "AVP-ENUM-007" => "reserved-dtype-accepted",
        "AVP-ENUM-008" | "AVP-ENUM-009" => "unknown-enum-accepted",
        _ => "fault-accepted",
    }
}

fn of_dialect(spec: Spec) -> Vec<&'static Fault> {
    FAULTS.iter().filter(|fault| spec == Spec::V04 || !fault.v04).collect()
}

/// Requirements in words of the dialect.
fn requirements(fault: &Fault, spec: Spec) -> &'static [&'static str] {
    match (fault.requirements, spec) {
        (["AVP-ENUM-008"], Spec::V02) => &["AVP-ENUM-009"],
        (ids, _) => ids,
    }
}

fn single_fault(random: &mut Random, draft: &mut Draft) {
    let faults = of_dialect(draft.spec);
    // Every fault gets its share of the cases.
    let fault = faults[draft.index() % faults.len()];
    let mut message = plain(random, draft.spec);
    (fault.apply)(random, &mut message);
    draft.requirements(requirements(fault, draft.spec));
    draft.bug(bug_of(fault.requirements[0]));
    draft.why(format!("A message that is right but for one thing is refused: {}.", fault.says));
    if let Some(feature) = fault.feature {
        draft.requires(feature);
    }
    draft.step("decode", Value::Null, vec![part("message", message.to_bytes())], reject(&[fault.code]));
}

/// Makes a message wrong in one thing of a stage that is wanted, and says with which code it is refused.
pub(super) fn spoilt(
    random: &mut Random,
    draft: &mut Draft,
    message: &mut Message,
    wanted: fn(Stage) -> bool,
) -> &'static str {
    let faults: Vec<_> = of_dialect(draft.spec)
        .into_iter()
        .filter(|fault| wanted(fault.stage) && fault.feature.is_none())
        .collect();
    let fault = random.pick(&faults);
    (fault.apply)(random, message);
    draft.why(format!("A message that is right but for one thing is refused: {}.", fault.says));
    fault.code
}

/// An uncompressed message without a checksum, which the faults then spoil.
fn plain(random: &mut Random, spec: Spec) -> Message {
    Sample::new(random, spec).message(spec)
}

fn fault_pair(random: &mut Random, draft: &mut Draft) {
    let faults = of_dialect(draft.spec);
    let (first, second) = loop {
        let (a, b) = (random.pick(&faults), random.pick(&faults));
        // Two faults of one stage have no order; of different stages, only a different class shows it.
        if a.stage < b.stage && a.code != b.code {
            break (a, b);
        }
    };
    let mut message = plain(random, draft.spec);
    (second.apply)(random, &mut message);
    (first.apply)(random, &mut message);
    draft.settled("A-014", Level::May);
    draft.why(format!("Wrong in two ways, {} and {}; the earlier one is reported.", first.says, second.says));
    for feature in [first.feature, second.feature].into_iter().flatten() {
        draft.requires(feature);
    }
    draft.step("decode", Value::Null, vec![part("message", message.to_bytes())], reject(&[first.code]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect;

    #[test]
    fn each_fault_is_what_it_says_and_nothing_else() {
        for spec in [Spec::V02, Spec::V04] {
            for fault in of_dialect(spec) {
                for index in 0..50 {
                    let mut random = Random::new(7, fault.says, index);
                    let mut message = plain(&mut random, spec);
                    (fault.apply)(&mut random, &mut message);
                    let bytes = message.to_bytes();
                    let done = dissect::message(&bytes, spec);
                    let [found] = &done.faults[..] else { panic!("{}: {:?}", fault.says, done.faults) };
                    assert_eq!(
                        (found.stage, found.class.as_str()),
                        (fault.stage, fault.code),
                        "{}",
                        fault.says
                    );
                    assert_eq!(found.requirements, requirements(fault, spec), "{}", fault.says);
                }
            }
        }
    }
}
