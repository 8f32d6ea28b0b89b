//! What it takes to project one model's states onto another, as a value and as a file (AVP-MAP).
//!
//! ```text
//!  two vocabularies, target's embedding ─calibrate─▶ ProjectionMap ⇄ MapRegistry: memory, then …/maps/*.avp-map
//!                     a map file of the Python SDK ─from_pt─▶ ┘
//! ```

mod calibrate;
mod file;
mod import;
mod registry;
mod tokens;

pub use calibrate::{CalibratedModel, calibrate};
pub use registry::{MapOrigin, MapRegistry};

use super::norm::check_length;
use super::project::{ProjectOptions, Projected, Table, project_linear, project_overlap, project_vocab};
use super::rows::rows;
use crate::error::{Error, ErrorClass, Result};
use crate::session::ProjectionMethod;
use crate::session::resolve::map_id;

/// One side of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapModel {
    /// Its name.
    pub model_id: String,
    /// Hash of its configuration.
    pub hash: String,
    /// Width of its hidden states.
    pub dim: usize,
}

/// Tokens that two vocabularies share, by code point order of the tokens (AVP-PRJ-023).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedTokens {
    /// Their ids in the source's vocabulary.
    pub source_ids: Vec<u32>,
    /// Their ids in the target's, in the same order.
    pub target_ids: Vec<u32>,
}

/// How states of one model become input embeddings of another (AVP-MAP-004).
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionMap {
    /// Whose states.
    pub source: MapModel,
    /// Whose inputs.
    pub target: MapModel,
    /// By which way.
    pub method: ProjectionMethod,
    /// [rows, target.dim]: the target's input embedding, or its rows of the shared tokens (AVP-MAP-008); [source.dim,
    /// target.dim] of a learned map.
    pub w_map: Vec<f32>,
    /// [target.dim]; learned maps only.
    pub bias: Option<Vec<f32>>,
    /// Mean length of the target's input embeddings: results are brought to it.
    pub target_norm: f32,
    /// Pairs that a learned map was made from.
    pub anchor_count: u64,
    /// What its maker thinks of it: 1 through one vocabulary, else the part that is shared (AVP-PRJ-026).
    pub validation_score: f64,
    /// The shared tokens of a map through them, one a row.
    pub shared: Option<SharedTokens>,
    /// How many tokens are shared, as its maker counted.
    pub overlap_count: u64,
    /// Shared tokens over the smaller vocabulary (AVP-PRJ-024).
    pub overlap_ratio: f64,
}

impl ProjectionMap {
    /// Its id in sessions and messages: the first 16 characters of both hashes (AVP-MAP-001).
    #[must_use]
    pub fn id(&self) -> String {
        map_id(&self.source.hash, &self.target.hash)
    }

