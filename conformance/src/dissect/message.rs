//! A whole message: header, metadata, payload section.

use std::borrow::Cow;
use std::ops::Range;

use super::fault::{Class, Fault, Stage, Warning};
use super::field::{Field, Fields, annotate};
use super::hybrid::Hybrid;
use super::metadata::{self, Metadata, dtype_name, mode_name, payload_type_name};
use super::zstd_frame::{FrameInfo, zstd_frame};
use crate::case::Spec;

/// Bytes of the header.
const HEADER: usize = 12;
/// Most metadata that is read field by field: the largest JSON text of ACP/1, which has to hold it all.
const MAX_METADATA: usize = 16 << 20;

/// Bounds of a dissection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes that a payload may decompress to; more is a fault.
    pub max_payload: u64,
}

impl Default for Limits {
    /// 256 MiB, the largest blob of ACP/1: an adapter could not send more back.
    fn default() -> Self {
        Self { max_payload: 256 << 20 }
    }
}

/// The 12-byte header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the protocol's fields")]
pub struct Header {
    pub magic: [u8; 2],
    pub version: u8,
    pub flags: u8,
    pub payload_length: u32,
    pub metadata_length: u32,
}

/// Flag bits of a dialect: `(compressed, hybrid, map, kv)`; hybrid is 0 where the dialect has none.
pub fn flag_bits(spec: Spec) -> (u8, u8, u8, u8) {
    match spec {
        Spec::V02 => (0x01, 0x02, 0x04, 0x08),
        Spec::V04 => (0x01, 0, 0x02, 0x04),
    }
}

/// A message with its fields, its content, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Dissection<'a> {
    /// The input.
    pub bytes: &'a [u8],
    /// The dialect it was read in.
    pub spec: Spec,
    /// Every byte with its field; leaves tile the input.
    pub fields: Vec<Field>,
    /// The header, when there are 12 bytes.
    pub header: Option<Header>,
    /// The metadata, as far as it could be read.
    pub metadata: Option<Metadata>,
    /// Where the metadata section is, cut to what is there.
    pub metadata_section: Range<usize>,
    /// Where the payload section is, cut to what is there.
    pub payload_section: Range<usize>,
    /// The uncompressed payload, when it can be had within the limit.
    pub payload: Option<Cow<'a, [u8]>>,
    /// The zstd frame, when the compressed flag is set and there is one.
    pub zstd: Option<FrameInfo>,
    /// The chunks of a hybrid payload (0.2).
    pub hybrid: Option<Hybrid>,
    /// What a correct decoder refuses, in the order of AVP-HDR-007.
    pub faults: Vec<Fault>,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

impl Dissection<'_> {
    /// The metadata as ACP/1 writes it.
    pub fn metadata_json(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        Some(self.metadata.as_ref()?.to_json(self.spec, self.header?.flags & 1 != 0))
    }

    /// Whether correct decoders may differ on it.
    pub fn contested(&self) -> bool {
        self.warnings.iter().any(|w| w.contested)
    }
}

/// Dissects a message within the default limits.
pub fn message(bytes: &[u8], spec: Spec) -> Dissection<'_> {
    message_within(bytes, spec, Limits::default())
}

/// Dissects a message.
pub fn message_within(bytes: &[u8], spec: Spec, limits: Limits) -> Dissection<'_> {
    let mut reader = Reader {
        fields: Fields::default(),
        out: Dissection {
            bytes,
            spec,
            fields: Vec::new(),
            header: None,
            metadata: None,
            metadata_section: bytes.len()..bytes.len(),
            payload_section: bytes.len()..bytes.len(),
            payload: None,
            zstd: None,
            hybrid: None,
            faults: Vec::new(),
            warnings: Vec::new(),
        },
        limits,
    };
    reader.header();
    let Reader { fields, mut out, .. } = reader;
    out.fields = fields.finish(bytes.len());
    out.faults.sort_by_key(|fault| fault.stage);
    for fault in &out.faults {
        let text = format!("✗ {} ({})", fault.text, fault.requirements.join(", "));
        annotate(&mut out.fields, fault.offset, &text);
    }
    for warning in &out.warnings {
        annotate(
            &mut out.fields,
            warning.range.start,
            &format!("! {} ({})", warning.text, warning.requirement),
        );
    }
    out
}

pub(super) struct Reader<'a> {
    pub(super) fields: Fields,
    pub(super) out: Dissection<'a>,
    limits: Limits,
}

