//! `avp size`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use avp::session::ModelIdentity;
use avp::session::json::{Json, JsonLimits};
use avp::size::{ModelShape, PRESETS, TransferMode};
use serde_json::{Value, json};

use crate::style::grouped;
use crate::{files, json};

const EXAMPLES: &str = "\
Examples:
  avp size                                   all models that are known by name
  avp size --preset qwen2.5-7b
  avp size config.json --tokens 4096
  avp size --preset llama-3.2-3b --bandwidth 700";

/// Tells how many bytes a transfer takes, computed from the model's sizes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A model configuration (config.json).
    #[arg(conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// A model by name instead.
    #[arg(long, value_parser = preset_names())]
    preset: Option<String>,
    /// Tokens of the context.
    #[arg(long, default_value_t = 200)]
    tokens: u64,
    /// Also says which mode suits a connection of that many megabits a second.
    #[arg(long, value_name = "MBIT")]
    bandwidth: Option<f64>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

fn preset_names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let models = models(args)?;
    let rows = models.iter().map(|(name, shape)| Model::new(name, *shape, args.tokens));
    let rows =
        rows.collect::<Option<Vec<_>>>().context("such a transfer has more bytes than can be counted")?;
    let advice =
        args.bandwidth.map(|speed| TransferMode::recommended(speed).map_or("text", TransferMode::as_str));
    let text = if args.json {
        let models: Vec<_> = rows.iter().map(Model::json).collect();
        json::text(&json!({"tokens": args.tokens, "models": models, "recommended": advice}))
    } else {
        let mut text = rows.iter().map(|model| model.text(args.tokens)).collect::<Vec<_>>().join("\n");
        if let (Some(mode), Some(speed)) = (advice, args.bandwidth) {
            let _ = writeln!(text, "\nat {speed} Mbit/s: {mode}");
        }
        text
    };
    files::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn models(args: &Args) -> anyhow::Result<Vec<(String, ModelShape)>> {
    let Some(path) = &args.config else {
        let chosen = |name: &str| args.preset.as_deref().is_none_or(|preset| preset == name);
        let known = PRESETS.iter().filter(|(name, _)| chosen(name));
        return Ok(known.map(|(name, shape)| ((*name).to_owned(), *shape)).collect());
    };
    let text = files::read_text(path)?;
    let identity = ModelIdentity::from_config(&Json::parse(&text, &JsonLimits::CONFIG)?)?.identity;
    let name = [&identity.model_id, &identity.model_family].into_iter().find(|name| !name.is_empty());
    let name = name.map_or_else(|| path.display().to_string(), Clone::clone);
    Ok(vec![(name, ModelShape::of(&identity)?)])
}

/// A model with its sizes by mode.
struct Model<'a> {
    name: &'a str,
    shape: ModelShape,
    sizes: Vec<Size>,
}

struct Size {
    mode: TransferMode,
    /// What one more token adds, on average: scales are shared by up to 32 tokens.
    token: u64,
    context: u64,
}

/// Tokens over which the average is taken.
const SHARED_BY: u64 = 32;

impl<'a> Model<'a> {
    fn new(name: &'a str, shape: ModelShape, tokens: u64) -> Option<Self> {
        let size = |mode: TransferMode| {
            let token = mode.tensor_bytes(&shape, SHARED_BY)?.div_ceil(SHARED_BY);
            Some(Size { mode, token, context: mode.payload_bytes(&shape, tokens)? })
        };
        Some(Self { name, shape, sizes: TransferMode::ALL.into_iter().map(size).collect::<Option<_>>()? })
    }

    fn json(&self) -> Value {
        let sizes = self.sizes.iter().map(|size| {
            json!({"mode": size.mode.as_str(), "bytes_per_token": size.token, "payload_bytes": size.context})
        });
        json!({
            "name": self.name,
            "num_layers": self.shape.num_layers,
            "num_kv_heads": self.shape.num_kv_heads,
            "head_dim": self.shape.head_dim,
            "hidden_dim": self.shape.hidden_dim,
            "sizes": sizes.collect::<Vec<_>>(),
        })
    }

    fn text(&self, tokens: u64) -> String {
        let ModelShape { num_layers, num_kv_heads, head_dim, hidden_dim } = self.shape;
        let mut text = format!(
            "{}: {num_layers} layers, {num_kv_heads} KV heads of {head_dim}, hidden size {hidden_dim}\n",
            self.name
        );
        let context = format!("{} tokens", grouped(tokens));
        let _ = writeln!(text, "  {:<8}{:>14}{:>22}{:>12}", "mode", "a token", context, "of full");
        let full = self.sizes.first().map_or(1, |size| size.context) as f64;
        for size in &self.sizes {
            let share = format!("{:.1} %", 100.0 * size.context as f64 / full);
            let (token, context) = (grouped(size.token), grouped(size.context));
            let _ = writeln!(text, "  {:<8}{token:>12} B{context:>20} B{share:>12}", size.mode.as_str());
        }
        text
    }
}
