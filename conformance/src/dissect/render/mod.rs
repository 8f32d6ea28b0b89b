//! An annotated hexdump: what people see of every failure.
//!
//! [`dump`] makes lines of data, which events carry; [`text`] makes text of them, plain or in colours, for a given width.

mod paint;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Field;
pub use paint::{Style, text};

/// Bytes on a line. Eight fit beside names and values in 80 columns.
pub const BYTES_PER_LINE: usize = 8;
/// Lines shown of the start of a long field.
const HEAD_LINES: usize = 3;
/// Lines shown of the end of a long field.
const TAIL_LINES: usize = 1;
/// Most lines of a long field that are shown because they hold patched bytes.
const MAX_PATCHED_LINES: usize = 16;
/// Most lines of a dump; from the middle, those that nothing is noted of are left out.
const MAX_LINES: usize = 240;

/// One line of a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpLine {
    /// Offset of its first byte.
    pub offset: usize,
    /// Its bytes, two hex digits each.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex: String,
    /// Which of its bytes were patched, counted from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patched: Vec<u8>,
    /// Nesting of its field.
    #[serde(default)]
    pub depth: u8,
    /// A line that names the section of the lines below it and has no bytes of its own.
    #[serde(default)]
    pub heading: bool,
    /// Name of the field, on its first line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What the bytes say, on the first line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What is wrong or odd, on the last line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// How many bytes this line leaves out; it then shows none.
    #[serde(default)]
    pub elided: usize,
}

/// Lines for `bytes`, whose `fields` come from a dissection. `patched` are the ranges to mark.
pub fn dump(bytes: &[u8], fields: &[Field], patched: &[Range<usize>]) -> Vec<DumpLine> {
    let mut lines = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let parent = fields.get(i + 1).is_some_and(|next| next.depth > field.depth && next.start < field.end);
        if parent {
            lines.push(heading(field));
        } else {
            leaf(bytes, field, patched, &mut lines);
        }
    }
    thin_out(lines)
}

fn heading(field: &Field) -> DumpLine {
    DumpLine {
        offset: field.start,
        depth: field.depth,
        heading: true,
        field: field.name.clone(),
        value: field.value.clone(),
        note: field.note.clone().unwrap_or_default(),
        ..DumpLine::default()
    }
}

fn leaf(bytes: &[u8], field: &Field, patched: &[Range<usize>], lines: &mut Vec<DumpLine>) {
    let end = field.end.min(bytes.len());
    // Fields of recorded events are as somebody wrote them.
    let start = field.start.min(end);
    let rows = (end - start).div_ceil(BYTES_PER_LINE).max(1);
    let first = lines.len();
    let mut shown = 0..0;
    for row in rows_to_show(start, rows, patched) {
        if row > shown.end {
            let (from, to) = (start + shown.end * BYTES_PER_LINE, start + row * BYTES_PER_LINE);
            lines.push(DumpLine {
                offset: from,
                elided: to - from,
                depth: field.depth,
                ..DumpLine::default()
            });
        }
        let at = start + row * BYTES_PER_LINE;
        lines.push(line(bytes, at..end.min(at + BYTES_PER_LINE), field.depth, patched));
        shown.end = row + 1;
    }
    if let Some(line) = lines.get_mut(first) {
        line.field.clone_from(&field.name);
        line.value.clone_from(&field.value);
    }
    if let (Some(line), Some(note)) = (lines.last_mut(), &field.note) {
        line.note.clone_from(note);
    }
}

/// Head, tail, and lines with patched bytes, in order.
fn rows_to_show(start: usize, rows: usize, patched: &[Range<usize>]) -> Vec<usize> {
    if rows <= HEAD_LINES + TAIL_LINES + 1 {
        return (0..rows).collect();
    }
    let mut show: Vec<usize> = (0..HEAD_LINES).chain(rows - TAIL_LINES..rows).collect();
    let touched = patched.iter().flat_map(|range| {
        let from = range.start.max(start) - start;
        let to = range.end.saturating_sub(start);
        (from / BYTES_PER_LINE..to.div_ceil(BYTES_PER_LINE).min(rows)).take(MAX_PATCHED_LINES)
    });
    show.extend(touched.take(MAX_PATCHED_LINES));
    show.sort_unstable();
    show.dedup();
    show
}

fn line(bytes: &[u8], range: Range<usize>, depth: u8, patched: &[Range<usize>]) -> DumpLine {
    let mut line = DumpLine { offset: range.start, depth, ..DumpLine::default() };
    for (i, at) in range.enumerate() {
        let byte = bytes.get(at).copied().unwrap_or_default();
        for nibble in [byte >> 4, byte & 15] {
            line.hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
        }
        if patched.iter().any(|range| range.contains(&at)) {
            line.patched.push(i as u8);
        }
    }
    line
}

