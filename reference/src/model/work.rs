//! The runtime at work: thinking, and writing.

use std::ops::ControlFlow;
use std::time::Instant;

use super::cache::KvCache;
use super::connector::{
    Capabilities, CardHead, Connector, ConnectorInfo, Finish, GenerateOptions, GeneratePhases, Generation,
    OnText, Prompt, ThinkOptions, ThinkOutput, ThinkPhases, Thought, Wish,
};
use super::cross_model::Arrived;
use super::linear::Matrix;
use super::runtime::Runtime;
use super::sampling::{Sampler, Sampling};
use crate::error::Result;
use crate::session::{ModelIdentity, Vocabulary};
use crate::text::ChatMessage;
use crate::transfer::diagnostics::TransferDiagnostics;
use crate::transfer::metrics::{GenerateMetrics, ThinkMetrics};

impl Runtime {
    /// Reads tokens as [`Model::prefill`] does, and gives back the last `count` hidden states, at least one, or as many as
    /// there are, [count, hidden].
    pub(super) fn last_states(&self, tokens: &[u32], cache: &mut KvCache, count: usize) -> Result<Vec<f32>> {
        if count <= 1 {
            return self.model.prefill(tokens, cache, None);
        }
        let (last, most) =
            (self.model.config().num_layers, count.saturating_mul(self.model.config().hidden_size));
        let mut kept = Vec::new();
        // Every chunk is told; what is kept never grows beyond a chunk and the rows wanted.
        let mut watch = |place: usize, rows: &[f32]| {
            if place == last {
                kept.extend_from_slice(rows);
                kept.drain(..kept.len().saturating_sub(most));
            }
        };
        self.model.prefill(tokens, cache, Some(&mut watch))?;
        Ok(kept)
    }
}

/// A warning where positions go beyond those that the model was made for.
fn note_length(positions: usize, made_for: usize, diagnostics: &mut TransferDiagnostics) {
    if positions > made_for {
        diagnostics.warnings.push(format!("{positions} positions; the model was made for {made_for}"));
    }
}

/// What is not finite in a hidden state, told once.
fn note(hidden: &[f32], diagnostics: &mut TransferDiagnostics, step: u32) -> bool {
    let nan = hidden.iter().any(|value| value.is_nan());
    let inf = hidden.iter().any(|value| value.is_infinite());
    if nan || inf {
        let what = if nan { "NaN" } else { "an infinity" };
        diagnostics
            .warnings
            .push(format!("the hidden state after step {step} has {what}; thinking stopped there"));
    }
    diagnostics.has_nan |= nan;
    diagnostics.has_inf |= inf;
    nan || inf
}

