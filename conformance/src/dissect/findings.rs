//! What every encoded message must satisfy, whatever was encoded.

use super::message::{Dissection, flag_bits, reserved_flags};
use super::metadata::{Metadata, field_name};
use super::protobuf::RawValue;
use super::zstd_frame::FrameInfo;
use super::{Header, Stage};
use crate::case::Spec;

/// One invariant of encoded messages, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// Requirements that it speaks for.
    pub requirements: &'static [&'static str],
    /// Whether it holds.
    pub ok: bool,
    /// What must be.
    pub expected: String,
    /// What is.
    pub actual: String,
}

/// Checks the invariants of an encoded message. Those that don't apply (a zstd frame in an uncompressed message) are left
/// out.
pub fn encoder_findings(dissection: &Dissection<'_>, spec: Spec) -> Vec<Finding> {
    let mut list = Findings(Vec::new());
    let Some(header) = dissection.header else {
        let actual = format!("{} bytes", dissection.bytes.len());
        list.add("sections", &["AVP-HDR-018"], false, "a header of 12 bytes", actual);
        return list.0;
    };
    list.header(&header, dissection, spec);
    list.sections(&header, dissection);
    if let Some(metadata) = &dissection.metadata {
        list.metadata(&header, metadata, dissection, spec);
    }
    if header.flags & 1 != 0 {
        list.compression(dissection);
    }
    list.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        check: &'static str,
        requirements: &'static [&'static str],
        ok: bool,
        expected: impl ToString,
        actual: impl ToString,
    ) {
        let (expected, actual) = (expected.to_string(), actual.to_string());
        self.0.push(Finding { check, requirements, ok, expected, actual });
    }

    fn same<T: PartialEq + ToString>(
        &mut self,
        check: &'static str,
        requirements: &'static [&'static str],
        expected: T,
        actual: T,
    ) {
        self.add(check, requirements, expected == actual, expected, actual);
    }

    fn header(&mut self, header: &Header, dissection: &Dissection<'_>, spec: Spec) {
        let magic = format!("{:02x}{:02x}", header.magic[0], header.magic[1]);
        self.same("magic", &["AVP-HDR-001"], "4156".to_owned(), magic);
        self.same("version", &["AVP-HDR-004"], 1, header.version);
        let reserved = header.flags & reserved_flags(spec);
        self.same("reserved-flags", &["AVP-HDR-014"], "0x00".to_owned(), format!("{reserved:#04x}"));
        let Some(metadata) = &dissection.metadata else { return };
        let (_, hybrid, map, kv) = flag_bits(spec);
        let bit = |bit: u8| word(header.flags & bit != 0);
        let (map_ids, kv_ids): (&[_], &[_]) = match spec {
            Spec::V02 => (&["AVP-HDR-012"], &["AVP-HDR-013"]),
            Spec::V04 => (&["AVP-HDR-009"], &["AVP-HDR-010"]),
        };
        self.same("flag-map", map_ids, word(!metadata.avp_map_id.is_empty()), bit(map));
        self.same("flag-kv", kv_ids, word(metadata.payload_type == 1), bit(kv));
        if hybrid != 0 {
            self.same("flag-hybrid", &["AVP-HDR-011"], word(metadata.mode == 1), bit(hybrid));
        }
    }

    fn sections(&mut self, header: &Header, dissection: &Dissection<'_>) {
        let (body, metadata) = (dissection.bytes.len() as u64 - 12, u64::from(header.metadata_length));
        self.same("payload-length", &["AVP-HDR-016"], body, u64::from(header.payload_length));
        let fits = format!("at most payload_length ({})", header.payload_length);
        let ok = header.metadata_length <= header.payload_length;
        self.add("sections", &["AVP-HDR-018"], ok, fits, metadata);
        let fault = dissection.faults.iter().find(|f| f.stage == Stage::Metadata);
        let parses = fault.is_none() && dissection.metadata.is_some() && ok;
        let actual = fault.map_or_else(|| parses.to_string(), |f| format!("{} at byte {}", f.text, f.offset));
        self.add("metadata-length", &["AVP-HDR-017"], parses, "protobuf fields up to exactly there", actual);
    }

    fn metadata(&mut self, header: &Header, metadata: &Metadata, dissection: &Dissection<'_>, spec: Spec) {
        let compression = if header.flags & 1 != 0 { Some("zstd") } else { None };
        let shown = |text: Option<&str>| text.map_or_else(|| "absent".to_owned(), |t| format!("{t:?}"));
        let actual = shown(metadata.compression.as_deref());
        self.same("compression-field", &["AVP-META-012"], shown(compression), actual);
        if spec == Spec::V04 {
            let there = metadata.raw.iter().any(|f| f.number == 12);
            self.same("field-12", &["AVP-META-014"], "absent", if there { "present" } else { "absent" });
        }
        self.order(metadata);
        self.defaults(metadata, dissection, spec);
        let shapes = metadata.raw.iter().filter(|f| f.number == 9);
        let packed = shapes.clone().count() <= 1 && shapes.clone().all(|f| f.wire == 2);
        if !metadata.tensor_shape.is_empty() {
            let actual = if packed { "one packed field" } else { "several fields, or not packed" };
            self.same("shape-packed", &["AVP-META-009"], "one packed field", actual);
        }
        self.enums(dissection);
        if let (Some(sum), Some(payload)) = (metadata.payload_checksum, &dissection.payload) {
            let ids = &["AVP-CMP-012", "AVP-CMP-013"];
            let expected = format!("{:#010x}", crc32fast::hash(payload));
            self.same("checksum", ids, expected, format!("{sum:#010x}"));
        }
    }

    fn order(&mut self, metadata: &Metadata) {
        let wrong = metadata.raw.windows(2).find(|pair| pair[1].number < pair[0].number);
        let actual = match wrong {
            Some([a, b]) => format!("{} before {}", a.number, b.number),
            _ => "ascending".to_owned(),
        };
        self.same("field-order", &["AVP-META-024"], "ascending".to_owned(), actual);
    }

    fn defaults(&mut self, metadata: &Metadata, dissection: &Dissection<'_>, spec: Spec) {
        let written = metadata.raw.iter().find(|field| match (field.number, &field.value) {
            (1..=4 | 9 | 13, RawValue::Len(content)) => content.is_empty(),
            (5..=8 | 10, RawValue::Varint(value)) => *value == 0,
            (12, RawValue::Fixed32(bits)) => spec == Spec::V02 && *bits == 0,
            _ => false,
        });
        let actual = written.map_or_else(
            || "none written".to_owned(),
            |f| {
                let name = field_name(f.number, spec).unwrap_or_default();
                format!("{name} at byte {}: {:02x?}", f.range.start, &dissection.bytes[f.range.clone()])
            },
        );
        self.same("defaults", &["AVP-META-023"], "none written".to_owned(), actual);
    }

    fn enums(&mut self, dissection: &Dissection<'_>) {
        for (field, check, ids) in [
            ("payload_type", "payload-type-value", &["AVP-ENUM-001"]),
            ("dtype", "dtype-value", &["AVP-ENUM-006"]),
            ("mode", "mode-value", &["AVP-META-011"]),
        ] {
            let fault = dissection.faults.iter().find(|f| f.stage == Stage::Enums && f.field == field);
            let actual = fault.map_or_else(|| "a value of the dialect".to_owned(), |f| f.text.clone());
            self.same(check, ids, "a value of the dialect".to_owned(), actual);
        }
    }

    fn compression(&mut self, dissection: &Dissection<'_>) {
        let fault = dissection.faults.iter().find(|f| f.stage == Stage::Decompression);
        let Some(frame) = &dissection.zstd else {
            let actual = fault.map_or_else(String::new, |f| f.text.clone());
            self.add("flag-compressed", &["AVP-HDR-008", "AVP-CMP-001"], false, "a zstd frame", actual);
            return;
        };
        let ok = dissection.payload.is_some();
        let actual = match (ok, fault) {
            (false, Some(fault)) => fault.text.clone(),
            _ => "a zstd frame".to_owned(),
        };
        self.add("flag-compressed", &["AVP-HDR-008", "AVP-CMP-001"], ok, "a zstd frame", actual);
        self.frame(frame, dissection);
    }

    fn frame(&mut self, frame: &FrameInfo, dissection: &Dissection<'_>) {
        let size = |n: Option<u64>| n.map_or_else(|| "none".to_owned(), |n| n.to_string());
        match &dissection.payload {
            Some(payload) => {
                let expected = size(Some(payload.len() as u64));
                self.same("zstd-content-size", &["AVP-CMP-003"], expected, size(frame.content_size));
            }
            None => {
                let actual = size(frame.content_size);
                let ok = frame.content_size.is_some();
                self.add("zstd-content-size", &["AVP-CMP-003"], ok, "the payload's length", actual);
            }
        }
        let section = dissection.payload_section.len();
        let one = frame.skippable == 0 && frame.len == section;
        let actual = format!("{} skippable frames, {} bytes behind", frame.skippable, section - frame.len);
        self.add("zstd-single-frame", &["AVP-CMP-004"], one, "one frame and nothing else", actual);
    }
}

fn word(set: bool) -> &'static str {
    if set { "set" } else { "clear" }
}
