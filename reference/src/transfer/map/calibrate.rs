//! A map from what two models share: nothing is learned.

use super::{MapModel, ProjectionMap, SharedTokens};
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::session::resolve::MIN_SHARED_TOKENS;
use crate::session::{ProjectionMethod, Vocabulary};
use crate::transfer::rows::rows;
use crate::transfer::target_norm;

/// One of the models that a map is made for.
#[derive(Clone, Debug)]
pub struct CalibratedModel<'a> {
    /// Who it is.
    pub model: MapModel,
    /// Its tokens.
    pub vocabulary: &'a Vocabulary<'a>,
}

/// The map from one model to another (AVP-PRJ-025): through the whole vocabulary where both have the same tokens under the
/// same ids, through the shared tokens where there are enough of them. `embedding` [V, target's dim] is the target's input
/// matrix, of which the map keeps the rows that it needs.
///
/// # Errors
/// `invalid_argument` when too few tokens are shared, for a model without a width, and for an embedding without a length
/// (AVP-PRJ-027); `shape_mismatch` for rows that are cut, and a shared token that the embedding has no row for.
pub fn calibrate(
    source: &CalibratedModel<'_>,
    target: &CalibratedModel<'_>,
    embedding: &[f32],
) -> Result<ProjectionMap> {
    for (field, side) in [("calibrate.source", source), ("calibrate.target", target)] {
        if side.model.dim == 0 {
            let found = format!("none of {}", excerpt(&side.model.model_id));
            return Err(invalid(field, "the width of hidden states", found));
        }
    }
    let width = target.model.dim;
    let count = rows("tgt_embed", embedding, width)?;
    let length = target_norm(embedding, width).ok().filter(|length| *length > 0.0);
    let Some(target_norm) = length else {
        return Err(invalid("tgt_embed", "finite rows, not all zero", "none, or others"));
    };
    let same = source.vocabulary.entries() == target.vocabulary.entries();
    let map = ProjectionMap {
        source: source.model.clone(),
        target: target.model.clone(),
        method: ProjectionMethod::VocabMediated,
        w_map: Vec::new(),
        bias: None,
        target_norm,
        anchor_count: 0,
        validation_score: 1.0,
        shared: None,
        overlap_count: 0,
        overlap_ratio: 0.0,
    };
    if same && !source.vocabulary.is_empty() {
        return Ok(ProjectionMap { w_map: embedding.to_vec(), ..map });
    }
    let overlap = source.vocabulary.overlap(target.vocabulary);
    let shared = overlap.source_ids.len();
    if shared < MIN_SHARED_TOKENS {
        let expected = format!("one tokenizer, or {MIN_SHARED_TOKENS} tokens in common");
        return Err(invalid("vocabulary", expected, format!("{shared} in common")));
    }
    let mut w_map = Vec::with_capacity(shared * width);
    for &id in &overlap.target_ids {
        let row = usize::try_from(id).ok().filter(|&id| id < count).ok_or_else(|| {
            let expected = format!("ids below {count}, the rows of the embedding");
            Error::new(ErrorClass::ShapeMismatch, "tgt_embed", expected, id.to_string())
        })?;
        w_map.extend_from_slice(&embedding[row * width..][..width]);
    }
    let narrow = |ids: Vec<u64>| {
        let narrow =
            |id: u64| u32::try_from(id).map_err(|_| invalid("vocabulary", "ids of 32 bits", id.to_string()));
        ids.into_iter().map(narrow).collect::<Result<Vec<_>>>()
    };
    Ok(ProjectionMap {
        method: ProjectionMethod::VocabOverlap,
        w_map,
        validation_score: overlap.ratio,
        overlap_count: shared as u64,
        overlap_ratio: overlap.ratio,
        shared: Some(SharedTokens {
            source_ids: narrow(overlap.source_ids)?,
            target_ids: narrow(overlap.target_ids)?,
        }),
        ..map
    })
}

