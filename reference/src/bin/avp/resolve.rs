//! `avp resolve`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use avp::session::json::{Json, JsonLimits};
use avp::session::{Hello, ModelIdentity, Resolution, Vocabulary, resolve};
use serde_json::{Value, json};

use crate::{files, hash, json};

const EXAMPLES: &str = "\
Examples:
  avp resolve ours.json theirs.json
  avp resolve llama/config.json qwen/config.json --local-vocab llama/tokenizer.json --remote-vocab qwen/tokenizer.json

A file holds a hello, an identity, or a model configuration (config.json).";

/// Says how two agents would talk: the outcome of the six rules of the handshake.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Our side.
    local: PathBuf,
    /// The other side.
    remote: PathBuf,
    /// Our vocabulary: a tokenizer.json, or an object of tokens and ids.
    #[arg(long, requires = "remote_vocab", value_name = "FILE")]
    local_vocab: Option<PathBuf>,
    /// The other side's vocabulary.
    #[arg(long, requires = "local_vocab", value_name = "FILE")]
    remote_vocab: Option<PathBuf>,
    /// A stored projection map, by the two model hashes.
    #[arg(long = "map", value_name = "SOURCE:TARGET", value_parser = map)]
    maps: Vec<(String, String)>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

fn map(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').ok_or("two hashes with a colon between are expected")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (local, remote) = (read_identity(&args.local)?, read_identity(&args.remote)?);
    let maps: HashSet<_> = args.maps.iter().cloned().collect();
    let texts = match (&args.local_vocab, &args.remote_vocab) {
        (Some(ours), Some(theirs)) => Some((files::read_text(ours)?, files::read_text(theirs)?)),
        _ => None,
    };
    let vocabularies = match &texts {
        Some((ours, theirs)) => Some((vocabulary(ours)?, vocabulary(theirs)?)),
        None => None,
    };
    let vocabularies = vocabularies.as_ref().map(|(ours, theirs)| (ours, theirs));
    let resolution = resolve(&local, &remote, &maps, vocabularies)?;
    files::print(&if args.json { as_json(&resolution) } else { as_text(&resolution) })?;
    Ok(ExitCode::SUCCESS)
}

fn vocabulary(text: &str) -> avp::Result<Vocabulary<'_>> {
    if hash::is_tokenizer(text)? {
        Ok(Vocabulary::from_tokenizer_text(text)?.unwrap_or_default())
    } else {
        Vocabulary::from_text(text)
    }
}

/// An identity has `model_family` or `model_hash`; a hello has `identity`; anything else is a configuration, with its
/// labels in the order that they have in memory.
pub(crate) fn read_identity(path: &Path) -> anyhow::Result<ModelIdentity> {
    let text = files::read_text(path)?;
    let mut value = Json::parse(&text, &JsonLimits::CONFIG)?;
    if value.get("identity").is_some() || value.get("agent_id").is_some() {
        let hello = Hello::from_text(text.as_bytes())?;
        return Ok(hello.identity.unwrap_or_default());
    }
    if value.get("model_family").is_some() || value.get("model_hash").is_some() {
        return Ok(ModelIdentity::from_text(text.as_bytes())?);
    }
    avp::session::hash::restore_hf_integer_keys(&mut value);
    let extracted = ModelIdentity::from_config(&value)?;
    if extracted.hidden_dim_zero {
        eprintln!("avp: warning: {} names no hidden size (AVP-HS-015)", path.display());
    }
    Ok(extracted.identity)
}

fn as_json(resolution: &Resolution) -> String {
    json::text(&to_json(resolution))
}

pub(crate) fn to_json(resolution: &Resolution) -> Value {
    let diagnostics: Vec<_> = resolution.diagnostics.iter().map(|found| found.code()).collect();
    json!({
        "session_id": resolution.session_id.as_str(),
        "mode": resolution.mode.as_str(),
        "avp_map_id": resolution.avp_map_id,
        "resolution_path": resolution.path.as_str(),
        "local": resolution.local,
        "remote": resolution.remote,
        "diagnostics": diagnostics,
    })
}

pub(crate) fn as_text(resolution: &Resolution) -> String {
    // Both may be a server's words: without what could move a terminal's cursor.
    let map = if resolution.avp_map_id.is_empty() { "none" } else { &resolution.avp_map_id }.escape_debug();
    let session = resolution.session_id.as_str().escape_debug();
    let mut text = format!(
        "mode     {}\nrule     {}\nmap      {map}\nsession  {session}\n",
        resolution.mode.as_str(),
        resolution.path.as_str(),
    );
    for found in &resolution.diagnostics {
        text.push_str(&format!("warning  {}\n", found.code()));
    }
    text
}