impl Reader<'_> {
    fn header(&mut self) {
        let bytes = self.out.bytes;
        let Some(head) = bytes.first_chunk::<HEADER>() else {
            let text = format!("{} bytes; the header alone has 12", bytes.len());
            self.fields.push(0..bytes.len(), 0, "header", format!("{} of 12 bytes", bytes.len()));
            return self.fault(Stage::TooShort, bytes.len(), "header", Class::Decode, &["AVP-HDR-020"], text);
        };
        let [m0, m1, version, flags, p0, p1, p2, p3, n0, n1, n2, n3] = *head;
        let header = Header {
            magic: [m0, m1],
            version,
            flags,
            payload_length: u32::from_le_bytes([p0, p1, p2, p3]),
            metadata_length: u32::from_le_bytes([n0, n1, n2, n3]),
        };
        self.out.header = Some(header);
        self.header_fields(&header);
        self.check_header(&header);
        self.sections(&header);
    }

    fn header_fields(&mut self, header: &Header) {
        self.fields.push(0..HEADER, 0, "header", "");
        self.fields.push(0..2, 1, "magic", format!("{:?}", header.magic.escape_ascii().to_string()));
        self.fields.push(2..3, 1, "version", header.version.to_string());
        self.fields.push(3..4, 1, "flags", flags_text(header.flags, self.out.spec));
        self.fields.push(4..8, 1, "payload_length", header.payload_length.to_string());
        self.fields.push(8..12, 1, "metadata_length", header.metadata_length.to_string());
    }

    fn check_header(&mut self, header: &Header) {
        if header.magic != *b"AV" {
            let text = format!("{:02x}{:02x} in place of 4156", header.magic[0], header.magic[1]);
            self.fault(Stage::Magic, 0, "magic", Class::InvalidMagic, &["AVP-HDR-002"], text);
        }
        if header.version != 1 {
            let text = format!("version {} in place of 1", header.version);
            self.fault(Stage::Version, 2, "version", Class::UnsupportedVersion, &["AVP-HDR-005"], text);
        }
        let reserved = header.flags & reserved_flags(self.out.spec);
        if reserved != 0 {
            self.warn("AVP-HDR-015", 3..4, format!("reserved bits {reserved:#04x} are set"));
        }
    }

    fn sections(&mut self, header: &Header) {
        let have = self.out.bytes.len() - HEADER;
        let payload_length = header.payload_length as usize;
        let metadata_length = header.metadata_length as usize;
        if payload_length > have {
            let text = format!("{payload_length} bytes announced behind the header, {have} there");
            self.fault(Stage::Truncation, 4, "payload_length", Class::Decode, &["AVP-HDR-021"], text);
        }
        if metadata_length > payload_length {
            let text = format!("{metadata_length} is more than payload_length ({payload_length})");
            self.fault(Stage::Truncation, 8, "metadata_length", Class::Decode, &["AVP-HDR-019"], text);
        }
        let whole = self.out.faults.iter().all(|f| f.stage < Stage::Truncation);
        let end = HEADER + payload_length.min(have);
        let split = HEADER + metadata_length.min(end - HEADER);
        self.out.metadata_section = HEADER..split;
        self.out.payload_section = split..end;
        self.metadata(whole || metadata_length <= have.min(payload_length));
        if whole {
            self.payload(header);
        } else if split < end {
            self.fields.push(split..end, 0, "payload", format!("{} bytes (cut off)", end - split));
        }
        if end < self.out.bytes.len() {
            let rest = end..self.out.bytes.len();
            self.fields.push(rest.clone(), 0, "after the message", format!("{} bytes", rest.len()));
            self.warn("AVP-HDR-022", rest, "bytes behind the message");
        }
    }

    fn metadata(&mut self, whole: bool) {
        let section = self.out.metadata_section.clone();
        if section.is_empty() {
            self.out.metadata = whole.then(Metadata::default);
            return;
        }
        self.fields.push(section.clone(), 0, "metadata", format!("{} bytes", section.len()));
        if section.len() > MAX_METADATA {
            return self.warn("AVP-SEC-012", section, "too much metadata to be read field by field");
        }
        let read = metadata::read(self.out.bytes, section, self.out.spec, &mut self.fields);
        if whole {
            self.out.faults.extend(read.faults);
            self.out.warnings.extend(read.warnings);
        }
        self.out.metadata = Some(read.metadata);
    }

    fn payload(&mut self, header: &Header) {
        let Some(metadata) = self.out.metadata.take() else { return };
        let section = self.out.payload_section.clone();
        let bytes = &self.out.bytes[section.clone()];
        if header.flags & 1 != 0 {
            self.compressed(&metadata, bytes, section.clone());
        } else {
            self.out.payload = Some(Cow::Borrowed(bytes));
        }
        self.check_checksum(&metadata);
        self.check_enums(&metadata);
        self.check_flags(header, &metadata);
        self.interpret(header, &metadata, section);
        self.out.metadata = Some(metadata);
    }

    fn compressed(&mut self, metadata: &Metadata, bytes: &[u8], section: Range<usize>) {
        if let Some(name) = metadata.compression.as_deref().filter(|&name| !name.is_empty() && name != "zstd")
        {
            let at = last_field(metadata, 11).start;
            let text = format!("compression {name:?} with the compressed flag");
            self.fault(Stage::Decompression, at, "compression", Class::Decode, &["AVP-CMP-009"], text);
        }
        let done = zstd_frame(bytes, self.limits.max_payload);
        let size = match &done.content {
            Some(content) => format!("{} bytes, {} uncompressed", bytes.len(), content.len()),
            None => format!("{} bytes", bytes.len()),
        };
        self.fields.push(section.clone(), 0, "payload (zstd)", size);
        self.fields.nest(done.fields, section.start, 0);
        let shift = |f: Fault| Fault { offset: f.offset + section.start, ..f };
        self.out.faults.extend(done.faults.into_iter().map(shift));
        self.out.zstd = done.frame;
        self.out.payload = done.content.map(Cow::Owned);
    }

    fn check_checksum(&mut self, metadata: &Metadata) {
        let (Some(expected), Some(payload)) = (metadata.payload_checksum, &self.out.payload) else { return };
        let actual = crc32fast::hash(payload);
        if actual != expected {
            let text = format!("{expected:#010x}, but the payload's CRC-32 is {actual:#010x}");
            let (at, ids) = (last_field(metadata, 15).start, &["AVP-CMP-014"]);
            self.fault(Stage::Checksum, at, "payload_checksum", Class::Decode, ids, text);
        }
    }

    fn check_enums(&mut self, metadata: &Metadata) {
        let spec = self.out.spec;
        let unknown: [(u32, i32, bool, &'static [&'static str]); 3] = [
            (
                7,
                metadata.payload_type,
                payload_type_name(metadata.payload_type, spec).is_none(),
                match spec {
                    Spec::V04 if metadata.payload_type == 2 => &["AVP-ENUM-003"],
                    Spec::V04 => &["AVP-ENUM-008"],
                    Spec::V02 => &["AVP-ENUM-009"],
                },
            ),
            (
                8,
                metadata.dtype,
                dtype_name(metadata.dtype).is_none(),
                match (spec, metadata.dtype) {
                    (Spec::V04, 4 | 5) => &["AVP-ENUM-007"],
                    (Spec::V04, _) => &["AVP-ENUM-008"],
                    (Spec::V02, _) => &["AVP-ENUM-009"],
                },
            ),
            (
                10,
                metadata.mode,
                mode_name(metadata.mode, spec).is_none(),
                match spec {
                    Spec::V04 => &["AVP-ENUM-008"],
                    Spec::V02 => &["AVP-ENUM-009"],
                },
            ),
        ];
        for (number, value, unknown, ids) in unknown {
            if unknown {
                let name = metadata::field_name(number, spec).unwrap_or_default();
                let at = last_field(metadata, number).start;
                self.fault(
                    Stage::Enums,
                    at,
                    name,
                    Class::Decode,
                    ids,
                    format!("{name} has no value {value}"),
                );
            }
        }
    }

    fn check_flags(&mut self, header: &Header, metadata: &Metadata) {
        let (_, hybrid, map, kv) = flag_bits(self.out.spec);
        let set = |bit: u8| header.flags & bit != 0;
        let says = |flag: bool| if flag { "set" } else { "clear" };
        if set(kv) != (metadata.payload_type == 1) {
            self.warn("AVP-PAY-015", 3..4, format!("the kv flag is {} against payload_type", says(set(kv))));
        }
        if set(map) == metadata.avp_map_id.is_empty() {
            self.warn("AVP-PAY-016", 3..4, format!("the map flag is {} against avp_map_id", says(set(map))));
        }
        if hybrid != 0 && set(hybrid) != (metadata.mode == 1) {
            self.warn("AVP-HDR-011", 3..4, format!("the hybrid flag is {} against mode", says(set(hybrid))));
        }
    }

    pub(super) fn warn(&mut self, requirement: &'static str, range: Range<usize>, text: impl Into<String>) {
        self.out.warnings.push(Warning::new(requirement, range, text));
    }

    fn fault(
        &mut self,
        stage: Stage,
        offset: usize,
        field: &str,
        class: Class,
        requirements: &'static [&'static str],
        text: String,
    ) {
        let field = field.to_owned();
        self.out.faults.push(Fault { stage, offset, field, class, requirements, text });
    }
}

/// Flag bits that the dialect reserves.
pub(super) fn reserved_flags(spec: Spec) -> u8 {
    let (compressed, hybrid, map, kv) = flag_bits(spec);
    !(compressed | hybrid | map | kv)
}

/// Where the last field of that number stands, which is the one that counts.
fn last_field(metadata: &Metadata, number: u32) -> Range<usize> {
    metadata.raw.iter().rev().find(|f| f.number == number).map_or(HEADER..HEADER, |f| f.range.clone())
}

fn flags_text(flags: u8, spec: Spec) -> String {
    let (compressed, hybrid, map, kv) = flag_bits(spec);
    let mut text = format!("{flags:#04x}");
    for (bit, word) in [(compressed, "compressed"), (hybrid, "hybrid"), (map, "map"), (kv, "kv")] {
        if flags & bit != 0 {
            text.push(' ');
            text.push_str(word);
        }
    }
    if flags & reserved_flags(spec) != 0 {
        text.push_str(" reserved");
    }
    text
}
