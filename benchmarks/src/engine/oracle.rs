//! The harness's own check: a cache that was handed over must be worth exactly what it was made of.
//!
//! ```text
//!  first prompt ─▶ cache ─▶ codec ─▶ last prompt ─▶ logits, answer ─┐
//!                                                                   ├─ equal?
//!  first prompt + last prompt, one pass ──────────▶ logits, answer ─┘
//! ```
//!
//! With more agents, all prompts before the last one go hop by hop. Of a fan-out, whose branches do not know of one another, this
//! compares the chained form, since nothing that is one pass equals the other one; beside it, branches that crossed the codec and
//! were put together must be worth what they are worth put together where they were made.

use std::ops::ControlFlow;

use avp::model::{Connector as _, Context, GenerateOptions, Prompt, Sampling};
use avp::wire::DataType;

use super::scene::Scene;
use crate::task::Topology;

/// Positions at the end of the last prompt whose logits are compared: each takes a row of the vocabulary's size, twice.
const POSITIONS: usize = 64;

/// How far logits may be apart, as a part of the largest one. On the CPU in f32 they are equal to the last bit; a card sums
/// products over other numbers of rows in another order, and half precision rounds each sum.
const TOLERANCES: [(DataType, f32); 3] =
    [(DataType::Float32, 1e-4), (DataType::Float16, 2e-2), (DataType::BFloat16, 1e-1)];
/// The same where each row is rounded to 8 bits before a product.
const QUANTISED_TOLERANCE: f32 = 1e-1;

/// What was compared.
pub(super) enum Verdict {
    /// The two are one.
    Agrees,
    /// They are not, with both numbers.
    Differs(String),
}

impl Scene<'_> {
    /// Compares a pass over both prompts with the prefix arm. Nothing of it is timed.
    pub(super) fn oracle(&self) -> avp::Result<Verdict> {
        let model = self.answerer();
        let last = self.last_prompt()?;
        let both = Prompt::Tokens(self.all_prompts()?.concat());
        let handed_over = Prompt::Tokens(self.prompt_behind_a_context()?);
        let context = self.prefix()?.context;

        let count = last.len().min(POSITIONS);
        let whole = model.logits_behind(None, &both, count)?;
        let behind = model.logits_behind(Some(context.clone()), &handed_over, count)?;
        let allowed = match self.compared(&whole, &behind) {
            Ok(allowed) => allowed,
            Err(found) => {
                return Ok(Verdict::Differs(format!(
                    "logits of the last {count} positions in one pass and behind the cache are {found}"
                )));
            }
        };
        if self.form.topology() == Topology::FanOut {
            let [here, there] = self.branches()?;
            let here = model.logits_behind(here, &Prompt::Tokens(last), count)?;
            let there = model.logits_behind(there, &handed_over, count)?;
            if let Err(found) = self.compared(&here, &there) {
                return Ok(Verdict::Differs(format!(
                    "logits of the last {count} positions behind branches that were sent and branches that were not are {found}"
                )));
            }
        }

        let (told, said) = (self.greedy(&both, None)?, self.greedy(&handed_over, Some(context))?);
        let Some(place) =
            (0..told.0.len().max(said.0.len())).find(|&place| told.0.get(place) != said.0.get(place))
        else {
            return Ok(Verdict::Agrees);
        };
        // Two tokens that are as likely as each other may come out either way.
        if let (Some(&one), Some(&other)) = (told.0.get(place), said.0.get(place)) {
            let Prompt::Tokens(mut read) = both else { unreachable!("made of tokens above") };
            read.extend_from_slice(&told.0[..place]);
            let logits = model.logits_behind(None, &Prompt::Tokens(read), 1)?;
            let gap = (logits[one as usize] - logits[other as usize]).abs();
            if gap <= 2.0 * allowed {
                return Ok(Verdict::Agrees);
            }
        }
        Ok(Verdict::Differs(format!(
            "the greedy answer of one pass is {:?}, behind the cache {:?}",
            told.1, said.1
        )))
    }

    /// How far logits may be apart, where they are not further; otherwise both numbers in words.
    fn compared(&self, one: &[f32], other: &[f32]) -> Result<f32, String> {
        let apart = largest(one.iter().zip(other).map(|(a, b)| (a - b).abs()));
        let allowed = self.tolerance() * largest(one.iter().map(|logit| logit.abs())).max(1.0);
        // What is no number agrees with nothing.
        if one.len() != other.len() || apart.is_nan() || apart > allowed {
            return Err(format!("{apart:e} apart, at most {allowed:e} is allowed"));
        }
        Ok(allowed)
    }

    fn tolerance(&self) -> f32 {
        if self.file.quantised {
            return QUANTISED_TOLERANCE;
        }
        let dtype = self.answerer().info().dtype;
        TOLERANCES.iter().find(|(known, _)| *known == dtype).map_or(0.0, |(_, tolerance)| *tolerance)
    }

    fn greedy(&self, prompt: &Prompt, context: Option<Context>) -> avp::Result<(Vec<u32>, String)> {
        let options = GenerateOptions {
            context,
            sampling: Sampling::greedy(),
            max_tokens: self.decoding.max_tokens.min(self.cut),
            ..GenerateOptions::default()
        };
        let written = self.answerer().generate(prompt, options, &mut |_| ControlFlow::Continue(()))?;
        Ok((written.token_ids, written.text))
    }
}

/// The largest of numbers; NaN where one is.
fn largest(numbers: impl Iterator<Item = f32>) -> f32 {
    numbers.fold(0.0, |largest: f32, number| {
        if number.is_nan() || (number > largest && !largest.is_nan()) { number } else { largest }
    })
}
