//! Faults put in on purpose, to see that the oracle arm stops the run. Nothing but tests switches them on.

use avp::Message;
use avp::model::{Context, Runtime};
use avp::wire::{Decoder, Encoder};

/// A fault in what every cache arm does.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutation {
    /// A codec that turns one number of a tensor into another and knows nothing of it.
    Codec,
    /// A receiver that puts the cache's positions into another order.
    Order,
    /// A last prompt that lacks a token.
    Prompt,
}

impl Mutation {
    pub(super) fn of_message(self, bytes: Vec<u8>) -> avp::Result<Vec<u8>> {
        if self != Self::Codec {
            return Ok(bytes);
        }
        let Message { metadata, payload, .. } = Decoder::new().decode(&bytes)?;
        let mut payload = payload.into_owned();
        let middle = payload.len() / 2;
        // The exponent of the number in the middle, wherever a number begins.
        payload[middle..].iter_mut().take(4).for_each(|byte| *byte ^= 0x40);
        Encoder::default().encode(&metadata, &payload)
    }

    pub(super) fn of_context(self, model: &Runtime, context: Context) -> avp::Result<Context> {
        if self != Self::Order || context.cache().is_none() {
            return Ok(context);
        }
        let backwards: Vec<usize> = (0..context.seq_len()).rev().collect();
        model.rearranged(&context, &backwards)
    }

    pub(super) fn of_prompt(self, mut tokens: Vec<u32>) -> Vec<u32> {
        if self == Self::Prompt {
            tokens.remove(tokens.len() / 2);
        }
        tokens
    }
}
