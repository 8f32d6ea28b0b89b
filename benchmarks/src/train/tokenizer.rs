//! RELAY TEXT → TOKENIZER: a byte-level BPE vocabulary and the chat template that goes with it.

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer, TokenizerBuilder};

use super::error::{Error, Result};
use super::recipe::TokenizerRecipe;
use crate::relay::{Generator, Split, dialogue};

/// Fills batches.
pub const PAD: &str = "<|pad|>";
/// Begins a user's message.
pub const USER: &str = "<|user|>";
/// Begins the model's reply.
pub const ASSISTANT: &str = "<|assistant|>";
/// Ends a message.
pub const END: &str = "<|end|>";
/// Special tokens in the order of their ids.
pub const SPECIAL: [&str; 5] = [PAD, "<|system|>", USER, ASSISTANT, END];

/// Every message begins with a space, so that a word at its beginning is the same token as elsewhere.
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] | trim }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// Problems of the training split that the vocabulary is made from.
const PROBLEMS: u64 = 4000;
/// The seed of those problems. Not the model's: two models with the same tokenizer recipe share their tokenizer.
const SEED: u64 = 1;

/// Trains the tokenizer of a recipe: the same on every machine.
///
/// # Errors
/// What the library refuses.
pub fn train(recipe: &TokenizerRecipe) -> Result<Tokenizer> {
    let bytes = ByteLevel::new(false, true, true);
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(recipe.vocab_size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
        .build();
    let mut tokenizer = TokenizerBuilder::<
        BPE,
        tokenizers::NormalizerWrapper,
        PreTokenizerWrapper,
        ByteLevel,
        tokenizers::DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_normalizer(recipe.lowercase.then(|| Lowercase.into()))
    .with_pre_tokenizer(Some(bytes.into()))
    .with_post_processor(None)
    .with_decoder(Some(bytes.into()))
    .build()
    .map_err(library)?;
    let problems = Generator { split: Split::Train, seed: SEED };
    let texts = (0..PROBLEMS).flat_map(|number| {
        let (problem, mut rng) = problems.problem(number);
        dialogue::draw(&problem, &mut rng)
            .into_iter()
            .flat_map(|turn| [format!(" {}", turn.user), format!(" {}", turn.assistant)])
    });
    tokenizer.train(&mut trainer, texts).map_err(library)?;
    let text = tokenizer.to_string(true).map_err(library)?;
    text.parse().map_err(library)
}

fn library(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}
