//! Contexts of other models: their last hidden states, projected, are the first positions of a cache (AVP-API-007, 008).
//!
//! ```text
//!  source: context ─▶ last hidden states ─▶ its head ─┐
//!                                                     ├─▶ map ─▶ input embeddings ─▶ target's cache ─▶ text
//!  memory ▸ disk ▸ calibrate ─────▶ ProjectionMap ────┘
//! ```

use std::sync::{Arc, PoisonError, Weak};

use serde_json::json;

use super::backend::Tensor;
use super::card_projection;
use super::connector::{CardHead, Connector, Wish};
use super::context::{Context, HiddenStates};
use super::linear::Matrix;
use super::map_rows::{self, DeviceRows};
use super::runtime::Runtime;
use crate::error::{Error, ErrorClass, Result};
use crate::session::ProjectionMethod;
use crate::session::quality::{Assessment, QualityGate};
use crate::transfer::diagnostics::TransferDiagnostics;
use crate::transfer::validate::mean;
use crate::transfer::{
    CalibratedModel, Head, MapModel, MapOrigin, ProjectOptions, Projected, ProjectionMap, ProjectionMetrics,
    SharedTokens, StateHealth, Table, calibrate, check_ids, project, project_linear,
};
use crate::wire::DataType;

/// States whose logits are computed at a time: over a vocabulary of 256 Ki tokens they take 16 MiB.
const STATES_AT_A_TIME: usize = 16;
/// How far the length of a projected vector may be from the one that it was brought to, as a part of it.
const NORM_TOLERANCE: f64 = 1e-2;
/// What a caller reads who gave a context of another model and did not allow to project it.
pub(super) const LEFT_OUT: &str =
    "the context is another model's and was left out; projecting it is experimental and takes cross_model";

/// A map that was found to fit this model and the tokens of one source.
#[derive(Debug)]
pub(super) struct FittingMap {
    map: Weak<ProjectionMap>,
    /// Hash of the source's vocabulary.
    tokens: String,
}

impl FittingMap {
    fn is(&self, map: &ProjectionMap, tokens: &str) -> bool {
        std::ptr::eq(self.map.as_ptr(), map) && self.tokens == tokens
    }
}

/// How another model's context came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// The way.
    pub method: ProjectionMethod,
    /// Id of the map.
    pub avp_map_id: String,
    /// Where the map came from (AVP-MAP-010).
    pub origin: MapOrigin,
    /// Tokens that the states stand for, without latent steps (AVP-QG-009).
    pub prompt_tokens: u64,
    /// What the quality gate says.
    pub assessment: Assessment,
    /// What was injected, [vectors, hidden].
    pub injected: Vec<f32>,
    /// Positions of the target's cache before its prompt.
    pub primed_len: usize,
}

/// A context's last hidden states as input embeddings of a map's target, for a message to whoever runs that: the sender
/// projects (AVP-HS-045). `avp_map_id` is the session's.
///
/// # Errors
/// `incompatible_models` when the map is from another model; `invalid_argument` for a context with fewer states; `projection`
/// for states that are not finite; what the source's engine refuses.
pub fn project_context(
    source: &dyn Connector,
    context: &Context,
    map: &ProjectionMap,
    vectors: usize,
    avp_map_id: &str,
) -> Result<Context> {
    let made = project_states(source, last_states(context, vectors)?, map, None)?;
    Ok(Context {
        model_hash: map.target.hash.clone(),
        model_family: String::new(),
        model_id: map.target.model_id.clone(),
        hidden_dim: u32::try_from(map.target.dim).unwrap_or(u32::MAX),
        num_layers: 0,
        num_steps: context.num_steps(),
        cache: None,
        hidden: Some(HiddenStates {
            seq_len: u32::try_from(vectors).unwrap_or(u32::MAX),
            values: made.values,
            dtype: DataType::Float32,
        }),
        avp_map_id: avp_map_id.to_owned(),
    })
}

