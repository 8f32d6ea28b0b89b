//! MERGED RUN → `reports/<run>/`: Markdown, one page, pictures, tables. The same bytes from the same folder.

mod claims;
mod content;
mod document;
mod html;
mod items;
mod markdown;
mod panel;
mod plot;
mod terminal;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use document::{Block, Table};
pub use html::escape as escape_html;
pub use markdown::escape as escape_markdown;
pub use plot::Plot;
pub use terminal::{compare_table, table as terminal_table};

use crate::analysis::{self, Analysis, Merged};
use crate::claim::{self, Checked};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder, or a file of the report.
    #[error(transparent)]
    Folder(#[from] analysis::Error),
    /// Published figures that cannot be read.
    #[error(transparent)]
    Claims(#[from] claim::Error),
    /// A picture that could not be drawn.
    #[error("drawing: {0}")]
    Drawing(String),
    /// A table that could not be written.
    #[error("table: {0}")]
    Table(#[from] crate::table::Error),
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A report, all of it in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The numbers.
    pub analysis: Analysis,
    /// Published figures of the run's tasks, and what it says of them.
    pub claims: Vec<Checked>,
    /// What it says.
    pub blocks: Vec<Block>,
    /// Files by their path within the report's folder.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Report {
    /// Makes the report of a run. A function of the run alone.
    ///
    /// # Errors
    /// [`Error`] for what the libraries that draw and write tables refuse.
    pub fn of(run: &Merged) -> Result<Self> {
        let analysis = Analysis::of(run);
        let plots = plot::all(&analysis).map_err(|error| Error::Drawing(error.to_string()))?;
        let mut published = claim::published()?;
        published.retain(|claim| claim.concerns(&run.record));
        let claims = claim::check(&published, run);
        let blocks = content::blocks(&analysis, &run.record, &claims, &plots);
        let mut files = BTreeMap::new();
        files.insert("report.md".into(), markdown::markdown(&analysis, &blocks, &plots).into_bytes());
        files.insert("index.html".into(), html::html(run, &analysis, &blocks, &plots).into_bytes());
        for plot in &plots {
            files.insert(format!("plots/{}.svg", plot.name).into(), plot.file().into_bytes());
        }
        for (name, bytes) in crate::table::files(run, &analysis)? {
            files.insert(Path::new("tables").join(name), bytes);
        }
        Ok(Self { analysis, claims, blocks, files })
    }

    /// Writes its files below `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, bytes) in &self.files {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(analysis::Error::file(parent))?;
            }
            fs::write(&path, bytes).map_err(analysis::Error::file(&path))?;
        }
        Ok(())
    }
}

/// Reads the merged run in `folder` and writes its report below `out`.
///
/// # Errors
/// [`Error`]: a folder that is no merged run, or a place where nothing can be written.
pub fn write(folder: &Path, out: &Path) -> Result<Report> {
    let report = Report::of(&Merged::open(folder)?)?;
    report.write(out)?;
    Ok(report)
}