/// Leaves out lines from the middle of a dump that is too long, except headings of what stays, notes and patches.
fn thin_out(lines: Vec<DumpLine>) -> Vec<DumpLine> {
    if lines.len() <= MAX_LINES {
        return lines;
    }
    let tail = lines.len() - MAX_LINES / 4;
    let mut budget = MAX_LINES / 4;
    let mut kept: Vec<DumpLine> = Vec::with_capacity(MAX_LINES);
    for (i, line) in lines.into_iter().enumerate() {
        let mut keep = i < MAX_LINES / 2 || i >= tail;
        if !keep && budget > 0 && (!line.note.is_empty() || !line.patched.is_empty()) {
            budget -= 1;
            keep = true;
        }
        if keep {
            kept.push(line);
            continue;
        }
        let bytes = line.elided + line.hex.len() / 2;
        match kept.last_mut() {
            Some(last) if last.elided > 0 && last.hex.is_empty() => last.elided += bytes,
            _ if bytes > 0 => {
                kept.push(DumpLine {
                    offset: line.offset,
                    elided: bytes,
                    depth: line.depth,
                    ..DumpLine::default()
                });
            }
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Spec;
    use crate::dissect::{kv, message};

    const VEC2: [u8; 25] = [
        0x41, 0x56, 0x01, 0x00, 0x0d, 0, 0, 0, 0x64, 0, 0, 0, 0x28, 0x02, 0x4a, 0x01, 0x02, 0, 0, 0x80, 0x3f,
        0, 0, 0, 0x40,
    ];

    #[test]
    fn a_broken_length_in_plain_text() {
        let done = message(&VEC2, Spec::V04);
        let lines = dump(&VEC2, &done.fields, &[Range { start: 8, end: 9 }]);
        let expected = [
            "      header",
            "0000  41 56                   │ magic            \"AV\"",
            "0002  01                      │ version          1",
            "0003  00                      │ flags            0x00",
            "0004  0d 00 00 00             │ payload_length   13",
            "0008 [64]00 00 00             │ metadata_length  100",
            "                              ╰ ✗ 100 is more than payload_length (13)",
            "                                (AVP-HDR-019)",
            "      metadata · 13 bytes",
            "000c  28 02                   │ 5 hidden_dim     2",
            "000e  4a 01 02                │ 9 tensor_shape   [2]",
            "0011  00 00 80 3f 00 00 00 40 │ ?                not readable as protobuf",
        ];
        let shown = text(&lines, &Style { ansi: false, width: 80 });
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected, "\n{shown}");
    }

    #[test]
    fn long_payloads_are_elided_but_not_their_patched_bytes() {
        let mut bytes = vec![0u8; 4113];
        bytes[..17].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4, 0, 0, 0, 1]);
        let done = kv(&bytes);
        let lines = dump(&bytes, &done.fields, &[Range { start: 2077, end: 2079 }]);
        let expected = [
            "0000  01 00 00 00             │ num_layers    1",
            "0004  01 00 00 00             │ num_kv_heads  1",
            "0008  00 01 00 00             │ head_dim      256",
            "000c  04 00 00 00             │ seq_len       4",
            "0010  01                      │ dtype         1 f16",
            "0011  00 00 00 00 00 00 00 00 │ layer 0 K     1024 × f16: 0, 0, 0, 0, 0, 0, …",
            "0019  00 00 00 00 00 00 00 00 │",
            "0021  00 00 00 00 00 00 00 00 │",
            "      ⋯ 2016 bytes not shown",
            "0809  00 00 00 00 00 00 00 00 │",
            "0811  00 00 00 00 00 00 00 00 │ layer 0 V     1024 × f16: 0, 0, 0, 0, 0, 0, …",
            "0819  00 00 00 00[00 00]00 00 │",
            "0821  00 00 00 00 00 00 00 00 │",
            "      ⋯ 2016 bytes not shown",
            "1009  00 00 00 00 00 00 00 00 │",
        ];
        let shown = text(&lines, &Style { ansi: false, width: 100 });
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected, "\n{shown}");
    }

    #[test]
    fn colours_only_when_asked_for() {
        let done = message(&VEC2, Spec::V04);
        let lines = dump(&VEC2, &done.fields, &[Range { start: 8, end: 9 }]);
        assert!(!text(&lines, &Style { ansi: false, width: 80 }).contains('\x1b'));
        let coloured = text(&lines, &Style { ansi: true, width: 80 });
        assert!(coloured.contains("\x1b["));
        for line in coloured.lines() {
            let last = line.rfind("\x1b[");
            assert!(last.is_none_or(|at| line[at..].starts_with("\x1b[0m")), "{line:?}");
        }
    }

    #[test]
    fn a_dump_is_bounded_and_accounts_for_every_byte() {
        let mut bytes = b"AV\x01\x00".to_vec();
        bytes.extend(4000u32.to_le_bytes());
        bytes.extend(4000u32.to_le_bytes());
        bytes.extend([0x28, 0x01].repeat(2000));
        let done = message(&bytes, Spec::V04);
        let lines = dump(&bytes, &done.fields, &[Range { start: 6000, end: 6002 }]);
        assert!(lines.len() <= MAX_LINES + 8, "{}", lines.len());
        let total: usize = lines.iter().map(|line| line.elided + line.hex.len() / 2).sum();
        assert_eq!(total, bytes.len());
    }
}