fn invalid(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::InvalidArgument, field, expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::json::Text;

    /// Tokens `t<n>` of these numbers, under ids that begin with `first`.
    fn vocabulary(tokens: std::ops::Range<u32>, first: u64) -> Vocabulary<'static> {
        let pair = |(place, token)| (Text::from(&*format!("t{token:04}")).into_owned(), first + place as u64);
        Vocabulary::new(tokens.enumerate().map(pair))
    }

    fn model<'a>(vocabulary: &'a Vocabulary<'static>, dim: usize) -> CalibratedModel<'a> {
        CalibratedModel { model: MapModel { model_id: "m".into(), hash: "ab".into(), dim }, vocabulary }
    }

    fn embedding(rows: usize) -> Vec<f32> {
        (0..rows).flat_map(|row| [row as f32 + 1.0, 0.0]).collect()
    }

    #[test]
    fn one_vocabulary_shared_tokens_or_nothing() {
        let source = vocabulary(0..200, 0);
        let equal = calibrate(&model(&source, 5), &model(&source, 2), &embedding(208)).unwrap();
        assert_eq!(equal.method, ProjectionMethod::VocabMediated);
        assert_eq!((equal.w_map.len(), equal.validation_score, equal.target_norm), (416, 1.0, 104.5));
        assert_eq!((equal.overlap_count, equal.shared.clone()), (0, None));
        equal.check().unwrap();

        let target = vocabulary(100..250, 7);
        let some = calibrate(&model(&source, 5), &model(&target, 2), &embedding(160)).unwrap();
        assert_eq!(some.method, ProjectionMethod::VocabOverlap);
        let shared = some.shared.clone().unwrap();
        assert_eq!((shared.source_ids[0], shared.target_ids[0], shared.source_ids.len()), (100, 7, 100));
        assert_eq!(some.w_map[..4], [8.0, 0.0, 9.0, 0.0]);
        assert_eq!((some.overlap_count, some.anchor_count), (100, 0));
        assert!((some.overlap_ratio - 100.0 / 150.0).abs() < 1e-12);
        assert_eq!(some.validation_score, some.overlap_ratio);
        some.check().unwrap();

        let few = vocabulary(101..250, 7);
        let refused = calibrate(&model(&source, 5), &model(&few, 2), &embedding(160)).unwrap_err();
        assert_eq!(refused.class, ErrorClass::InvalidArgument);
        let none = Vocabulary::default();
        let refused = calibrate(&model(&none, 5), &model(&none, 2), &embedding(160)).unwrap_err();
        assert_eq!(refused.class, ErrorClass::InvalidArgument);
    }

    #[test]
    fn the_same_tokens_under_other_ids_are_shared_tokens() {
        let (source, target) = (vocabulary(0..120, 0), vocabulary(0..120, 1));
        let map = calibrate(&model(&source, 5), &model(&target, 2), &embedding(121)).unwrap();
        assert_eq!((map.method, map.overlap_ratio), (ProjectionMethod::VocabOverlap, 1.0));
    }

    #[test]
    fn what_gives_no_map_is_refused() {
        let tokens = vocabulary(0..120, 0);
        let class = |ds, dt, embedding: &[f32]| {
            calibrate(&model(&tokens, ds), &model(&tokens, dt), embedding).unwrap_err().class
        };
        assert_eq!(class(0, 2, &embedding(120)), ErrorClass::InvalidArgument);
        assert_eq!(class(5, 0, &embedding(120)), ErrorClass::InvalidArgument);
        assert_eq!(class(5, 2, &[0.0; 240]), ErrorClass::InvalidArgument);
        assert_eq!(class(5, 2, &[f32::NAN; 240]), ErrorClass::InvalidArgument);
        assert_eq!(class(5, 2, &[]), ErrorClass::InvalidArgument);
        assert_eq!(class(5, 2, &[1.0; 241]), ErrorClass::ShapeMismatch);
        let shifted = vocabulary(0..120, 1);
        let beyond = calibrate(&model(&tokens, 5), &model(&shifted, 2), &embedding(120)).unwrap_err();
        assert_eq!(beyond.class, ErrorClass::ShapeMismatch);
    }
}
