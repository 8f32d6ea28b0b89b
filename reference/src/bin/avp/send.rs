//! `avp send`.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use avp::session::{ModelIdentity, SessionId, SessionMode, TextMessage};
use avp::transport::client::blocking::Client;
use avp::transport::client::{Delivered, Reply, Upload, WhyText};
use avp::wire::Metadata;
use serde_json::{Value, json};

use crate::handshake::warn;
use crate::remote::RemoteArgs;
use crate::style::grouped;
use crate::{files, json, progress};

/// From how many bytes on an upload is worth a progress bar.
const LARGE: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  avp send plan.avp --to https://agent.example:8443 --token-file token.txt
  avp send plan.avp --to https://localhost:8443 --ca development.pem --ask \"Write it down.\"
  avp send plan.avp --to https://agent.example --identity config.json --text \"The plan in words.\" --json
  avp send more.avp --to http://127.0.0.1:8080 --insecure-loopback --session 5e1f0c…

Without --session there is a handshake first, as the model that --identity names, or the one that the message names. The
message then goes out under the session's id. Where the server can't use it, --text goes in its place.

Exit codes: 0 done; 1 the message or the server refused, or the server doesn't keep the message, or can't use it; 2 wrong
arguments or an unreadable file.";

/// Sends a message to a server, as it is read from its file, and asks something about it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The message.
    file: PathBuf,
    /// The server: https://HOST[:PORT][/PATH].
    #[arg(long = "to", value_name = "URL")]
    url: String,
    /// A session that the server knows.
    #[arg(long, value_name = "ID", conflicts_with_all = ["identity", "text"])]
    session: Option<String>,
    /// A question to be answered behind the message. The answer goes to standard output.
    #[arg(long, value_name = "TEXT")]
    ask: Option<String>,
    /// What to send where the server can't use the message.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// What became of the message.
struct Sent {
    session: SessionId,
    /// Why text went out in its place.
    as_text: Option<String>,
    reply: Reply,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let upload = match files::is_standard(&args.file) {
        true => Upload::from(files::read(&args.file)?),
        // A file that is not there is a wrong argument.
        false => Upload::file(&args.file).map_err(|error| anyhow::anyhow!("{error}"))?,
    };
    let identity = match args.remote.identity()? {
        Some(identity) => identity,
        None => identity_of(&upload.head()?.metadata),
    };
    let client = args.remote.client(&args.url, Some(identity))?;
    let bytes = upload.len();
    let bar = match bytes {
        0..LARGE => indicatif::ProgressBar::hidden(),
        _ => progress::upload(bytes, "sending"),
    };
    let told = bar.clone();
    let sent = send(args, &client, upload.on_progress(Arc::new(move |sent| told.set_position(sent))));
    bar.finish_and_clear();
    let sent = sent?;
    let kept = sent.reply.kept() != Some(false) || sent.as_text.is_some();
    let usable = sent.reply.usable() != Some(false) || sent.as_text.is_some();
    if let Some(why) = &sent.as_text {
        eprintln!("avp: warning: sent as text: {why}");
    } else if !kept {
        eprintln!(
            "avp: warning: the server does not keep it: {:?}",
            sent.reply.reason().unwrap_or("no reason given")
        );
    } else if !usable {
        eprintln!("avp: warning: the server's model can't use it; --text says it in words");
    }
    let done = kept && usable;
    let answer = match &args.ask {
        Some(question) if done => Some(ask(args, &client, &sent, question)?),
        _ => None,
    };
    let text = match (args.json, &answer) {
        (true, _) => as_json(&sent, bytes, answer.as_ref()),
        (false, Some(answer)) => printable(answer.content().unwrap_or_default()),
        (false, None) => format!(
            "sent     {}\nbytes    {}\nsession  {}\n",
            if sent.as_text.is_some() { "text" } else { "message" },
            grouped(bytes),
            sent.session.as_str().escape_debug()
        ),
    };
    files::print(&text)?;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A server's text with an end of line. On a terminal it is text alone: nothing that moves a cursor or sets a title.
fn printable(text: &str) -> String {
    let shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    let mut text = match io::stdout().is_terminal() {
        true => text.replace(|c| !shown(c), "\u{fffd}"),
        false => text.to_owned(),
    };
    text.push('\n');
    text
}

/// What a message says of the model that made it.
fn identity_of(metadata: &Metadata) -> ModelIdentity {
    let extra = |key: &str| metadata.extra.get(key).cloned().unwrap_or_default();
    ModelIdentity {
        model_family: extra("model_family"),
        model_id: metadata.model_id.clone(),
        model_hash: extra("model_hash"),
        hidden_dim: metadata.hidden_dim,
        num_layers: metadata.num_layers,
        ..ModelIdentity::default()
    }
}

fn send(args: &Args, client: &Client, upload: Upload) -> avp::Result<Sent> {
    if let Some(session) = &args.session {
        let session = SessionId::from_peer(session)?;
        let reply = client.transmit(upload.in_session(&session)?)?;
        return Ok(Sent { session, as_text: None, reply });
    }
    let handshake = client.session()?;
    warn(&handshake);
    let session = handshake.session_id().clone();
    if let Some(text) = &args.text {
        let handed = client.hand_over(|_| Ok(upload.clone()), |_| Ok(text.clone()))?;
        let as_text = match handed.delivered {
            Delivered::Context => None,
            Delivered::Text { why: WhyText::Mode } => Some("the models have nothing in common".to_owned()),
            Delivered::Text { why: WhyText::Refused(error) } => Some(error.to_string()),
            Delivered::Text { why: WhyText::NotKept(reason) } => Some(format!("it is not kept: {reason:?}")),
            Delivered::Text { why: WhyText::NotUsable } => Some("the server's model can't use it".to_owned()),
        };
        return Ok(Sent { session: handed.handshake.session_id().clone(), as_text, reply: handed.reply });
    }
    if handshake.shared_mode() == SessionMode::Json {
        let (expected, found) = ("a server whose model can use the message, or --text", "mode JSON");
        return Err(avp::Error::new(avp::ErrorClass::IncompatibleModels, "handshake", expected, found));
    }
    let reply = client.transmit(upload.in_session(&session)?)?;
    Ok(Sent { session, as_text: None, reply })
}

fn ask(args: &Args, client: &Client, sent: &Sent, question: &str) -> avp::Result<Reply> {
    let message = TextMessage {
        session_id: sent.session.as_str().to_owned(),
        source_agent_id: args.remote.agent_id.clone(),
        content: question.to_owned(),
        ..TextMessage::default()
    };
    let reply = client.text(&message)?;
    if reply.lacks_context() && sent.as_text.is_none() {
        let (expected, found) = ("an answer behind the message", "one without it");
        return Err(avp::Error::new(avp::ErrorClass::Session, "text", expected, found));
    }
    Ok(reply)
}

fn as_json(sent: &Sent, bytes: u64, answer: Option<&Reply>) -> String {
    json::text(&json!({
        "delivered": if sent.as_text.is_some() { "text" } else { "message" },
        "why": sent.as_text,
        "session_id": sent.session.as_str(),
        "bytes": bytes,
        "kept": sent.reply.kept(),
        "reply": Value::Object(sent.reply.body.clone()),
        "answer": answer.map(|answer| &answer.body),
    }))
}
