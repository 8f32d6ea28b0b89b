//! zstd frames: their structure read by hand, their content decompressed within a bound.

use std::io::Read as _;

use super::fault::{Class, Fault, Stage};
use super::field::{Field, Fields};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Skippable frames have this in the upper 28 bits of their magic.
const SKIPPABLE: u32 = 0x184d_2a50;
/// Largest content of a block, whatever the window (RFC 8878, Block_Maximum_Size).
const MAX_BLOCK: u64 = 128 << 10;
/// Largest window that is followed for frames that are not a single segment: what zstd's own streaming reader takes
/// unless told otherwise.
const MAX_WINDOW: u64 = 1 << 27;
/// Buffer that decompression starts with; it grows as bytes come, whatever the frame claims.
const FIRST_BUFFER: u64 = 1 << 20;

/// How a block holds its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the format")]
pub enum BlockKind {
    Raw,
    Rle,
    Compressed,
}

/// What a frame's header and blocks say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameInfo {
    /// Bytes of the frame itself, skippable frames before it included.
    pub len: usize,
    /// Content size as declared, when it is.
    pub content_size: Option<u64>,
    /// Window size in bytes.
    pub window: u64,
    /// Whether the window is the content itself.
    pub single_segment: bool,
    /// Whether the frame ends with a checksum of its content.
    pub checksum: bool,
    /// Dictionary id, 0 for none.
    pub dictionary: u32,
    /// Number of blocks.
    pub blocks: usize,
    /// Kind of the first block.
    pub first_block: Option<BlockKind>,
    /// Number of skippable frames in front.
    pub skippable: usize,
}

/// A section that should hold exactly one zstd frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameDissection {
    /// Every byte with its field.
    pub fields: Vec<Field>,
    /// What the first frame says, as far as it could be read.
    pub frame: Option<FrameInfo>,
    /// The decompressed content, when there is one and it is within the bound.
    pub content: Option<Vec<u8>>,
    /// What a correct decoder refuses.
    pub faults: Vec<Fault>,
}

/// Dissects a section that should hold exactly one frame, and decompresses it to at most `max_content` bytes.
pub fn zstd_frame(section: &[u8], max_content: u64) -> FrameDissection {
    let mut reader = Reader {
        bytes: section,
        at: 0,
        fields: Fields::default(),
        faults: Vec::new(),
        info: FrameInfo::default(),
    };
    let complete = reader.frames();
    let Reader { fields, mut faults, mut info, at, .. } = reader;
    info.len = at;
    let mut content = None;
    if complete && info.dictionary == 0 {
        match decompress(&section[..at], &info, max_content) {
            Ok(bytes) => content = Some(bytes),
            // A frame that breaks a rule of its structure does not decompress either: one fault, not two.
            Err(fault) if fault.class == Class::Decode && !faults.is_empty() => {}
            Err(fault) => faults.insert(0, fault),
        }
    }
    let frame = complete.then_some(info);
    FrameDissection { fields: fields.finish(section.len()), frame, content, faults }
}

fn decompress(frame: &[u8], info: &FrameInfo, limit: u64) -> Result<Vec<u8>, Fault> {
    let over = |text: String| fault(0, "frame", Class::LimitExceeded, &["AVP-CMP-018"], text);
    if let Some(size) = info.content_size.filter(|&size| size > limit) {
        return Err(over(format!("the frame claims {size} bytes, more than the limit of {limit}")));
    }
    if info.window > MAX_WINDOW.max(limit) {
        return Err(over(format!("the frame wants a window of {} bytes", info.window)));
    }
    let bad = |error: std::io::Error| {
        fault(0, "frame", Class::Decode, &["AVP-CMP-006"], format!("does not decompress: {error}"))
    };
    let window_log = info.window.max(MAX_WINDOW).next_power_of_two().trailing_zeros().min(31);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(bad)?;
    decoder.window_log_max(window_log).map_err(bad)?;
    let first = info.content_size.unwrap_or(0).min(FIRST_BUFFER);
    let mut content = Vec::with_capacity(usize::try_from(first).unwrap_or(0));
    decoder.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(bad)?;
    let len = content.len() as u64;
    if len > limit {
        return Err(over(format!("the frame holds more than the limit of {limit} bytes")));
    }
    if info.content_size.is_some_and(|size| size != len) {
        let text = format!("holds {len} bytes and claims {}", info.content_size.unwrap_or(0));
        return Err(fault(0, "content_size", Class::Decode, &["AVP-CMP-006"], text));
    }
    Ok(content)
}

