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
mod close_form;
mod digest;
mod embedded;
mod evaluate;
mod expand;
mod expect_form;
mod folder;
mod lock;
mod manifest;
mod message_form;
mod node;
mod proof;
mod recipe;
mod sweep;
mod tamper_form;
mod vocabulary;
mod write;
mod yaml;

use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::case::Case;

use expand::{Expanded, bases, expand};
use recipe::{Recipe, read_file, read_list};

pub use folder::{Difference, Dist, FolderError, Generated, IdChange, VectorFolder};
pub use lock::{Lock, LockError};
pub use proof::{Disagreement, How, Nearest, Proof, ProofCount, Refusal, Unpaired, UnpairedList};
pub use recipe::RecipeError;
pub(crate) use vocabulary::METADATA_KEYS;
pub use write::{COUNTEREXAMPLE, UnwrittenError, case_of, entry, recipe_of};

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
    cases_of(&embedded::files(), &Lock::parse(embedded::LOCK)?)
}

/// The one-fault proof of the recipes that this binary carries.
///
/// # Errors
/// [`FolderError`] when the recipes or the list of those without a twin can't be read; a test sees to it that they can.
pub fn proof() -> Result<Proof, FolderError> {
    folder::proof_of(&embedded::files(), embedded::UNPAIRED)
}

/// SHA-256 over the texts that this binary's vectors and verdicts are made from: recipes, goldens, requirements and the
/// issued ids.
pub fn suite_digest() -> String {
    let mut text = String::new();
    let rest = [
        ("goldens.json", embedded::GOLDENS),
        ("requirements.yaml", embedded::REQUIREMENTS),
        ("ids.lock", embedded::LOCK),
    ];
    for (name, content) in embedded::EMBEDDED.iter().chain(&rest) {
        text.push_str(&format!("{name} {}\n", digest::Digest::of(content.as_bytes())));
    }
    digest::Digest::of(text.as_bytes()).to_string()
}

/// The cases of these recipe files (name, text), by id, then dialect.
///
/// # Errors
/// [`RecipesError`] with everything that is wrong, sorted by file.
pub fn cases_of(files: &[(String, String)], lock: &Lock) -> Result<Vec<Case>, RecipesError> {
    let recipes = Recipes::read(files);
    Ok(recipes.expand()?.into_iter().flat_map(|expanded| expanded.into_cases(lock)).collect())
}

/// The cases of the recipes of one file that were read already.
fn cases_of_list(file: &str, list: Vec<Value>, lock: &Lock) -> Result<Vec<Case>, RecipesError> {
    let (recipes, errors) = read_list(file, list);
    let recipes = Recipes { recipes, errors };
    Ok(recipes.expand()?.into_iter().flat_map(|expanded| expanded.into_cases(lock)).collect())
}

/// All recipes, and what is wrong with those that could not be read.
struct Recipes {
    recipes: Vec<Recipe>,
    errors: Vec<RecipeError>,
}

impl Recipes {
    /// Reading YAML takes longer than everything else that happens to a recipe, so the files are read side by side.
    fn read(files: &[(String, String)]) -> Self {
        let read = thread::scope(|scope| {
            let threads: Vec<_> =
                files.iter().map(|(name, text)| scope.spawn(move || read_file(name, text))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        let (recipes, errors): (Vec<_>, Vec<_>) = Vec::into_iter(read).unzip();
        Self { recipes: recipes.into_iter().flatten().collect(), errors: errors.concat() }
    }

    /// Every recipe with its steps, by id.
    fn expand(&self) -> Result<Vec<Expanded<'_>>, RecipesError> {
        let bases = bases(&self.recipes, embedded::goldens());
        let (expanded, wrong) = expand(&self.recipes, &bases);
        let mut errors = [self.errors.clone(), wrong].concat();
        if errors.is_empty() {
            return Ok(expanded);
        }
        errors.sort();
        Err(RecipesError::Recipes(errors))
    }
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