/// The last hidden states of a context, [vectors, hidden].
///
/// # Errors
/// `invalid_argument` when it has fewer (AVP-API-009).
fn last_states(context: &Context, vectors: usize) -> Result<&[f32]> {
    let wrong = |expected: String, found: String| {
        Error::new(ErrorClass::InvalidArgument, "context.hidden_states", expected, found)
    };
    let width = context.hidden_dim as usize;
    let Some(hidden) = context.hidden_states().filter(|_| width > 0) else {
        let expected = "the last hidden state, which think leaves and a message of a cache does not carry";
        return Err(wrong(expected.to_owned(), "none".to_owned()));
    };
    let start = vectors.checked_mul(width).and_then(|len| hidden.values.len().checked_sub(len));
    match start.filter(|_| vectors > 0) {
        Some(start) => Ok(&hidden.values[start..]),
        None => {
            let found = format!("{vectors} of {}", hidden.values.len() / width);
            Err(wrong("one of the hidden states or more, as many as there are".to_owned(), found))
        }
    }
}

/// Projects states through the source's head and a map, whose rows may also lie on the target's card.
pub(super) fn project_states(
    source: &dyn Connector,
    states: &[f32],
    map: &ProjectionMap,
    card: Option<&Tensor<2>>,
) -> Result<Projected> {
    let own = &source.identity().model_hash;
    if map.source.hash != *own {
        let expected = format!("a map from {own}");
        let found = crate::error::excerpt(&map.source.hash);
        return Err(Error::new(ErrorClass::IncompatibleModels, "map.source_hash", expected, found));
    }
    let made = match map.method {
        ProjectionMethod::Ridge | ProjectionMethod::Procrustes => {
            let values = project_linear(states, map.table(), map.bias.as_deref(), Some(map.target_norm))?;
            Projected { values, health: StateHealth::of(states), metrics: None }
        }
        ProjectionMethod::VocabMediated | ProjectionMethod::VocabOverlap => {
            source.require(Wish::CrossModel)?;
            let info = source.info();
            let (rows, width) = (map.w_map.len() / map.target.dim, map.target.dim);
            let count = match &map.shared {
                Some(shared) => {
                    check_ids(&shared.source_ids, info.vocab_size, rows)?;
                    rows
                }
                // One tokenizer: what one side has more is padding (AVP-PRJ-006).
                None => rows.min(info.vocab_size),
            };
            let ids =
                |pick: fn(&SharedTokens) -> &Vec<u32>| map.shared.as_ref().map(|shared| &**pick(shared));
            let head =
                SourceHead { source, width: info.hidden_dim, count, ids: ids(|shared| &shared.source_ids) };
            let options = ProjectOptions {
                target_norm: Some(map.target_norm),
                metrics: true,
                ..ProjectOptions::default()
            };
            let card_head = source.card_head();
            match card {
                Some(matrix) => {
                    let rows = DeviceRows { matrix, count, ids: ids(|shared| &shared.target_ids) };
                    match &card_head {
                        // Both on one card: nothing but states and results leaves it.
                        Some(CardHead(head)) if head.device() == matrix.device() => {
                            let ids = ids(|shared| &shared.source_ids);
                            let head = DeviceRows { matrix: head, count, ids };
                            card_projection::project(&head, &rows, states, &options)?
                        }
                        _ => project(&head, &rows, states, &options)?,
                    }
                }
                None => {
                    let table = Table { values: &map.w_map[..count * width], dim: width };
                    project(&head, &table, states, &options)?
                }
            }
        }
    };
    let finite = made.values.iter().all(|value| value.is_finite());
    if !made.health.finite() || !finite {
        let found = if made.health.finite() { "a projection that is not" } else { "others" };
        return Err(Error::new(ErrorClass::Projection, "context.hidden_states", "finite values", found));
    }
    Ok(made)
}

/// Logits of a connector's head, gathered (AVP-PRJ-003) or cut at the tokens that are projected through.
struct SourceHead<'a> {
    source: &'a dyn Connector,
    width: usize,
    count: usize,
    ids: Option<&'a [u32]>,
}

