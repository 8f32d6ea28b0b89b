//! `avp encode`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use avp::adapter::metadata;
use avp::wire::{Compression, Dialect, Encoder, Metadata};
use serde_json::Value;

use crate::files;

const EXAMPLES: &str = "\
Examples:
  avp encode state.bin --metadata '{\"hidden_dim\": 4, \"tensor_shape\": [4]}' -o message.avp
  avp decode message.avp --payload state.bin > message.json
  avp encode state.bin --metadata message.json --compression balanced -o smaller.avp

Metadata is a JSON object, or the name of a file that holds one:
  session_id, source_agent_id, target_agent_id, model_id, avp_map_id: texts
  hidden_dim, num_layers: numbers; tensor_shape: list of numbers; extra: object of texts
  payload_type: HIDDEN_STATE, KV_CACHE, EMBEDDING (0.2)
  dtype: FLOAT32, FLOAT16, BFLOAT16, INT8; mode: LATENT, JSON, HYBRID (0.2)";

/// Makes a message of a payload.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The payload's bytes.
    #[arg(default_value = "-")]
    payload: PathBuf,
    /// Metadata as JSON, or a file that holds it; the output of `avp decode` will do.
    #[arg(long, short, value_name = "JSON|FILE")]
    metadata: Option<String>,
    /// Compression of the payload.
    #[arg(long, default_value = "none", value_parser = ["none", "fast", "balanced", "max"])]
    compression: String,
    /// Leaves the payload's checksum out.
    #[arg(long)]
    no_checksum: bool,
    /// The dialect to write.
    #[arg(long, default_value = "0.4", value_parser = ["0.2", "0.4"])]
    dialect: String,
    /// Where the message goes.
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let metadata = args.metadata.as_deref().map(read_metadata).transpose()?.unwrap_or_default();
    let payload = files::read(&args.payload)?;
    let message = Encoder::new()
        .dialect(if args.dialect == "0.2" { Dialect::V02 } else { Dialect::V04 })
        .compression(Compression::from_name(&args.compression).unwrap_or_default())
        .checksum(!args.no_checksum)
        .encode(&metadata, &payload)?;
    files::write(&args.output, &message)?;
    Ok(ExitCode::SUCCESS)
}

fn read_metadata(argument: &str) -> anyhow::Result<Metadata> {
    let text = match argument.trim_start().starts_with('{') {
        true => argument.to_owned(),
        false => files::read_text(Path::new(argument))?,
    };
    let value: Value = serde_json::from_str(&text).context("the metadata is no JSON")?;
    // What `avp decode` prints holds the metadata beside other things.
    let value = match value {
        Value::Object(mut object) => object.remove("metadata").unwrap_or(Value::Object(object)),
        other => other,
    };
    Ok(metadata::from_json(value)?)
}
