//! A named range of bytes, and the list that keeps every byte covered.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Most fields that one dissection lists. A message of 64 MiB may hold 32 million two-byte protobuf fields; nobody reads
/// more than a few pages, so what comes after is covered by one field that says so.
const MAX_FIELDS: usize = 4096;

/// A named range of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// E.g. `payload_length`, `5 hidden_dim`, `layer 0 K`.
    pub name: String,
    /// What the bytes say, for a person.
    pub value: String,
    /// Nesting: a field is the parent of the fields after it that are deeper. Parents are headings; the leaves tile the
    /// input.
    pub depth: u8,
    /// What is wrong or odd here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Field {
    /// The bytes it covers.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Fields in the order of their bytes, bounded in number.
#[derive(Debug, Default)]
pub(super) struct Fields {
    list: Vec<Field>,
}

impl Fields {
    pub(super) fn push(
        &mut self,
        range: Range<usize>,
        depth: u8,
        name: impl Into<String>,
        value: impl Into<String>,
    ) {
        if !self.is_full() {
            self.list.push(Field {
                start: range.start,
                end: range.end,
                name: name.into(),
                value: value.into(),
                depth,
                note: None,
            });
        }
    }

    /// Whether further fields would be dropped; lets a caller skip the work of describing them.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_FIELDS
    }

    /// Adds fields made over a part of the input that starts at `offset`, one level deeper than `depth`.
    pub(super) fn nest(&mut self, inner: Vec<Field>, offset: usize, depth: u8) {
        for field in inner {
            if self.is_full() {
                return;
            }
            self.list.push(Field {
                start: field.start + offset,
                end: field.end + offset,
                depth: field.depth + depth + 1,
                ..field
            });
        }
    }

    /// The list with gaps between leaves filled, so that the leaves tile `0..len`.
    pub(super) fn finish(self, len: usize) -> Vec<Field> {
        let mut done: Vec<Field> = Vec::with_capacity(self.list.len() + 1);
        let mut covered = 0;
        let mut list = self.list.into_iter().peekable();
        while let Some(field) = list.next() {
            let parent = list.peek().is_some_and(|next| next.depth > field.depth && next.start < field.end);
            if field.start > covered {
                done.push(unlisted(covered..field.start, field.depth));
                covered = field.start;
            }
            if !parent {
                covered = covered.max(field.end);
            }
            done.push(field);
        }
        if covered < len {
            done.push(unlisted(covered..len, 0));
        }
        done
    }
}

fn unlisted(range: Range<usize>, depth: u8) -> Field {
    let value = format!("{} bytes, not listed field by field", range.len());
    Field { start: range.start, end: range.end, name: "…".to_owned(), value, depth, note: None }
}

/// Puts `text` beside the leaf that holds `offset` (or the last one before it).
pub(super) fn annotate(fields: &mut [Field], offset: usize, text: &str) {
    let leaf = (0..fields.len())
        .filter(|&i| fields.get(i + 1).is_none_or(|next| next.depth <= fields[i].depth))
        .filter(|&i| fields[i].start <= offset)
        .max_by_key(|&i| (fields[i].start, fields[i].end > offset));
    if let Some(i) = leaf {
        match &mut fields[i].note {
            Some(note) => {
                note.push_str("; ");
                note.push_str(text);
            }
            none => *none = Some(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_parents_do_not_count_as_cover() {
        let mut fields = Fields::default();
        fields.push(0..10, 0, "section", "");
        fields.push(2..4, 1, "a", "");
        fields.push(4..8, 1, "b", "");
        let done = fields.finish(12);
        let names: Vec<_> = done.iter().map(|f| (f.start, f.end, f.name.as_str())).collect();
        assert_eq!(names, [(0, 10, "section"), (0, 2, "…"), (2, 4, "a"), (4, 8, "b"), (8, 12, "…")]);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut fields = Fields::default();
        for i in 0..MAX_FIELDS * 2 {
            fields.push(i..i + 1, 0, "x", "");
        }
        let done = fields.finish(MAX_FIELDS * 2);
        assert_eq!(done.len(), MAX_FIELDS + 1);
        assert_eq!(done[MAX_FIELDS].range(), MAX_FIELDS..MAX_FIELDS * 2);
    }
}
