//! Checks the recipes of a folder: `cargo run -p avp-conformance --example recipes -- check [FOLDER]`.

use std::path::PathBuf;
use std::process::ExitCode;

use avp_conformance::vector::{Lock, RecipesError, cases_of, read_folder};

fn main() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    anyhow::ensure!(words.next().as_deref() == Some("check"), "usage: recipes check [FOLDER]");
    let folder = words.next().map_or_else(|| PathBuf::from("vectors/recipes"), PathBuf::from);
    let files = read_folder(&folder)?;
    anyhow::ensure!(!files.is_empty(), "no recipes in {}", folder.display());
    match cases_of(&files, &Lock::default()) {
        Ok(cases) => {
            println!("{} files, {} cases, no errors", files.len(), cases.len());
            Ok(ExitCode::SUCCESS)
        }
        Err(RecipesError::Recipes(errors)) => {
            errors.iter().for_each(|error| println!("{error}"));
            println!("{} errors", errors.len());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}
