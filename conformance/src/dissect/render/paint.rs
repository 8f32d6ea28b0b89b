//! Dump lines → text.

use std::fmt::Write as _;

use super::{BYTES_PER_LINE, DumpLine};

/// Narrowest width that is laid out for; below it lines run over.
const MIN_WIDTH: usize = 60;
/// Widest column of field names.
const MAX_NAME: usize = 22;

/// How to write a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours, for a terminal.
    pub ansi: bool,
    /// Columns to fit in.
    pub width: usize,
}

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const FAULT: &str = "\x1b[1;31m";
const ODD: &str = "\x1b[33m";
const PATCHED: &str = "\x1b[1;30;43m";

/// Text of a dump: offset, bytes (patched ones in brackets, or marked in colour), field, value; notes below.
pub fn text(lines: &[DumpLine], style: &Style) -> String {
    let last = lines.last().map_or(0, |line| line.offset);
    let layout = Layout {
        ansi: style.ansi,
        width: style.width.max(MIN_WIDTH),
        offset: if last > 0xffff { 8 } else { 4 },
        name: lines.iter().filter(|l| !l.heading).map(name_width).max().unwrap_or(0).min(MAX_NAME),
    };
    let mut out = String::new();
    let mut hue = "";
    for line in lines {
        if line.depth == 0 && !line.field.is_empty() {
            hue = section_hue(&line.field);
        }
        layout.line(&mut out, line, hue);
    }
    out
}

fn section_hue(field: &str) -> &'static str {
    match field.split(' ').next() {
        Some("header" | "num_layers" | "num_kv_heads" | "head_dim" | "seq_len" | "dtype") => "\x1b[36m",
        Some("metadata" | "descriptor" | "window" | "content_size") => "\x1b[32m",
        Some("after") => "\x1b[35m",
        _ => "\x1b[34m",
    }
}

fn indent(line: &DumpLine) -> usize {
    2 * usize::from(line.depth.saturating_sub(1))
}

fn name_width(line: &DumpLine) -> usize {
    indent(line) + line.field.chars().count()
}

struct Layout {
    ansi: bool,
    width: usize,
    offset: usize,
    name: usize,
}

impl Layout {
    fn paint(&self, out: &mut String, code: &str, text: &str) {
        if self.ansi && !code.is_empty() && !text.is_empty() {
            let _ = write!(out, "{code}{text}{RESET}");
        } else {
            out.push_str(text);
        }
    }

    /// Columns up to the bar between bytes and names.
    fn left(&self) -> usize {
        self.offset + 2 + 3 * BYTES_PER_LINE
    }

    fn line(&self, out: &mut String, line: &DumpLine, hue: &str) {
        if line.heading {
            self.heading(out, line, hue);
        } else if line.elided > 0 {
            let text = format!("{:>width$} {} bytes not shown", "⋯", line.elided, width = self.offset + 3);
            self.paint(out, DIM, &text);
            out.push('\n');
        } else {
            self.bytes(out, line, hue);
        }
        self.note(out, line);
    }

    fn heading(&self, out: &mut String, line: &DumpLine, hue: &str) {
        let _ = write!(out, "{:width$}", "", width = self.offset + 2 + 2 * usize::from(line.depth));
        self.paint(out, &format!("{BOLD}{hue}"), &line.field);
        if !line.value.is_empty() {
            self.paint(out, DIM, &format!(" · {}", line.value));
        }
        out.push('\n');
    }

    fn bytes(&self, out: &mut String, line: &DumpLine, hue: &str) {
        self.paint(out, DIM, &format!("{:0width$x}", line.offset, width = self.offset));
        out.push(' ');
        let mut was_patched = false;
        let mut count = 0;
        for (i, hex) in line.hex.as_bytes().chunks(2).enumerate() {
            let hex = std::str::from_utf8(hex).unwrap_or("??");
            let patched = line.patched.iter().any(|&p| usize::from(p) == i);
            out.push(match (self.ansi, was_patched, patched) {
                (false, false, true) => '[',
                (false, true, false) => ']',
                _ => ' ',
            });
            self.paint(out, if patched { PATCHED } else { hue }, hex);
            was_patched = patched;
            count = i + 1;
        }
        out.push(if was_patched && !self.ansi { ']' } else { ' ' });
        let pad = 3 * (BYTES_PER_LINE - count.min(BYTES_PER_LINE));
        if line.field.is_empty() && line.value.is_empty() {
            let _ = write!(out, "{:pad$}", "");
            self.paint(out, DIM, "│");
        } else {
            let _ = write!(out, "{:pad$}", "");
            self.paint(out, DIM, "│ ");
            self.named(out, line);
        }
        out.push('\n');
    }

    fn named(&self, out: &mut String, line: &DumpLine) {
        let name = format!("{:indent$}{}", "", line.field, indent = indent(line));
        let name = cut(&name, self.name);
        let room = self.width.saturating_sub(self.left() + 4 + self.name).max(8);
        let value = cut(&line.value, room);
        if value.is_empty() {
            out.push_str(&name);
        } else {
            let _ = write!(out, "{name:width$}  ", width = self.name);
            self.paint(out, BOLD, &value);
        }
    }

    fn note(&self, out: &mut String, line: &DumpLine) {
        if line.note.is_empty() {
            return;
        }
        let code = if line.note.contains('✗') { FAULT } else { ODD };
        let room = self.width.saturating_sub(self.left() + 2).max(20);
        for (i, part) in wrap(&line.note, room).into_iter().enumerate() {
            let _ = write!(out, "{:width$}", "", width = self.left());
            self.paint(out, code, if i == 0 { "╰ " } else { "  " });
            self.paint(out, code, &part);
            out.push('\n');
        }
    }
}

fn cut(text: &str, room: usize) -> String {
    match text.char_indices().nth(room) {
        None => text.to_owned(),
        Some(_) => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Lines of at most `room` columns, broken at spaces; longer words stand alone.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
        }
        used += len;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_and_cutting() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcdefghij", "k"]);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
