//! Bytes of a part, line by line, with what they mean beside them.

use super::escape::escape;
use crate::{
    dissect::render::{BYTES_PER_LINE, DumpLine},
    event::{CaseEvent, PartDump},
    report::words,
};

/// Bytes of a part without fields that are shown: nobody reads a tensor.
const PLAIN_BYTES: usize = 64;

/// Widest column of field names.
const NAME: usize = 24;

/// The dump of a part that was `sent` with a step, or answered. Of a part that nothing is known of, its first bytes.
pub(super) fn part(out: &mut String, case: &CaseEvent, step: usize, part: &PartDump, sent: bool) {
    out.push_str(&format!("<p class=\"part\">{}</p>\n", super::short(&words::part(part), 200)));
    if part.len == 0 {
        return;
    }
    let label = format!("Bytes of {}", if part.name.is_empty() { "a part" } else { &part.name });
    out.push_str(&format!("<pre class=\"dump\" tabindex=\"0\" aria-label=\"{}\">", super::short(&label, 80)));
    if part.fields.is_empty() {
        plain(out, part);
    } else {
        let lines = words::dump_lines(case, step, part, sent);
        let name = lines.iter().filter(|line| !line.heading).map(width).max().unwrap_or(0).min(NAME);
        lines.iter().for_each(|dump_line| line(out, dump_line, name));
    }
    out.push_str("</pre>\n");
}

fn plain(out: &mut String, part: &PartDump) {
    let bytes = words::bytes_of(part);
    for (row, chunk) in bytes[..bytes.len().min(PLAIN_BYTES)].chunks(16).enumerate() {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push_str(&format!("<i>{:04x}</i>  {}\n", row * 16, hex.join(" ")));
    }
    if part.len > PLAIN_BYTES {
        out.push_str(&format!(
            "      <i>{} more bytes not shown</i>\n",
            part.len - bytes.len().min(PLAIN_BYTES)
        ));
    }
}

fn width(line: &DumpLine) -> usize {
    indent(line) + line.field.chars().count()
}

fn indent(line: &DumpLine) -> usize {
    2 * usize::from(line.depth.saturating_sub(1)).min(8)
}

fn line(out: &mut String, line: &DumpLine, name: usize) {
    if line.heading {
        let value =
            if line.value.is_empty() { String::new() } else { format!(" · {}", escape(&line.value)) };
        out.push_str(&format!("{:6}<b>{}</b><i>{value}</i>\n", "", escape(&line.field)));
    } else if line.elided > 0 {
        out.push_str(&format!("      <i>⋯ {} bytes not shown</i>\n", line.elided));
    } else {
        bytes(out, line, name);
    }
    if !line.note.is_empty() {
        let kind = if line.note.contains('✗') { "bad" } else { "odd" };
        out.push_str(&format!("{:6}<b class=\"{kind}\">╰ {}</b>\n", "", escape(&line.note)));
    }
}

fn bytes(out: &mut String, line: &DumpLine, name: usize) {
    out.push_str(&format!("<i>{:04x}</i>  ", line.offset));
    let count = line.hex.len() / 2;
    // A run of patched bytes is one mark: a reader of the page by ear hears it once.
    let mut open = false;
    for (at, hex) in line.hex.as_bytes().chunks(2).enumerate() {
        let patched = line.patched.iter().any(|patched| usize::from(*patched) == at);
        match (open, patched) {
            (true, false) => out.push_str("</mark>"),
            (true, true) => out.push(' '),
            _ => {}
        }
        if at > 0 && !(open && patched) {
            out.push(' ');
        }
        if patched && !open {
            out.push_str("<mark>");
        }
        open = patched;
        out.push_str(std::str::from_utf8(hex).unwrap_or("??"));
    }
    if open {
        out.push_str("</mark>");
    }
    let pad = 3 * BYTES_PER_LINE.saturating_sub(count) + if count == 0 { 0 } else { 1 };
    out.push_str(&format!("{:pad$}<i>│</i>", ""));
    if !line.field.is_empty() || !line.value.is_empty() {
        let field = format!("{:indent$}{}", "", line.field, indent = indent(line));
        let room = name.saturating_sub(field.chars().count());
        out.push_str(&format!(" {}{:room$}  <b>{}</b>", escape(&field), "", escape(&line.value)));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::sample;

    #[test]
    fn patched_bytes_are_one_mark_and_columns_stand_below_each_other() {
        let case = sample::cases().remove(3);
        let mut out = String::new();
        part(&mut out, &case, 0, &case.steps[0].parts[0], true);
        assert!(out.contains("<mark>ff 00 00 00</mark>"), "{out}");
        let bare = |line: &str| {
            let mut inside = false;
            line.chars()
                .filter(|c| {
                    inside = (inside || *c == '<') && *c != '>';
                    !inside && *c != '>'
                })
                .collect::<String>()
        };
        let bars: Vec<usize> = out
            .lines()
            .filter(|line| line.contains('│'))
            .map(|line| bare(line).chars().position(|c| c == '│').unwrap())
            .collect();
        assert!(bars.len() > 4 && bars.windows(2).all(|pair| pair[0] == pair[1]), "{bars:?}\n{out}");
    }
}
