//! `avp hash`.

use std::path::PathBuf;
use std::process::ExitCode;

use avp::session::json::{Json, JsonLimits};
use avp::session::{Vocabulary, hash};
use clap::Subcommand;

use crate::files;

const EXAMPLES: &str = "\
Examples:
  avp hash model config.json
  avp hash model --hf config.json
  avp hash tokenizer tokenizer.json";

/// Prints the hash of a model configuration or of a vocabulary.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The hash of a model configuration, as JSON text.
    Model {
        /// The configuration.
        file: PathBuf,
        /// Orders id2label by number, as the Hugging Face library has it in memory.
        #[arg(long)]
        hf: bool,
        /// A JSON pointer to a member whose key was an integer in memory, e.g. /id2label/0.
        #[arg(long = "int-key", value_name = "POINTER")]
        int_keys: Vec<String>,
        /// Prints the canonical text that is hashed, instead of the hash.
        #[arg(long)]
        canonical: bool,
    },
    /// The hash of a vocabulary: a tokenizer.json, or an object of tokens and ids.
    Tokenizer {
        /// The tokenizer or vocabulary.
        file: PathBuf,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = match &args.what {
        What::Model { file, hf, int_keys, canonical } => {
            let text = files::read_text(file)?;
            let mut config = Json::parse(&text, &JsonLimits::CONFIG)?;
            if *hf {
                hash::restore_hf_integer_keys(&mut config);
            }
            for pointer in int_keys {
                config.mark_integer_key(pointer)?;
            }
            // Refuses what has no hash, also when only the text is asked for.
            let hash = hash::model_hash(&config)?;
            if *canonical {
                let mut text = Vec::new();
                avp::session::canonical::write(&config, &mut text)?;
                String::from_utf8(text)?
            } else {
                hash
            }
        }
        What::Tokenizer { file } => {
            let text = files::read_text(file)?;
            let vocabulary = match is_tokenizer(&text)? {
                true => Vocabulary::from_tokenizer_text(&text)?.unwrap_or_default(),
                false => Vocabulary::from_text(&text)?,
            };
            hash::tokenizer_hash(&vocabulary)
        }
    };
    files::print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A tokenizer's description has an object under `model`; in a vocabulary that would be a token's id.
pub(crate) fn is_tokenizer(text: &str) -> avp::Result<bool> {
    let value = Json::parse(text, &JsonLimits::TOKENIZER)?;
    Ok(matches!(value.get("model"), Some(Json::Object(_))))
}
