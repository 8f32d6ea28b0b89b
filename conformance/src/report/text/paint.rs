//! Colours and widths.

/// How a report is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Colours, for a terminal that wants them.
    pub color: bool,
    /// Columns to fit in.
    pub width: usize,
}

/// Width where there is no terminal to ask.
pub const DEFAULT_WIDTH: usize = 100;

/// Beyond this, lines are longer than an eye follows.
const MAX_WIDTH: usize = 120;

/// Narrower than this, a table can't be laid out.
const MIN_WIDTH: usize = 70;

impl Default for Layout {
    fn default() -> Self {
        Self { color: false, width: DEFAULT_WIDTH }
    }
}

impl Layout {
    /// Columns that are laid out for.
    pub fn columns(&self) -> usize {
        self.width.clamp(MIN_WIDTH, MAX_WIDTH)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn good(&self, text: &str) -> String {
        self.paint("1;32", text)
    }

    pub(super) fn odd(&self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Lines of at most the width, broken at spaces.
    pub fn paragraph(&self, indent: usize, text: &str) -> String {
        let room = self.columns().saturating_sub(indent).max(20);
        wrap(text, room).into_iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
    }

    /// A line across with a name on its left and a note on its right.
    pub fn title(&self, left: &str, right: &str) -> String {
        /// `── `, ` `, two dashes at least, ` ` and ` ──`.
        const FRAME: usize = 10;
        let room = self.columns().saturating_sub(right.chars().count() + FRAME).max(8);
        let left = match left.char_indices().nth(room) {
            None => left.to_owned(),
            Some(_) => left.chars().take(room - 1).chain(['…']).collect(),
        };
        let gap = room - left.chars().count() + 2;
        format!("{}\n", self.bold(&format!("── {left} {} {right} ──", "─".repeat(gap))))
    }

    /// Lines of at most the width, broken at spaces, the first after `label` and the others below it.
    pub fn labelled(&self, indent: usize, label: &str, text: &str) -> String {
        const LABEL: usize = 11;
        let room = self.columns().saturating_sub(indent + LABEL).max(20);
        let mut out = String::new();
        for (n, line) in wrap(text, room).into_iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            let padded = format!("{label:LABEL$}");
            out.push_str(&format!("{:indent$}{}{line}\n", "", self.dim(&padded)));
        }
        out
    }
}

/// Lines of at most `room` characters, broken at spaces; a longer word is broken anywhere.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > room {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        while used + word.len() > room {
            let rest = word.split_off(room - used);
            line.extend(word);
            lines.push(std::mem::take(&mut line));
            used = 0;
            word = rest;
        }
        used += word.len();
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_never_run_over_and_lose_nothing() {
        for room in [1, 5, 7, 80] {
            let text = "one two threefourfive ééé";
            let lines = wrap(text, room);
            assert!(lines.iter().all(|line| line.chars().count() <= room), "{room}: {lines:?}");
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn without_colour_nothing_but_text() {
        let plain = Layout { color: false, width: 80 };
        assert_eq!(plain.bad("x"), "x");
        assert_eq!(plain.labelled(2, "why", "because"), "  why        because\n");
    }
}
