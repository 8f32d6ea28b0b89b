//! What `avp think` and `avp generate` have in common: the model, the prompt, the context.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use avp::model::{Context, Device, LoadOptions, Prompt, Route, Runtime};
use avp::text::ChatMessage;
use avp::weights::registry;
use avp::wire::{DataType, Limits};

use crate::progress;

/// Most bytes of a prompt on standard input.
const MAX_PROMPT: u64 = 8 << 20;

/// The model and where it runs.
#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// A pocket model (pocket-a, pocket-b, pocket-c), a pulled model's name, a folder, a .gguf file, or
    /// hf:owner/name[@revision].
    #[arg(long, short, env = "AVP_MODEL")]
    model: String,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Element type of weights and cache; auto is f32 on the CPU and bf16 on CUDA.
    #[arg(long, value_enum, default_value_t = Dtype::Auto)]
    dtype: Dtype,
    /// Computes on a GGUF file's own blocks: text comes faster, logits are a little off. CPU only.
    #[arg(long)]
    quantised: bool,
    /// Goes by this model hash, for peers that compute theirs differently.
    #[arg(long, value_name = "HEX")]
    model_hash: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Dtype {
    Auto,
    F32,
    Bf16,
    F16,
}

impl ModelArgs {
    /// The model as it was named.
    #[cfg(feature = "http")]
    pub(crate) fn name(&self) -> &str {
        &self.model
    }

    pub(crate) fn open(&self) -> anyhow::Result<Runtime> {
        let runtime = self.open_as(&self.model)?;
        Ok(match &self.model_hash {
            Some(hash) => runtime.with_model_hash(hash),
            None => runtime,
        })
    }

    /// Another model, in the same place.
    pub(crate) fn open_as(&self, name: &str) -> anyhow::Result<Runtime> {
        let source = registry::resolve(name)?;
        let dtype = match self.dtype {
            Dtype::Auto => None,
            Dtype::F32 => Some(DataType::Float32),
            Dtype::Bf16 => Some(DataType::BFloat16),
            Dtype::F16 => Some(DataType::Float16),
        };
        let bar = progress::steps(0, "loading");
        let options = LoadOptions { device: self.device, dtype, quantised: self.quantised };
        let opened = Runtime::open(source, options, &mut |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        Ok(opened?)
    }
}

/// What the model is asked.
#[derive(clap::Args)]
pub(crate) struct PromptArgs {
    /// A user's message; - reads it from standard input.
    #[arg(required_unless_present = "messages")]
    prompt: Option<String>,
    /// A conversation as JSON instead: [{"role": "...", "content": "..."}, ...].
    #[arg(long, conflicts_with = "prompt", value_name = "FILE")]
    messages: Option<PathBuf>,
    /// Takes the prompt as it is, without the model's chat template.
    #[arg(long, conflicts_with = "messages")]
    raw: bool,
}

impl PromptArgs {
    pub(crate) fn read(&self) -> anyhow::Result<Prompt> {
        if let Some(path) = &self.messages {
            let text = crate::files::read_text(path)?;
            let messages: Vec<ChatMessage> = serde_json::from_str(&text)
                .with_context(|| format!("{} is no conversation", path.display()))?;
            return Ok(Prompt::Messages(messages));
        }
        let text = match self.prompt.as_deref() {
            Some("-") => {
                let mut text = String::new();
                std::io::stdin().lock().take(MAX_PROMPT + 1).read_to_string(&mut text)?;
                if text.len() as u64 > MAX_PROMPT {
                    bail!("the prompt is longer than {MAX_PROMPT} bytes");
                }
                text
            }
            Some(text) => text.to_owned(),
            None => bail!("no prompt"),
        };
        Ok(if self.raw { Prompt::Raw(text) } else { Prompt::User(text) })
    }
}

/// A context out of a file. A file that the user names may be as large as a message can be.
pub(crate) fn read_context(path: &Path) -> anyhow::Result<(Context, Route)> {
    let all = u64::from(u32::MAX) + 12;
    let limits = Limits { max_message: all, max_payload: all, ..Limits::default() };
    let received = if crate::files::is_standard(path) {
        Context::from_bytes(&crate::files::read(path)?, limits)?
    } else {
        Context::open(path, limits)?
    };
    for diagnostic in &received.diagnostics {
        eprintln!("avp: {}: {}", path.display(), diagnostic.error);
    }
    Ok((received.context, received.route))
}