impl Head for SourceHead<'_> {
    fn width(&self) -> usize {
        self.width
    }

    fn logits(&self, states: &[f32], out: &mut [f32]) -> Result<()> {
        let states = states.chunks(STATES_AT_A_TIME * self.width);
        for (states, out) in states.zip(out.chunks_mut(STATES_AT_A_TIME * self.count)) {
            let all = self.source.logits(states)?;
            let (count, vocabulary) = (states.len() / self.width, self.source.info().vocab_size);
            // What another engine says of itself is not believed.
            if vocabulary == 0 || count.checked_mul(vocabulary) != Some(all.len()) {
                let (expected, found) = (format!("{count} × {vocabulary} logits"), all.len().to_string());
                return Err(Error::new(ErrorClass::ShapeMismatch, "source.logits", expected, found));
            }
            for (all, out) in all.chunks_exact(vocabulary).zip(out.chunks_exact_mut(self.count)) {
                match self.ids {
                    Some(ids) => out.iter_mut().zip(ids).for_each(|(out, &id)| *out = all[id as usize]),
                    None => out.copy_from_slice(&all[..self.count]),
                }
            }
        }
        Ok(())
    }
}

impl Runtime {
    /// The map from another model to this one: from memory, from disk, or calibrated and kept (AVP-MAP-010). A map whose rows
    /// are not those of this model's embedding, or whose ids are not those of the two vocabularies, is made anew: hashes are
    /// of configurations, which fine-tuned models share.
    ///
    /// # Errors
    /// `invalid_argument` when the models have too little in common; `engine_unavailable` when the source does not show its
    /// tokens.
    pub fn map_from(&self, source: &dyn Connector) -> Result<(Arc<ProjectionMap>, MapOrigin)> {
        source.require(Wish::CrossModel)?;
        self.require(Wish::CrossModel)?;
        let side = |connector: &dyn Connector| MapModel {
            model_id: connector.identity().model_id.clone(),
            hash: connector.identity().model_hash.clone(),
            dim: connector.info().hidden_dim,
        };
        let (from, to) = (side(source), side(self));
        let make = || {
            let (ours, theirs) = (self.vocabulary()?, source.vocabulary()?);
            let source = CalibratedModel { model: from.clone(), vocabulary: &theirs };
            let target = CalibratedModel { model: to.clone(), vocabulary: &ours };
            calibrate(&source, &target, &self.model.input_embedding()?)
        };
        let (map, origin) =
            self.maps.load_or_make(&from.hash, &to.hash, |map| self.check_map(map, source), make)?;
        self.remember(&map, source);
        Ok((map, origin))
    }

    /// The embedding, where it lies on a card.
    pub(super) fn card(&self) -> Option<&Tensor<2>> {
        match self.model.embedding() {
            Matrix::Device(matrix) => Some(matrix),
            Matrix::Host(_) | Matrix::Quantised(_) => None,
        }
    }

    /// Whether a map is one from that model onto this one: its rows are those of the embedding, its ids those of the
    /// vocabularies.
    fn check_map(&self, map: &ProjectionMap, source: &dyn Connector) -> Result<()> {
        let (source_dim, width) = (source.info().hidden_dim, self.model.config().hidden_size);
        if (map.source.dim, map.target.dim) != (source_dim, width) {
            let found = format!("{} to {}", map.source.dim, map.target.dim);
            let expected = format!("a map from {source_dim} to {width} values");
            return Err(Error::new(ErrorClass::ShapeMismatch, "map", expected, found));
        }
        if matches!(map.method, ProjectionMethod::Ridge | ProjectionMethod::Procrustes) {
            return Ok(());
        }
        let tokens = &source.identity().tokenizer_hash;
        let fitting = self.fitting.lock().unwrap_or_else(PoisonError::into_inner);
        if fitting.iter().any(|known| known.is(map, tokens)) {
            return Ok(());
        }
        drop(fitting);
        map.check_tokens(&source.vocabulary()?, &self.vocabulary()?)?;
        map_rows::check(&self.model, map)
    }

    /// Keeps in mind that a map fits. Only maps that are alive count: a place in memory is used again. A source that does
    /// not say which tokens it has is asked for them every time.
    fn remember(&self, map: &Arc<ProjectionMap>, source: &dyn Connector) {
        let tokens = &source.identity().tokenizer_hash;
        let mut fitting = self.fitting.lock().unwrap_or_else(PoisonError::into_inner);
        fitting.retain(|known| known.map.strong_count() > 0);
        if !tokens.is_empty() && !fitting.iter().any(|known| known.is(map, tokens)) {
            fitting.push(FittingMap { map: Arc::downgrade(map), tokens: tokens.clone() });
        }
    }

