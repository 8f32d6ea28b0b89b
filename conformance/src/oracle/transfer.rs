//! From one tiny model's thoughts to another's text (AVP-PRJ-028, AVP-API-008): think, project the last states, prime the
//! target's cache with them, write.

use super::latent::{Greedy, Thinker};
use super::map::{Route, TokenIds, route};
use super::matrix::Matrix;
use super::projection::Projection;
use super::realign::target_norm;

/// A transfer that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Crossing<'a> {
    /// Who thinks.
    pub source: &'a Thinker,
    /// Its vocabulary.
    pub source_vocab: &'a TokenIds,
    /// What it thinks about.
    pub source_ids: &'a [u32],
    /// For how many latent steps.
    pub steps: usize,
    /// Who writes.
    pub target: &'a Thinker,
    /// Its vocabulary.
    pub vocab: &'a TokenIds,
    /// How many of the last states are projected; at most `steps + 1`.
    pub vectors: usize,
}

/// What crosses over.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossed {
    /// `vocab_mediated` or `vocab_overlap`.
    pub method: &'static str,
    /// Input embeddings of the target, in the order of the states.
    pub injected: Matrix,
}

impl Crossing<'_> {
    /// The projected states; `None` where the vocabularies have too little in common.
    pub fn cross(&self) -> Option<Crossed> {
        let states = self.source.think(self.source.decoder.empty_cache(), self.source_ids, self.steps).states;
        let last = states.get(states.len().checked_sub(self.vectors)?..)?;
        let hidden = Matrix { rows: last.len(), cols: last.first()?.len(), values: last.concat() };
        // The head where the model has one of its own (AVP-PRJ-029).
        let head = self.source.decoder.head.as_ref().unwrap_or(&self.source.decoder.embed);
        let embed = &self.target.decoder.embed;
        let length = target_norm(embed);
        let (method, made) = match route(self.source_vocab, self.vocab) {
            Route::Mediated => ("vocab_mediated", Projection::mediated(&hidden, head, embed, 1.0, length)),
            Route::Overlap(shared) => {
                let rows = shared.tgt_indices.iter().flat_map(|id| embed.row(*id as usize));
                let values: Vec<f64> = rows.copied().collect();
                let targets = Matrix { rows: shared.tgt_indices.len(), cols: embed.cols, values };
                let indices: Vec<usize> = shared.src_indices.iter().map(|id| *id as usize).collect();
                ("vocab_overlap", Projection::overlap(&hidden, head, &indices, &targets, 1.0, length))
            }
            Route::None => return None,
        };
        Some(Crossed { method, injected: made?.out })
    }

    /// What the target writes behind them.
    pub fn write(&self, crossed: &Crossed, ids: &[u32], most: usize) -> Greedy {
        let mut cache = self.target.decoder.empty_cache();
        for embedding in crossed.injected.each_row() {
            self.target.decoder.inject(embedding, &mut cache);
        }
        self.target.greedy(cache, ids, most)
    }
}