fn norm(hidden: &[f32]) -> f64 {
    hidden.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

impl Connector for Runtime {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        let cross_model = self.text.is_some() || self.vocabulary.is_some();
        Capabilities { can_think: true, context: true, text: true, cross_model }
    }

    fn sampling(&self) -> Sampling {
        self.sampling.clone()
    }

    fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        self.model.all_logits(states)
    }

    fn card_head(&self) -> Option<CardHead> {
        match self.model.output_matrix() {
            Matrix::Device(matrix) => Some(CardHead(matrix.clone())),
            Matrix::Host(_) | Matrix::Quantised(_) => None,
        }
    }

    fn vocabulary(&self) -> Result<Vocabulary<'static>> {
        match &self.vocabulary {
            Some(vocabulary) => Ok(vocabulary.clone()),
            None => Ok(self.text()?.tokenizer.vocabulary()),
        }
    }

    fn info(&self) -> ConnectorInfo {
        let config = self.model.config();
        ConnectorInfo {
            hidden_dim: config.hidden_size,
            num_layers: config.num_layers,
            context_length: config.max_positions,
            vocab_size: config.vocab_size,
            device: self.model.device(),
            dtype: self.model.dtype(),
            stop_tokens: self.stop_tokens.clone(),
        }
    }

    fn tokens(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        match prompt {
            Prompt::User(text) => self.chat_tokens(&[ChatMessage::new("user", text)]),
            Prompt::Messages(messages) => self.chat_tokens(messages),
            Prompt::Raw(text) => self.text()?.tokenizer.encode(text, false),
            Prompt::Tokens(tokens) => Ok(tokens.clone()),
        }
    }

    fn think(&self, prompt: &Prompt, options: ThinkOptions) -> Result<Thought> {
        self.require(Wish::Think)?;
        let started = Instant::now();
        let tokens = self.tokens(prompt)?;
        let has_prior_context = options.context.is_some();
        let taking_in = Instant::now();
        let (mut cache, prior_steps) = self.adopt(options.context, options.accept_structural)?;
        let mut diagnostics = TransferDiagnostics {
            transfer_mode: "latent".to_owned(),
            target_model: Some(self.identity.model_id.clone()).filter(|id| !id.is_empty()),
            prompt_tokens: tokens.len() as u64,
            ..TransferDiagnostics::default()
        };
        let thinking = Instant::now();
        // States of the prompt that are kept besides the last one's, where the steps alone give too few.
        let states = options.states.max(1);
        let mut kept_states =
            self.last_states(&tokens, &mut cache, states.saturating_sub(options.steps as usize))?;
        let prefill_s = taking_in.elapsed().as_secs_f64();
        let width = self.model.config().hidden_size;
        let mut hidden = kept_states[kept_states.len() - width..].to_vec();
        let mut norms = vec![norm(&hidden)];
        let mut steps = 0;
        let mut stopped = note(&hidden, &mut diagnostics, steps);
        while steps < options.steps && !stopped {
            let input = self.latent_input(&hidden, options.rescale)?;
            hidden = self.model.inject(input, &mut cache)?;
            steps += 1;
            norms.push(norm(&hidden));
            kept_states.extend_from_slice(&hidden);
            kept_states.drain(..kept_states.len().saturating_sub(states.saturating_mul(width)));
            // A step that went wrong is counted: its position stands in the cache.
            stopped = note(&hidden, &mut diagnostics, steps);
        }
        let phases = ThinkPhases { prefill_s, latent_s: taking_in.elapsed().as_secs_f64() - prefill_s };
        diagnostics.norm_trajectory = Some(norms);
        note_length(cache.len(), self.model.config().max_positions, &mut diagnostics);
        let think_duration_s = thinking.elapsed().as_secs_f64();
        let states = self.states(kept_states, cache.len());
        let kept = (options.output != ThinkOutput::HiddenState).then_some(cache);
        let context = self.context(kept, Some(states), prior_steps + u64::from(steps));
        let metrics = ThinkMetrics {
            model: Some(self.identity.model_id.clone()),
            steps: options.steps.into(),
            has_prior_context,
            duration_s: started.elapsed().as_secs_f64(),
            think_duration_s,
            ..ThinkMetrics::default()
        };
        Ok(Thought { context, metrics, phases, diagnostics })
    }

    fn generate(&self, prompt: &Prompt, options: GenerateOptions, on_text: OnText<'_>) -> Result<Generation> {
        let started = Instant::now();
        let mut sampler = Sampler::new(options.sampling)?;
        let tokens = self.tokens(prompt)?;
        let mut diagnostics = TransferDiagnostics::default();
        let taking_in = Instant::now();
        let arrived = match (options.context, &options.source) {
            (Some(context), Some(source))
                if context.model_hash != self.identity.model_hash && !options.accept_structural =>
            {
                let asked = options.cross_model.then_some((options.vectors, options.gate));
                self.arrive(&context, &*source.0, asked, &mut diagnostics)?
            }
            (context, _) => Arrived { context, transfer: None },
        };
        let (context, transfer) = (arrived.context, arrived.transfer);
        let has_prior_context = context.is_some();
        let (mut cache, num_steps) = self.adopt(context, options.accept_structural)?;
        let generating = Instant::now();
        let mut hidden = self.model.prefill(&tokens, &mut cache, None)?;
        let mut phases =
            GeneratePhases { prefill_s: taking_in.elapsed().as_secs_f64(), ..GeneratePhases::default() };
        let mut seen = tokens.clone();
        let mut stream = self.text.as_ref().map(|text| text.tokenizer.stream(true));
        let mut finish = Finish::Length;
        let mut text = String::new();
        let mut say = |piece: Option<String>, text: &mut String| match piece {
            Some(piece) => {
                text.push_str(&piece);
                on_text(&piece)
            }
            None => ControlFlow::Continue(()),
        };
        while seen.len() - tokens.len() < options.max_tokens {
            let token = sampler.next(self.model.logits(&hidden)?, &seen)?;
            seen.push(token);
            if seen.len() == tokens.len() + 1 {
                phases.first_token_s = taking_in.elapsed().as_secs_f64();
            }
            if self.stop_tokens.contains(&token) || options.stop_tokens.contains(&token) {
                finish = Finish::Stop;
                break;
            }
            let piece = stream.as_mut().map_or(Ok(None), |stream| stream.push(token))?;
            if say(piece, &mut text).is_break() {
                finish = Finish::Cancelled;
                break;
            }
            if seen.len() - tokens.len() == options.max_tokens {
                break;
            }
            hidden = self.model.prefill(&[token], &mut cache, None)?;
        }
        let rest = stream.map_or(Ok(None), |mut stream| stream.finish())?;
        if finish != Finish::Cancelled {
            let _ = say(rest, &mut text);
        }
        phases.generate_s = taking_in.elapsed().as_secs_f64() - phases.prefill_s;
        diagnostics.target_model = Some(self.identity.model_id.clone()).filter(|id| !id.is_empty());
        if transfer.is_none() {
            diagnostics.transfer_mode = if has_prior_context { "latent" } else { "text" }.to_owned();
            diagnostics.prompt_tokens = tokens.len() as u64;
        }
        note(&hidden, &mut diagnostics, 0);
        note_length(cache.len(), self.model.config().max_positions, &mut diagnostics);
        let text = text.trim().to_owned();
        diagnostics.output_empty = text.is_empty();
        diagnostics.output_length = text.chars().count() as u64;
        if text.is_empty() {
            diagnostics.warnings.push("the model wrote no text".to_owned());
        }
        let metrics = GenerateMetrics {
            model: Some(self.identity.model_id.clone()),
            has_prior_context,
            duration_s: started.elapsed().as_secs_f64(),
            generate_duration_s: generating.elapsed().as_secs_f64(),
            ..GenerateMetrics::default()
        };
        let states = self.states(hidden, cache.len());
        let context = self.context(Some(cache), Some(states), num_steps);
        Ok(Generation {
            text,
            token_ids: seen.split_off(tokens.len()),
            finish,
            context,
            transfer,
            metrics,
            phases,
            diagnostics,
        })
    }
}