fn fault(
    offset: usize,
    field: &str,
    class: Class,
    requirements: &'static [&'static str],
    text: impl Into<String>,
) -> Fault {
    Fault {
        stage: Stage::Decompression,
        offset,
        field: field.to_owned(),
        class,
        requirements,
        text: text.into(),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Fields,
    faults: Vec<Fault>,
    info: FrameInfo,
}

impl Reader<'_> {
    /// Reads skippable frames, one frame, and looks at what is behind it. True when the frame is complete.
    fn frames(&mut self) -> bool {
        while let Some(magic) = self.peek_magic().filter(|m| m & 0xffff_fff0 == SKIPPABLE) {
            let start = self.at;
            self.refuse(&["AVP-CMP-005"], start, "magic", format!("a skippable frame ({magic:#x}) in front"));
            let Some(size) = self.le(4, 4) else { return self.cut("skippable frame") };
            let end = (self.at as u64 + 8).saturating_add(size);
            let Some(end) = usize::try_from(end).ok().filter(|&end| end <= self.bytes.len()) else {
                return self.cut("skippable frame");
            };
            self.fields.push(start..end, 0, "skippable frame", format!("{size} bytes"));
            self.at = end;
            self.info.skippable += 1;
        }
        if self.peek_magic() != Some(u32::from_le_bytes(MAGIC)) {
            self.refuse(&["AVP-CMP-006"], self.at, "magic", "does not start with the magic of zstd");
            return false;
        }
        if !self.frame() {
            return false;
        }
        if self.at < self.bytes.len() {
            let rest = self.bytes.len() - self.at;
            let what =
                if self.peek_magic() == Some(u32::from_le_bytes(MAGIC)) { "another frame" } else { "bytes" };
            self.fields.push(self.at..self.bytes.len(), 0, "after the frame", format!("{rest} bytes"));
            self.refuse(&["AVP-CMP-005"], self.at, "after the frame", format!("{what} behind the frame"));
        }
        true
    }

    fn peek_magic(&self) -> Option<u32> {
        self.bytes.get(self.at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    /// A little-endian number of `size` ≤ 8 bytes at `ahead` bytes from here.
    fn le(&self, ahead: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(self.at + ahead..)?.get(..size)?;
        Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    fn refuse(&mut self, ids: &'static [&'static str], offset: usize, field: &str, text: impl Into<String>) {
        self.faults.push(fault(offset, field, Class::Decode, ids, text));
    }

    fn cut(&mut self, field: &str) -> bool {
        self.refuse(&["AVP-CMP-006"], self.at, field, format!("the {field} is cut off"));
        false
    }

    fn named(&mut self, size: usize, depth: u8, name: &str, value: impl Into<String>) {
        self.fields.push(self.at..self.at + size, depth, name, value);
        self.at += size;
    }

    fn frame(&mut self) -> bool {
        self.named(4, 0, "magic", "zstd");
        let Some(descriptor) = self.le(0, 1) else { return self.cut("frame header") };
        let single = descriptor & 0x20 != 0;
        let checksum = descriptor & 0x04 != 0;
        let dictionary_size = [0, 1, 2, 4][descriptor as usize & 3];
        let size_size = match (descriptor >> 6, single) {
            (0, false) => 0,
            (0, true) => 1,
            (flag, _) => 1 << flag,
        };
        let window_size = usize::from(!single);
        let (Some(window), Some(dictionary), Some(size)) = (
            self.le(1, window_size),
            self.le(1 + window_size, dictionary_size),
            self.le(1 + window_size + dictionary_size, size_size),
        ) else {
            return self.cut("frame header");
        };
        if descriptor & 0x08 != 0 {
            self.refuse(&["AVP-CMP-006"], self.at, "descriptor", "the reserved bit is set");
            return false;
        }
        let size = if size_size == 2 { size + 256 } else { size };
        let mut said = String::from(if single { "single segment" } else { "window" });
        said.push_str(if size_size > 0 { ", size" } else { ", no size" });
        said.push_str(if checksum { ", checksum" } else { "" });
        self.named(1, 0, "descriptor", said);
        let window = if single {
            size
        } else {
            let base = 1u64 << (10 + (window >> 3));
            let window = base + base / 8 * (window & 7);
            self.named(1, 0, "window", format!("{window} bytes"));
            window
        };
        if dictionary_size > 0 {
            if dictionary != 0 {
                self.refuse(
                    &["AVP-CMP-006"],
                    self.at,
                    "dictionary",
                    format!("needs dictionary {dictionary}"),
                );
            }
            self.named(dictionary_size, 0, "dictionary", dictionary.to_string());
        }
        if size_size > 0 {
            self.named(size_size, 0, "content_size", size.to_string());
        }
        self.info.content_size = (size_size > 0).then_some(size);
        self.info.window = window;
        self.info.single_segment = single;
        self.info.checksum = checksum;
        self.info.dictionary = dictionary as u32;
        self.blocks() && self.checksum()
    }

    fn blocks(&mut self) -> bool {
        let mut oversized = false;
        loop {
            let Some(header) = self.le(0, 3) else { return self.cut("block header") };
            let (last, kind, size) = (header & 1 != 0, header >> 1 & 3, header >> 3);
            let (kind, stored) = match kind {
                0 => (BlockKind::Raw, size),
                1 => (BlockKind::Rle, 1),
                2 => (BlockKind::Compressed, size),
                _ => {
                    self.refuse(&["AVP-CMP-006"], self.at, "block", "block type 3 does not exist");
                    return false;
                }
            };
            let most = MAX_BLOCK.min(self.info.window);
            // The first one says it; a bomb has thousands.
            if size > most && !oversized {
                oversized = true;
                self.refuse(
                    &["AVP-CMP-006"],
                    self.at,
                    "block",
                    format!("a block of {size} bytes, at most {most} may be"),
                );
            }
            let end = self.at + 3 + stored as usize;
            if end > self.bytes.len() {
                return self.cut("block");
            }
            if !self.fields.is_full() {
                self.block_fields(kind, size, last, end);
            }
            self.at = end;
            self.info.blocks += 1;
            self.info.first_block.get_or_insert(kind);
            if last {
                return true;
            }
        }
    }

    fn block_fields(&mut self, kind: BlockKind, size: u64, last: bool, end: usize) {
        let (word, content) = match kind {
            BlockKind::Raw => ("raw", format!("{size} bytes as they are")),
            BlockKind::Rle => ("rle", format!("one byte, {size} times")),
            BlockKind::Compressed => ("compressed", format!("{size} bytes")),
        };
        let tail = if last { ", last" } else { "" };
        self.fields.push(self.at..self.at + 3, 0, "block header", format!("{word}, {size}{tail}"));
        if end > self.at + 3 {
            self.fields.push(self.at + 3..end, 0, "block", content);
        }
    }

    fn checksum(&mut self) -> bool {
        if self.info.checksum {
            let Some(sum) = self.le(0, 4) else { return self.cut("checksum") };
            self.named(4, 0, "checksum", format!("{sum:#010x}"));
        }
        true
    }
}
