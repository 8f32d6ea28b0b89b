//! Which projection fits two models, and what a map of it says (AVP-MAP, AVP-PRJ-023 to 027).

use std::collections::BTreeMap;

/// Fewest shared tokens that a projection can go through (AVP-PRJ-025).
const MIN_SHARED: usize = 100;

/// Characters of each hash in a map's id (AVP-MAP-001).
const ID_CHARACTERS: usize = 16;

/// A map's id and the stem of its file.
pub fn map_id(source_hash: &str, target_hash: &str) -> String {
    let start = |hash: &str| hash.chars().take(ID_CHARACTERS).collect::<String>();
    format!("{}_{}", start(source_hash), start(target_hash))
}

/// Token → id. Texts of Rust are ordered by code points, as AVP-PRJ-023 wants it.
pub type TokenIds = BTreeMap<String, u32>;

/// Tokens that two vocabularies share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedTokens {
    /// Their ids in the first, in the order of the tokens.
    pub src_indices: Vec<u32>,
    /// Their ids in the second, in the same order.
    pub tgt_indices: Vec<u32>,
    /// Their share of the smaller vocabulary (AVP-PRJ-024); 0 where that is empty.
    pub ratio: f64,
}

impl SharedTokens {
    /// The tokens that both have.
    pub fn of(a: &TokenIds, b: &TokenIds) -> Self {
        let mut shared = Self::default();
        for (token, id) in a {
            if let Some(other) = b.get(token) {
                shared.src_indices.push(*id);
                shared.tgt_indices.push(*other);
            }
        }
        let smaller = a.len().min(b.len()).max(1);
        shared.ratio = shared.src_indices.len() as f64 / smaller as f64;
        shared
    }
}

/// How two models can talk.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// The same tokens under the same ids.
    Mediated,
    /// Enough tokens in common.
    Overlap(SharedTokens),
    /// Too few.
    None,
}

/// The route between two vocabularies (AVP-PRJ-025).
pub fn route(source: &TokenIds, target: &TokenIds) -> Route {
    if source == target {
        return Route::Mediated;
    }
    let shared = SharedTokens::of(source, target);
    if shared.src_indices.len() >= MIN_SHARED { Route::Overlap(shared) } else { Route::None }
}
