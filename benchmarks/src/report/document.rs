//! What a report consists of, whatever it is written as.

/// One part of a report, in reading order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading of that level, from 2.
    Heading(u8, String),
    /// A paragraph.
    Text(String),
    /// Points.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// Pictures by name.
    Plots(Vec<String>),
    /// Something for those who want to know it all: a line, and what is behind it.
    Details(String, Vec<Self>),
    /// Text as it is.
    Code(String),
    /// Where the page has its table of items, and others a pointer to the files.
    Items,
}

/// A table; the first column names the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What it is about.
    pub caption: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// As many cells a row as the head has.
    pub rows: Vec<Vec<String>>,
    /// How many items, which intervals, which correction.
    pub note: String,
}

impl Table {
    pub(super) fn new(caption: &str, head: &[&str], note: String) -> Self {
        let head = head.iter().map(|&name| name.to_owned()).collect();
        Self { caption: caption.to_owned(), head, rows: Vec::new(), note }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }
}
