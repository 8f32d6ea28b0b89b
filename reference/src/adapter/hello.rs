//! The first exchange: what this adapter is and does.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome};
use super::request::{Request, invalid};
use super::{INFLIGHT, ops};
use crate::wire::DEFAULT_MAX_MESSAGE;

#[derive(Deserialize)]
struct Args {
    #[serde(default = "one")]
    acp: u64,
}

fn one() -> u64 {
    1
}

pub(super) fn hello<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Args = request.args()?;
    if args.acp != 1 {
        return Err(invalid("acp", "1", args.acp.to_string()).into());
    }
    Ok(Answer::new(json!({
        "acp": 1,
        "name": "avp",
        "version": env!("CARGO_PKG_VERSION"),
        "language": "rust",
        "specs": ["0.2", "0.4"],
        "ops": ops::names().collect::<Vec<_>>(),
        "features": {
            "zstd": true,
            "checksum": true,
            "checksum_off": true,
            "hybrid": true,
            // The reference reads payload type 2 under 0.2 only.
            "embedding": false,
            "auto_dialect": true,
            "overlap": true,
            "int_keys": true,
            "tokenizer_json": true,
            "vocab_json": true,
            "session_require": true,
            "session_stored": true,
            "rescale_soft_embedding": true,
            "state_flags": true,
            "store_contains": true,
            "store_stored": true,
            // Contexts are read into the host's memory here; a device belongs to the model runtime.
            "cuda": false,
            // Whether a library that runs models is part of this program.
            "engine": cfg!(feature = "model"),
            "load_options": cfg!(feature = "model"),
            "transfer_restored": cfg!(feature = "model"),
            // Types leave no way to say it.
            "easy_untyped": false,
        },
        "limits": {"max_message": DEFAULT_MAX_MESSAGE},
        "inflight": INFLIGHT,
        "instances": 0,
    })))
}