    /// Takes another model's context: not at all, unless it was asked for; else its last hidden states, projected, become
    /// the first positions of a cache of this model (AVP-PRJ-028).
    ///
    /// # Errors
    /// As [`Self::map_from`]; `incompatible_models` for a context that is not the source's either; `invalid_argument` for one
    /// without hidden states (AVP-API-009); `projection` for states that are not finite.
    pub(super) fn arrive(
        &self,
        context: &Context,
        source: &dyn Connector,
        asked: Option<(usize, QualityGate)>,
        diagnostics: &mut TransferDiagnostics,
    ) -> Result<Arrived> {
        let Some((vectors, gate)) = asked else {
            diagnostics.warnings.push(LEFT_OUT.to_owned());
            return Ok(Arrived { context: None, transfer: None });
        };
        if context.model_hash() != source.identity().model_hash {
            let expected = format!("the source's hash, {}", source.identity().model_hash);
            let found = crate::error::excerpt(context.model_hash());
            return Err(Error::new(ErrorClass::IncompatibleModels, "context.model_hash", expected, found));
        }
        let states = last_states(context, vectors)?;
        let (map, origin) = self.map_from(source)?;
        let prompt_tokens = (context.seq_len() as u64).saturating_sub(context.num_steps());
        let assessment = gate.assess(prompt_tokens, None)?;
        let projected = project_states(source, states, &map, self.card())?;
        describe(&projected, &map, diagnostics);
        diagnostics.warnings.extend(origin.warning());
        if !assessment.recommend_latent {
            diagnostics.warnings.push(format!("text is recommended: {}", assessment.reason));
        }
        let named = Some(source.identity().model_id.clone());
        diagnostics.source_model = named.filter(|id| !id.is_empty());
        diagnostics.transfer_mode = "projected".to_owned();
        diagnostics.projection_method = map.method.as_str().to_owned();
        diagnostics.prompt_tokens = prompt_tokens;
        diagnostics.quality_gate_passed = Some(assessment.recommend_latent);
        diagnostics.quality_gate_reason.clone_from(&assessment.reason);
        // The five steps that led here (AVP-API-008).
        let steps = ["model_mismatch", origin.as_str(), "projected", "primed"];
        diagnostics.extra.insert("cross_model".to_owned(), json!({"steps": steps, "avp_map_id": map.id()}));
        let mut cache = self.model.empty_cache();
        self.model.inject(projected.values.clone(), &mut cache)?;
        let transfer = Transfer {
            method: map.method,
            avp_map_id: map.id(),
            origin,
            prompt_tokens,
            assessment,
            injected: projected.values,
            primed_len: cache.len(),
        };
        let context = self.context(Some(cache), None, context.num_steps());
        Ok(Arrived { context: Some(context), transfer: Some(transfer) })
    }
}

/// What a projection looked like.
fn describe(projected: &Projected, map: &ProjectionMap, diagnostics: &mut TransferDiagnostics) {
    let target = f64::from(map.target_norm);
    let rows = projected.values.chunks_exact(map.target.dim);
    let norms: Vec<f64> = rows.map(|row| StateHealth::of(row).norm).collect();
    if norms.iter().any(|norm| (norm - target).abs() > NORM_TOLERANCE * target) {
        let found = norms.iter().map(|norm| format!("{norm:.3}")).collect::<Vec<_>>().join(", ");
        let text = format!("projected states have the lengths {found}; embeddings have {target:.3}");
        diagnostics.warnings.push(text);
    }
    diagnostics.hidden_state_norm = Some(mean(&norms));
    let Some(metrics) = &projected.metrics else { return };
    let of = |pick: fn(&ProjectionMetrics) -> f64| mean(&metrics.iter().map(pick).collect::<Vec<_>>());
    diagnostics.nearest_cos_sim = Some(of(|metrics| metrics.nearest_cos_sim));
    let extra = json!({
        "entropy": of(|metrics| metrics.entropy),
        "max_prob": of(|metrics| metrics.max_prob),
        "logit_gap": of(|metrics| metrics.logit_gap),
        "source_state_norm": of(|metrics| metrics.hidden_state_norm),
    });
    diagnostics.extra.insert("projection".to_owned(), extra);
}

/// What became of a context.
pub(super) struct Arrived {
    /// One of this model, or none.
    pub(super) context: Option<Context>,
    /// How it came in, when it was another's.
    pub(super) transfer: Option<Transfer>,
}
