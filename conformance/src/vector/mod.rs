//! Recipes → cases and `vectors/dist`.
//!
//! `vectors/README.md` describes the grammar. A recipe is read as YAML, its variants are spread out, its bytes are made
//! by [`crate::build`], and one [`Case`] comes out for each dialect.
//!
//! ```
//! let cases = avp_conformance::vector::cases().unwrap();
//! assert!(cases.iter().any(|case| case.id.starts_with("hash/")));
//! ```

mod argument;
mod digest;
mod embedded;
mod evaluate;
mod expand;
mod expect_form;
mod lock;
mod message_form;
mod node;
mod recipe;
mod sweep;
mod vocabulary;

use std::io;
use std::path::Path;

use crate::case::Case;

pub use lock::{Lock, LockError};
pub use recipe::RecipeError;

/// File beside the recipes that says which requirements no vector tests, and why.
const EXCLUDED_FILE: &str = "excluded.yaml";

/// Everything that is wrong with a set of recipes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipesError {
    /// Recipes that can't be read or made.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Recipes(Vec<RecipeError>),
    /// The list of issued ids.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// The cases of all recipes that this binary carries, by id, then dialect.
///
/// # Errors
/// [`RecipesError`] when the recipes do not hold to the grammar; a test sees to it that those of a release do.
pub fn cases() -> Result<Vec<Case>, RecipesError> {
    let files = embedded::EMBEDDED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    cases_of(&files.collect::<Vec<_>>(), &Lock::parse(embedded::LOCK)?)
}

/// The cases of these recipe files (name, text), by id, then dialect.
///
/// # Errors
/// [`RecipesError`] with everything that is wrong, sorted by file.
pub fn cases_of(files: &[(String, String)], lock: &Lock) -> Result<Vec<Case>, RecipesError> {
    let mut recipes = Vec::new();
    let mut errors = Vec::new();
    for (name, text) in files {
        let (read, wrong) = recipe::read_file(name, text);
        recipes.extend(read);
        errors.extend(wrong);
    }
    let bases = expand::bases(&recipes, &embedded::goldens());
    let (expanded, wrong) = expand::expand(&recipes, &bases);
    errors.extend(wrong);
    if !errors.is_empty() {
        errors.sort();
        return Err(RecipesError::Recipes(errors));
    }
    Ok(expanded.iter().flat_map(|expanded| expanded.cases(lock)).collect())
}

/// The recipe files of a folder, name and text, by name.
///
/// # Errors
/// What the file system says.
pub fn read_folder(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name.ends_with(".yaml") && name != EXCLUDED_FILE {
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_recipe_makes_its_cases() {
        let cases = cases().unwrap_or_else(|error| panic!("{error}"));
        assert!(cases.is_sorted_by(|a, b| (&a.id, a.spec) < (&b.id, b.spec)));
    }
}
