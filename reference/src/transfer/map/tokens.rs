//! A map's tokens, held against those of the two models that it is used between.

use super::ProjectionMap;
use crate::error::{Error, ErrorClass, Result};
use crate::session::{ProjectionMethod, Vocabulary};

impl ProjectionMap {
    /// Whether the map goes through the tokens of these two vocabularies, as one that is made for them does (AVP-PRJ-023,
    /// 025). Hashes say nothing of it: they are of configurations, and a file's ids are whatever it holds. The order of the
    /// tokens is free, since a projection does not depend on it (AVP-PRJ-005). A learned map goes through none.
    ///
    /// # Errors
    /// `projection` when it does not.
    pub fn check_tokens(&self, source: &Vocabulary<'_>, target: &Vocabulary<'_>) -> Result<()> {
        let wrong = |field, expected: &str, found: String| {
            Err(Error::new(ErrorClass::Projection, field, expected, found))
        };
        let Some(shared) = &self.shared else {
            let through_all = self.method == ProjectionMethod::VocabMediated;
            if through_all && source.entries() != target.entries() {
                let found = "vocab_mediated between two vocabularies".to_owned();
                return wrong("map.method", "a way that the vocabularies allow", found);
            }
            return Ok(());
        };
        let ids = shared.source_ids.iter().zip(&shared.target_ids);
        let mut held: Vec<(u64, u64)> =
            ids.map(|(&source, &target)| (source.into(), target.into())).collect();
        let overlap = source.overlap(target);
        let mut both: Vec<(u64, u64)> = overlap.source_ids.into_iter().zip(overlap.target_ids).collect();
        held.sort_unstable();
        both.sort_unstable();
        if held == both {
            return Ok(());
        }
        let other = held.iter().find(|pair| both.binary_search(pair).is_err());
        let found = match other {
            Some((source, target)) => format!("{source} beside {target}, which are no token's"),
            None => format!("{} ids for {} tokens", held.len(), both.len()),
        };
        wrong("map.indices", "the ids of every token that the vocabularies share, once each", found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{mediated, overlap};
    use super::super::{MapModel, SharedTokens};
    use super::*;
    use crate::session::json::Text;

    fn vocabulary(tokens: &[(&str, u64)]) -> Vocabulary<'static> {
        Vocabulary::new(tokens.iter().map(|&(token, id)| (Text::from(token).into_owned(), id)))
    }

    /// Share b, c and d.
    fn pair() -> (Vocabulary<'static>, Vocabulary<'static>) {
        let source = vocabulary(&[("a", 0), ("b", 1), ("c", 2), ("d", 3)]);
        (source, vocabulary(&[("b", 2), ("c", 1), ("d", 0), ("e", 3)]))
    }

    fn through(source_ids: &[u32], target_ids: &[u32]) -> ProjectionMap {
        let shared = SharedTokens { source_ids: source_ids.into(), target_ids: target_ids.into() };
        ProjectionMap { shared: Some(shared), ..overlap() }
    }

    fn refused(
        map: &ProjectionMap,
        (source, target): &(Vocabulary<'_>, Vocabulary<'_>),
    ) -> Option<&'static str> {
        let error = map.check_tokens(source, target).err()?;
        assert_eq!(error.class, ErrorClass::Projection);
        Some(error.field)
    }

    #[test]
    fn every_shared_token_in_any_order() {
        assert_eq!(refused(&through(&[1, 2, 3], &[2, 1, 0]), &pair()), None);
        assert_eq!(refused(&through(&[3, 1, 2], &[0, 2, 1]), &pair()), None);
    }

    #[test]
    fn ids_of_other_tokens() {
        const REFUSED: Option<&str> = Some("map.indices");
        // One side in another order than the other.
        assert_eq!(refused(&through(&[2, 1, 3], &[2, 1, 0]), &pair()), REFUSED);
        assert_eq!(refused(&through(&[1, 2, 3], &[1, 2, 0]), &pair()), REFUSED);
        // Beyond the vocabulary, and within it without being shared.
        assert_eq!(refused(&through(&[1, 2, u32::MAX], &[2, 1, 0]), &pair()), REFUSED);
        assert_eq!(refused(&through(&[1, 2, 0], &[2, 1, 3]), &pair()), REFUSED);
        // A token too few, one twice, and one more.
        assert_eq!(refused(&through(&[1, 2], &[2, 1]), &pair()), REFUSED);
        assert_eq!(refused(&through(&[1, 2, 2], &[2, 1, 1]), &pair()), REFUSED);
        assert_eq!(refused(&through(&[1, 2, 3, 3], &[2, 1, 0, 0]), &pair()), REFUSED);
        // The tokens of another tokenizer under the same hash.
        let (source, target) = pair();
        let other = vocabulary(&[("b", 0), ("a", 1), ("d", 2), ("c", 3)]);
        assert_eq!(refused(&through(&[1, 2, 3], &[2, 1, 0]), &(other, target)), REFUSED);
        assert_eq!(refused(&through(&[1, 2, 3], &[2, 1, 0]), &(source.clone(), source)), REFUSED);
    }

    #[test]
    fn one_vocabulary_takes_the_same_ids() {
        let (source, target) = pair();
        assert_eq!(refused(&mediated(), &(source.clone(), source.clone())), None);
        assert_eq!(refused(&mediated(), &(source.clone(), target.clone())), Some("map.method"));
        let shifted = vocabulary(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
        assert_eq!(refused(&mediated(), &(source.clone(), shifted)), Some("map.method"));
        let learned = ProjectionMap { method: ProjectionMethod::Ridge, ..mediated() };
        assert_eq!(refused(&learned, &(source, target)), None);
    }

    #[test]
    fn what_calibrate_makes_fits() {
        let tokens: Vec<String> = (0..150).map(|n| format!("t{n}")).collect();
        let listed = |first: usize| {
            let pairs =
                tokens[first..].iter().enumerate().map(|(id, token)| (Text::from(&**token), id as u64));
            Vocabulary::new(pairs).into_owned()
        };
        let model = |dim| MapModel { dim, ..MapModel::default() };
        let embedding: Vec<f32> = (0..300).map(|value| value as f32 + 1.0).collect();
        for first in [0, 30] {
            let (ours, theirs) = (listed(0), listed(first));
            let [source, target] = [(3, &ours), (2, &theirs)]
                .map(|(dim, vocabulary)| super::super::CalibratedModel { model: model(dim), vocabulary });
            let map = super::super::calibrate(&source, &target, &embedding).unwrap();
            assert_eq!(refused(&map, &(ours, theirs)), None);
        }
    }
}
