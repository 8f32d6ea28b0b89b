//! A projection tried out between two models that are loaded (AVP-VAL).

use super::connector::{Connector as _, Prompt, ThinkOptions, ThinkOutput};
use super::cross_model::project_states;
use super::runtime::Runtime;
use crate::error::{Error, ErrorClass, Result};
use crate::session::ProjectionMethod;
use crate::tensor::elementwise;
use crate::transfer::validate::{ExpectedRows, MAX_TEXT_TOKENS, Validation, Verdict, mean, surprise};
use crate::transfer::{ProjectionMap, Table};
use crate::wire::Dialect;

/// States whose logits are computed at a time.
const STATES_AT_A_TIME: usize = 16;

impl Runtime {
    /// Runs the validation's texts through the source, projects what it thinks, and looks where that points in this model's
    /// embedding; where the tokenizers are one, also at what this model says of the texts after one projected state.
    ///
    /// # Errors
    /// `invalid_argument` for a learned map; `configuration` for a model without a tokenizer; what projecting refuses.
    pub fn validate(
        &self,
        source: &Self,
        map: &ProjectionMap,
        settings: &Validation,
        dialect: Dialect,
    ) -> Result<Verdict> {
        if matches!(map.method, ProjectionMethod::Ridge | ProjectionMethod::Procrustes) {
            let expected = "a map through a vocabulary";
            return Err(Error::new(ErrorClass::InvalidArgument, "map.method", expected, map.method.as_str()));
        }
        let embedding = self.model.input_embedding()?;
        let table = Table { values: &embedding, dim: self.model.config().hidden_size };
        let expected = ExpectedRows::new(table, map.shared.as_ref());
        let mut texts = Vec::new();
        for text in settings.texts() {
            let mut tokens = source.text()?.tokenizer.encode(text, true)?;
            tokens.truncate(MAX_TEXT_TOKENS);
            let options = ThinkOptions {
                steps: 0,
                states: tokens.len(),
                output: ThinkOutput::HiddenState,
                ..ThinkOptions::default()
            };
            let thought = source.think(&Prompt::Tokens(tokens.clone()), options)?;
            let states = thought.context.hidden_states().map_or(&[][..], |hidden| &hidden.values);
            texts.push((tokens, project_states(source, states, map, self.card())?.values));
        }
        let cosines: Vec<f64> =
            texts.iter().map(|(tokens, states)| expected.cosine(states, tokens)).collect::<Result<_>>()?;
        settings.decide(dialect, mean(&cosines), || {
            if map.method != ProjectionMethod::VocabMediated {
                return Ok(None);
            }
            let all: Vec<f64> = texts
                .iter()
                .map(|(tokens, states)| self.perplexity_after(&states[states.len() - table.dim..], tokens))
                .collect::<Result<_>>()?;
            Ok(Some(mean(&all)))
        })
    }

    /// How surprised this model is by a text behind one input embedding, [hidden] (AVP-VAL-008, 009).
    fn perplexity_after(&self, state: &[f32], tokens: &[u32]) -> Result<f64> {
        if tokens.len() < 2 {
            return Ok(f64::INFINITY);
        }
        let (width, last) = (self.model.config().hidden_size, self.model.config().num_layers);
        let mut cache = self.model.empty_cache();
        let mut hidden = self.model.inject(state.to_vec(), &mut cache)?;
        // What follows the last token is not scored, so it need not be read.
        let mut watch = |place: usize, rows: &[f32]| {
            if place == last {
                hidden.extend_from_slice(rows);
            }
        };
        self.model.prefill(&tokens[..tokens.len() - 1], &mut cache, Some(&mut watch))?;
        let mut total = 0.0;
        for (states, tokens) in hidden.chunks(STATES_AT_A_TIME * width).zip(tokens.chunks(STATES_AT_A_TIME)) {
            let mut logits = self.model.all_logits(states)?;
            if let Some(cap) = self.model.config().logit_softcap {
                elementwise::softcap(&mut logits, cap);
            }
            for (row, &token) in logits.chunks_exact(logits.len() / tokens.len()).zip(tokens) {
                total += surprise(row, token)?;
            }
        }
        Ok((total / tokens.len() as f64).exp())
    }
}