    /// The matrix as a table.
    #[must_use]
    pub fn table(&self) -> Table<'_> {
        Table { values: &self.w_map, dim: self.target.dim }
    }

    /// Whether its parts fit each other.
    ///
    /// # Errors
    /// `shape_mismatch` for sizes that don't; `invalid_argument` for numbers that are not finite, and ids beside a method
    /// that has none.
    pub fn check(&self) -> Result<()> {
        let mismatch = |field, expected: String, found: String| {
            Err(Error::new(ErrorClass::ShapeMismatch, field, expected, found))
        };
        let rows = rows("map.w_map", &self.w_map, self.target.dim)?;
        if rows == 0 {
            return mismatch("map.w_map", "at least one row".to_owned(), "none".to_owned());
        }
        match (self.method, &self.shared) {
            (ProjectionMethod::VocabOverlap, Some(shared)) => {
                for ids in [&shared.source_ids, &shared.target_ids] {
                    if ids.len() != rows {
                        return mismatch("map.indices", format!("{rows} ids"), ids.len().to_string());
                    }
                }
            }
            (ProjectionMethod::VocabOverlap, None) => {
                return mismatch("map.indices", format!("{rows} ids"), "none".to_owned());
            }
            (_, Some(_)) => {
                let (expected, found) = ("no ids of shared tokens", self.method.as_str());
                return Err(Error::new(ErrorClass::InvalidArgument, "map.indices", expected, found));
            }
            (ProjectionMethod::VocabMediated, None) => {}
            (ProjectionMethod::Ridge | ProjectionMethod::Procrustes, None) => {
                if rows != self.source.dim {
                    return mismatch("map.w_map", format!("{} rows", self.source.dim), rows.to_string());
                }
            }
        }
        if let Some(bias) = self.bias.as_ref().filter(|bias| bias.len() != self.target.dim) {
            return mismatch("map.bias", format!("{} values", self.target.dim), bias.len().to_string());
        }
        check_length("map.target_norm", self.target_norm)?;
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let numbers = self.validation_score.is_finite() && self.overlap_ratio.is_finite();
        if numbers && finite(&self.w_map) && self.bias.as_deref().is_none_or(finite) {
            return Ok(());
        }
        Err(Error::new(ErrorClass::InvalidArgument, "map", "finite numbers", "others"))
    }

    /// Projects states, [N, source.dim], through this map and the source's output head, [V, source.dim], which a learned map
    /// does not look at. Results have the map's `target_norm` (AVP-PRJ-013).
    ///
    /// # Errors
    /// As [`project_vocab`], [`project_overlap`] and [`project_linear`].
    pub fn project(&self, hidden: &[f32], head: Table<'_>, metrics: bool) -> Result<Projected> {
        let options =
            ProjectOptions { target_norm: Some(self.target_norm), metrics, ..ProjectOptions::default() };
        match (self.method, &self.shared) {
            (ProjectionMethod::VocabMediated, _) => project_vocab(hidden, head, self.table(), true, &options),
            (ProjectionMethod::VocabOverlap, Some(shared)) => {
                project_overlap(hidden, head, &shared.source_ids, self.table(), &options)
            }
            (ProjectionMethod::VocabOverlap, None) => {
                Err(Error::new(ErrorClass::ShapeMismatch, "map.indices", "ids of shared tokens", "none"))
            }
            (ProjectionMethod::Ridge | ProjectionMethod::Procrustes, _) => {
                let values = project_linear(hidden, self.table(), self.bias.as_deref(), options.target_norm)?;
                Ok(Projected { values, health: super::StateHealth::of(hidden), metrics: None })
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) const SOURCE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    pub(crate) const TARGET: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    pub(crate) fn mediated() -> ProjectionMap {
        ProjectionMap {
            source: MapModel { model_id: "org/söurce".into(), hash: SOURCE.into(), dim: 3 },
            target: MapModel { model_id: "org/target".into(), hash: TARGET.into(), dim: 2 },
            method: ProjectionMethod::VocabMediated,
            w_map: vec![0.1, -0.0, 1e-42, f32::MAX, -7.25, 2.0],
            bias: None,
            target_norm: 0.1,
            anchor_count: 0,
            validation_score: 1.0,
            shared: None,
            overlap_count: 0,
            overlap_ratio: 0.0,
        }
    }

    pub(crate) fn overlap() -> ProjectionMap {
        let shared = SharedTokens { source_ids: vec![4, 1, u32::MAX], target_ids: vec![0, 2, 7] };
        ProjectionMap {
            method: ProjectionMethod::VocabOverlap,
            validation_score: 0.1 + 0.2,
            shared: Some(shared),
            overlap_count: 3,
            overlap_ratio: 0.1 + 0.2,
            ..mediated()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{mediated, overlap};
    use super::*;

    #[test]
    fn parts_fit_each_other() {
        let class = |change: &dyn Fn(&mut ProjectionMap), mut map: ProjectionMap| {
            change(&mut map);
            map.check().map_err(|error| error.class)
        };
        assert_eq!(class(&|_| (), mediated()), Ok(()));
        assert_eq!(class(&|_| (), overlap()), Ok(()));
        assert_eq!(class(&|map| map.target.dim = 4, mediated()), Err(ErrorClass::ShapeMismatch));
        assert_eq!(class(&|map| map.target.dim = 0, mediated()), Err(ErrorClass::ShapeMismatch));
        assert_eq!(class(&|map| map.shared = None, overlap()), Err(ErrorClass::ShapeMismatch));
        let cut = |map: &mut ProjectionMap| map.w_map.truncate(4);
        assert_eq!(class(&cut, overlap()), Err(ErrorClass::ShapeMismatch));
        let both = |map: &mut ProjectionMap| map.shared = Some(SharedTokens::default());
        assert_eq!(class(&both, mediated()), Err(ErrorClass::InvalidArgument));
        assert_eq!(class(&|map| map.bias = Some(vec![1.0]), mediated()), Err(ErrorClass::ShapeMismatch));
        assert_eq!(class(&|map| map.w_map[1] = f32::NAN, mediated()), Err(ErrorClass::InvalidArgument));
        assert_eq!(class(&|map| map.target_norm = -1.0, mediated()), Err(ErrorClass::InvalidArgument));
        let learned = |map: &mut ProjectionMap| map.method = ProjectionMethod::Ridge;
        assert_eq!(class(&learned, mediated()), Ok(()));
        let rows = |map: &mut ProjectionMap| {
            learned(map);
            map.source.dim = 2;
        };
        assert_eq!(class(&rows, mediated()), Err(ErrorClass::ShapeMismatch));
    }

    #[test]
    fn a_map_projects_by_its_method() {
        let head = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let head = Table { values: &head, dim: 3 };
        let mut map = ProjectionMap { w_map: vec![3.0, 0.0, 0.0, 4.0, 1.0, 1.0], ..mediated() };
        map.target_norm = 5.0;
        assert_eq!(map.project(&[900.0, 0.0, 0.0], head, false).unwrap().values, [5.0, 0.0]);
        map.method = ProjectionMethod::VocabOverlap;
        map.shared = Some(SharedTokens { source_ids: vec![1, 0, 2], target_ids: vec![0, 1, 2] });
        assert_eq!(map.project(&[900.0, 0.0, 0.0], head, false).unwrap().values, [0.0, 5.0]);
        (map.method, map.shared) = (ProjectionMethod::Procrustes, None);
        assert_eq!(map.project(&[1.0, 1.0, 0.0], head, false).unwrap().values, [3.0, 4.0]);
    }
}
