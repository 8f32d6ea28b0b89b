//! `avp handshake`.

use std::process::ExitCode;

use anyhow::bail;
use avp::session::SessionMode;
use avp::transport::client::Handshake;
use serde_json::json;

use crate::remote::RemoteArgs;
use crate::{files, json, resolve};

const EXAMPLES: &str = "\
Examples:
  avp handshake https://agent.example:8443 --identity llama/config.json --token-file token.txt
  avp handshake https://localhost:8443 --identity config.json --ca development.pem --json
  avp handshake http://127.0.0.1:8080 --identity config.json --insecure-loopback --http1

The token is read from a file or from AVP_TOKEN, never from the arguments, which others can see.

Exit codes: 0 done, whatever the mode; 1 the server refused, was not reached or not believed; 2 wrong arguments or an
unreadable file.";

/// Asks a server who it is, and says how we would talk.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The server: https://HOST[:PORT][/PATH].
    url: String,
    #[command(flatten)]
    remote: RemoteArgs,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(identity) = args.remote.identity()? else {
        bail!("a handshake needs our model; name it with --identity");
    };
    let client = args.remote.client(&args.url, Some(identity))?;
    let handshake = client.handshake()?;
    warn(&handshake);
    files::print(&if args.json { as_json(&handshake) } else { as_text(&handshake) })?;
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error what a person should look at.
pub(crate) fn warn(handshake: &Handshake) {
    if handshake.echoed {
        eprintln!(
            "avp: warning: the server answers with our own identity; it may have none of its own (A-036)"
        );
    }
    if !handshake.server_session {
        eprintln!(
            "avp: warning: the server names no session; it keeps nothing between requests (AVP-HTTP-002)"
        );
    }
}

fn as_json(handshake: &Handshake) -> String {
    let mut value = resolve::to_json(&handshake.resolution);
    value["agent_id"] = json!(handshake.agent_id);
    value["server_session"] = json!(handshake.server_session);
    value["server_mode"] = json!(handshake.server_mode.map(SessionMode::as_str));
    value["ttl_s"] = json!(handshake.ttl.map(|ttl| ttl.as_secs_f64()));
    value["echoed"] = json!(handshake.echoed);
    json::text(&value)
}

fn as_text(handshake: &Handshake) -> String {
    let remote = &handshake.resolution.remote;
    let or_none = |text: &str| match text {
        "" => "none".to_owned(),
        // A server's words, without what could move a terminal's cursor.
        text => text.escape_debug().to_string(),
    };
    let mut text =
        format!("agent    {}\nmodel    {}\n", or_none(&handshake.agent_id), or_none(&remote.model_id));
    text.push_str(&resolve::as_text(&handshake.resolution));
    if let Some(ttl) = handshake.ttl {
        text.push_str(&format!("lives    {} s\n", ttl.as_secs_f64()));
    }
    text
}
