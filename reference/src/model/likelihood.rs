//! PROMPT, CONTEXT → LOGITS: what a model says of tokens that it did not choose.

use super::connector::{Connector as _, Prompt};
use super::context::Context;
use super::runtime::Runtime;
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::elementwise;
use crate::transfer::validate::surprise;

impl Runtime {
    /// Reads a prompt behind a context, as `generate` does, and gives the logits at its last `count` positions, or at as many
    /// as it has, [count, vocabulary].
    ///
    /// # Errors
    /// As `generate`; `invalid_argument` for no positions.
    pub fn logits_behind(&self, context: Option<Context>, prompt: &Prompt, count: usize) -> Result<Vec<f32>> {
        let tokens = self.tokens(prompt)?;
        if count == 0 {
            return Err(Error::new(ErrorClass::InvalidArgument, "logits.count", "one position or more", "0"));
        }
        let (mut cache, _) = self.adopt(context, false)?;
        let states = self.last_states(&tokens, &mut cache, count)?;
        let mut logits = self.model.all_logits(&states)?;
        if let Some(cap) = self.model.config().logit_softcap {
            elementwise::softcap(&mut logits, cap);
        }
        Ok(logits)
    }

    /// Negative log-likelihood of each token of a continuation, in nats, when it is read behind the prompt, behind the
    /// context. Nothing is drawn: the same for the same input.
    ///
    /// # Errors
    /// As `generate`; `invalid_argument` for an empty continuation, and for tokens that the vocabulary does not have.
    pub fn surprises(
        &self,
        context: Option<Context>,
        prompt: &Prompt,
        continuation: &[u32],
    ) -> Result<Vec<f64>> {
        let Some((_, read)) = continuation.split_last() else {
            return Err(Error::new(ErrorClass::InvalidArgument, "continuation", "one token or more", "none"));
        };
        self.model.check_tokens(continuation)?;
        let mut tokens = self.tokens(prompt)?;
        tokens.extend_from_slice(read);
        let logits = self.logits_behind(context, &Prompt::Tokens(tokens), continuation.len())?;
        let rows = logits.chunks_exact(self.model.config().vocab_size);
        rows.zip(continuation).map(|(row, &token)| surprise(row, token)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::*;
    use crate::model::{Device, GenerateOptions, LoadOptions, Sampling, ThinkOptions};

    fn open(name: &str) -> Runtime {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny").join(name);
        let options = LoadOptions { device: Device::Cpu, ..LoadOptions::default() };
        Runtime::open(folder, options, &mut |_, _| ()).unwrap()
    }

    const PROMPT: [u32; 4] = [5, 9, 11, 3];

    #[test]
    fn likelihoods_are_those_of_the_tokens_one_by_one() {
        for name in ["llama-tied", "qwen2-untied"] {
            let runtime = open(name);
            let continuation = [7, 2, 30];
            let together = runtime.surprises(None, &Prompt::Tokens(PROMPT.to_vec()), &continuation).unwrap();
            for (count, surprise) in together.iter().enumerate() {
                let read = [&PROMPT[..], &continuation[..count]].concat();
                let alone =
                    runtime.surprises(None, &Prompt::Tokens(read), &continuation[count..=count]).unwrap();
                assert!((alone[0] - surprise).abs() < 1e-4, "{name}: {alone:?}, {surprise}");
            }
            // Probabilities of all tokens add up to one.
            let vocabulary = u32::try_from(runtime.info().vocab_size).unwrap();
            let sum: f64 = (0..vocabulary)
                .map(|token| {
                    (-runtime.surprises(None, &Prompt::Tokens(PROMPT.to_vec()), &[token]).unwrap()[0]).exp()
                })
                .sum();
            assert!((sum - 1.0).abs() < 1e-5, "{name}: {sum}");
        }
    }

    #[test]
    fn a_context_counts_as_what_was_read_before() {
        let runtime = open("qwen2-untied");
        let options = ThinkOptions { steps: 0, ..ThinkOptions::default() };
        let context = runtime.think(&Prompt::Tokens(vec![8, 6, 4]), options).unwrap().context;
        let behind =
            runtime.logits_behind(Some(context.clone()), &Prompt::Tokens(PROMPT.to_vec()), 9).unwrap();
        let whole = Prompt::Tokens([&[8, 6, 4][..], &PROMPT].concat());
        let at_once = runtime.logits_behind(None, &whole, PROMPT.len()).unwrap();
        assert_eq!(behind.len(), PROMPT.len() * runtime.info().vocab_size);
        assert!(behind.iter().zip(&at_once).all(|(a, b)| (a - b).abs() < 1e-4));
        // The token that greedy generation takes is the likeliest.
        let options = GenerateOptions {
            context: Some(context.clone()),
            sampling: Sampling::greedy(),
            max_tokens: 1,
            ..GenerateOptions::default()
        };
        let prompt = Prompt::Tokens(PROMPT.to_vec());
        let written = runtime.generate(&prompt, options, &mut |_| ControlFlow::Continue(())).unwrap();
        let of = |token| runtime.surprises(Some(context.clone()), &prompt, &[token]).unwrap()[0];
        let least = (0..64).map(of).fold(f64::INFINITY, f64::min);
        assert_eq!(of(written.token_ids[0]), least);
        let phases = written.phases;
        assert!(phases.prefill_s > 0.0 && phases.first_token_s >= phases.prefill_s);
        assert!(phases.prefill_s + phases.generate_s >= phases.first_token_s);
    }

    #[test]
    fn nothing_to_say_is_refused() {
        let runtime = open("llama-tied");
        let prompt = Prompt::Tokens(PROMPT.to_vec());
        assert!(runtime.surprises(None, &prompt, &[]).is_err());
        assert!(runtime.surprises(None, &prompt, &[u32::MAX]).is_err());
        assert!(runtime.logits_behind(None, &prompt, 0).is_err());
    }
}
