//! TRACES, NUMBERS → FRAMES → CSV and Parquet.
//!
//! | table | a row is |
//! |---|---|
//! | `items` | an answer: an item under an arm, once |
//! | `agents` | an agent's turn in one |
//! | `arms` | an arm on a task in a layout |
//! | `marks` | another scorer's mark of an arm on a task in a layout |
//! | `comparisons` | an arm against another |
//! | `links` | an arm against another over a link with a round trip |
//! | `sweep` | an arm's time on a link of the sweep |

mod numbers;
mod traces;

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, IntoColumn as _, NamedFrom, PolarsError, Series};
use polars_io::prelude::{CsvWriter, ParquetWriter, SerWriter as _};

use crate::analysis::{Analysis, Merged};
use crate::stats::Interval;

/// What the table library refuses.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] PolarsError);

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Every table of a run by its name.
///
/// # Errors
/// [`Error`] of the table library.
pub fn frames(run: &Merged, analysis: &Analysis) -> Result<BTreeMap<&'static str, DataFrame>> {
    Ok(BTreeMap::from([
        ("items", traces::items(run)?),
        ("agents", traces::agents(run)?),
        ("arms", numbers::arms(analysis)?),
        ("marks", numbers::marks(analysis)?),
        ("comparisons", numbers::comparisons(analysis)?),
        ("links", numbers::links(analysis)?),
        ("sweep", numbers::sweep(analysis)?),
    ]))
}

/// Every table as a CSV and a Parquet file, by file name.
///
/// # Errors
/// [`Error`] of the table library.
pub fn files(run: &Merged, analysis: &Analysis) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (name, mut frame) in frames(run, analysis)? {
        let mut csv = Vec::new();
        CsvWriter::new(&mut csv).finish(&mut frame)?;
        files.insert(format!("{name}.csv"), csv);
        let mut parquet = Vec::new();
        ParquetWriter::new(&mut parquet).finish(&mut frame)?;
        files.insert(format!("{name}.parquet"), parquet);
    }
    Ok(files)
}

/// Columns as they are added: a value a row each.
struct Columns<'a, R> {
    rows: &'a [R],
    columns: Vec<Column>,
}

impl<'a, R> Columns<'a, R> {
    fn of(rows: &'a [R]) -> Self {
        Self { rows, columns: Vec::new() }
    }

    fn add(mut self, series: Series) -> Self {
        self.columns.push(series.into_column());
        self
    }

    fn text(self, name: &str, value: impl Fn(&'a R) -> &'a str) -> Self {
        let values: Vec<&str> = self.rows.iter().map(value).collect();
        self.add(Series::new(name.into(), values))
    }

    fn maybe_text(self, name: &str, value: impl Fn(&'a R) -> Option<&'a str>) -> Self {
        let values: Vec<Option<&str>> = self.rows.iter().map(value).collect();
        self.add(Series::new(name.into(), values))
    }

    fn count(self, name: &str, value: impl Fn(&'a R) -> u64) -> Self {
        let values: Vec<u64> = self.rows.iter().map(value).collect();
        self.add(Series::new(name.into(), values))
    }

    fn number(self, name: &str, value: impl Fn(&'a R) -> f64) -> Self {
        self.maybe(name, |row| Some(value(row)))
    }

    /// Numbers that are none are left empty.
    fn maybe(self, name: &str, value: impl Fn(&'a R) -> Option<f64>) -> Self {
        let values: Vec<Option<f64>> =
            self.rows.iter().map(|row| value(row).filter(|number| number.is_finite())).collect();
        self.add(Series::new(name.into(), values))
    }

    fn interval(self, name: &str, value: impl Fn(&'a R) -> Option<Interval>) -> Self {
        self.maybe(name, |row| Some(value(row)?.estimate))
            .maybe(&format!("{name}_low"), |row| Some(value(row)?.low))
            .maybe(&format!("{name}_high"), |row| Some(value(row)?.high))
    }

    fn frame(self) -> Result<DataFrame> {
        Ok(DataFrame::new_infer_height(self.columns)?)
    }
}

/// The name that serde gives a variant.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}
