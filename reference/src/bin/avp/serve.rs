//! `avp serve`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use avp::model::Connector as _;
use avp::serving::ModelAgent;
use avp::session::Ttl;
use avp::transport::server::{Server, ServerOptions};
use avp::transport::tls::ServerTls;
use avp::transport::tokens::Tokens;
use avp::transport::{Agent as _, ServerLimits};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::files;
use crate::log;
use crate::runtime::ModelArgs;

/// Tokens in the environment: lines as in a token file, or one secret.
const TOKENS: &str = "AVP_TOKENS";
const TOKEN: &str = "AVP_TOKEN";

const EXAMPLES: &str = "\
Examples:
  avp serve --model pocket-a --write-cert dev.pem
      on https://127.0.0.1:8443, with a certificate of its own that clients trust by dev.pem:
      curl --cacert dev.pem https://127.0.0.1:8443/health
  avp serve --model pocket-a --insecure-loopback --listen 127.0.0.1:0
      cleartext on any free port, for programs on this machine alone
  AVP_TOKEN=$(cat secret) avp serve -m smollm2-135m-instruct --listen 0.0.0.0:8443 --cert chain.pem --key key.pem
  avp serve -m ./model.gguf --listen [::]:8443 --cert chain.pem --key key.pem --token-file tokens.txt \\
      --max-message 400MiB --rate 20 --metrics 127.0.0.1:9100 --log json

A token file has one token a line: NAME SECRET, or SECRET alone. Tokens never stand on the command line.
The first line on standard output says where the server listens; it answers from then on. Logs go to standard error, as
AVP_LOG or RUST_LOG filter them (info by default); they hold ids and sizes, never what peers send.
SIGTERM and ctrl-C let running requests end, for as long as --shutdown-timeout allows; a second one does not wait.

Exit codes: 0 stopped, and every request had its answer; 1 refused, or requests were cut off because they took too long to
end; 2 wrong arguments; 130 stopped by a second signal.";

/// Serves a model to other agents: handshake, contexts, text, chat completions.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Address and port; port 0 for any that is free.
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The agent's name, by which chat completions may ask for it too. [default: the model's, as --model has it]
    #[arg(long, value_name = "NAME")]
    agent_id: Option<String>,
    /// Certificate chain in PEM, the server's own first. [default: a self-signed one for development]
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the self-signed certificate goes, for clients to trust.
    #[arg(long, conflicts_with = "cert", value_name = "FILE")]
    write_cert: Option<PathBuf>,
    /// A further host name or address of the self-signed certificate; may be given several times.
    #[arg(long, conflicts_with = "cert", value_name = "NAME")]
    name: Vec<String>,
    /// Cleartext, HTTP/1.1 and HTTP/2, on a loopback address alone.
    #[arg(long, conflicts_with_all = ["cert", "write_cert", "name"])]
    insecure_loopback: bool,
    /// Who may ask. Needed beyond loopback; AVP_TOKENS or AVP_TOKEN in the environment do as well.
    #[arg(long, conflicts_with = "no_token", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Everybody may ask, even beyond loopback.
    #[arg(long)]
    no_token: bool,
    /// Largest message, e.g. 400MiB.
    #[arg(long, value_parser = bytes, value_name = "SIZE", default_value = "10MB")]
    max_message: u64,
    /// Most that sessions keep, all together. [default: 2GiB, or more where the largest message is larger]
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    max_kept: Option<u64>,
    /// Requests a second of one peer. [default: as many as it likes]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// How long a session and what it keeps live, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = Ttl::DEFAULT.seconds())]
    session_ttl: f64,
    /// How long running requests may take to end once the server is asked to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().shutdown_timeout.as_secs_f64())]
    shutdown_timeout: f64,
    /// Requires the headers that the binding calls required, and sessions that are known.
    #[arg(long)]
    strict: bool,
    /// Takes contexts of another model hash if their shape fits.
    #[arg(long)]
    accept_structural: bool,
    /// Shows numbers for Prometheus there, in cleartext.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = log::Form::Text)]
    log: log::Form,
    /// Says where the server listens, and what it is, as one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loopback = args.listen.ip().to_canonical().is_loopback();
    if args.insecure_loopback && !loopback {
        bail!("--insecure-loopback is for loopback addresses, and {} is none", args.listen);
    }
    if args.write_cert.as_deref().is_some_and(files::is_standard) {
        bail!("standard output says where the server listens; --write-cert takes a file");
    }
    let session_ttl = Ttl::from_seconds(args.session_ttl)?;
    if session_ttl.seconds() <= 0.0 {
        bail!("--session-ttl: more than 0 seconds, or no session lives");
    }
    let Ok(shutdown_timeout) = Duration::try_from_secs_f64(args.shutdown_timeout) else {
        bail!("--shutdown-timeout: a number of seconds, not {}", args.shutdown_timeout);
    };
    let tokens = tokens(args)?;
    if tokens.is_empty() && !loopback && !args.no_token {
        bail!(
            "{} can be reached by others: give --token-file, {TOKENS} or {TOKEN}, or say --no-token",
            args.listen
        );
    }
    let mut limits = ServerLimits::default().with_max_message(args.max_message);
    limits.rate = args.rate;
    if let Some(max_kept) = args.max_kept {
        limits.max_kept = max_kept;
    }
    limits.shutdown_timeout = shutdown_timeout;
    let (tls, fingerprint) =
        if args.insecure_loopback { (None, None) } else { certificate(args).map(some)? };
    let options =
        ServerOptions { limits, tls, tokens, strict: args.strict, session_ttl, metrics: args.metrics };
    log::begin(args.log)?;
    let runtime = Arc::new(args.model.open()?);
    let model_hash = runtime.identity().model_hash.clone();
    let mut agent = ModelAgent::new(runtime)?.accept_structural(args.accept_structural);
    if let Some(name) = args.agent_id.as_deref().or_else(|| short_name(args.model.name())) {
        agent = agent.named(name);
    }
    let (agent_id, model_id) = (agent.agent_id().to_owned(), agent.identity().model_id.clone());

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended: anyhow::Result<()> = runtime.block_on(async {
        let stop = stop_signal()?;
        let server = Server::bind(args.listen, options, Arc::new(agent)).await?;
        let scheme = if args.insecure_loopback { "http" } else { "https" };
        let url = format!("{scheme}://{}", server.address());
        let metrics = server.metrics_address().map(|address| format!("http://{address}/metrics"));
        if args.json {
            let said = json!({
                "listening": url, "agent_id": agent_id, "model_id": model_id, "model_hash": model_hash,
                "certificate_sha256": fingerprint, "metrics": metrics,
            });
            files::print(&format!("{said}\n"))?;
        } else {
            files::print(&format!("listening on {url}\n"))?;
            if let Some(fingerprint) = &fingerprint {
                eprintln!("avp: certificate SHA-256 {fingerprint}");
            }
            if let Some(metrics) = &metrics {
                eprintln!("avp: numbers on {metrics}");
            }
        }
        Ok(server.serve(stop).await?)
    });
    // Dropped, it would wait for a model in the midst of an answer, however long that takes, and hear no signal meanwhile.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

fn some<A, B>((left, right): (A, B)) -> (Option<A>, Option<B>) {
    (Some(left), Some(right))
}

/// What `--model` says, unless it is a path, which is nobody else's business. Whoever started the server knows the model by
/// it; the model's own name may be another one.
fn short_name(model: &str) -> Option<&str> {
    let is_path = model.contains(['/', '\\']) || Path::new(model).exists();
    (!is_path || model.starts_with("hf:")).then_some(model)
}

/// Who may ask.
fn tokens(args: &Args) -> anyhow::Result<Tokens> {
    let set = |name| std::env::var(name).ok().filter(|text: &String| !text.trim().is_empty());
    let from_environment = set(TOKENS).or_else(|| set(TOKEN));
    match (&args.token_file, from_environment) {
        (Some(path), _) => {
            warn_of_readers(path);
            Ok(Tokens::from_file(path)?)
        }
        (None, Some(_)) if args.no_token => {
            bail!("--no-token, and a token in {TOKENS} or {TOKEN}: which one?")
        }
        (None, Some(text)) => Ok(Tokens::from_text(&text)?),
        (None, None) => Ok(Tokens::none()),
    }
}

/// Secrets that every user of the machine can read are none.
#[cfg(unix)]
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let others = |about: &std::fs::Metadata| about.permissions().mode() & 0o077 != 0;
    if path.metadata().is_ok_and(|about| about.is_file() && others(&about)) {
        eprintln!("avp: warning: {} can be read by others; chmod 600 keeps it secret", path.display());
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path) {}

/// The certificate that is given, or a fresh one; and its fingerprint.
fn certificate(args: &Args) -> anyhow::Result<(ServerTls, String)> {
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        let chain = files::read(cert)?;
        let tls = ServerTls::from_pem(&chain, &files::read(key)?)?;
        return Ok((tls, fingerprint(&chain)?));
    }
    let mut names = args.name.clone();
    let ip = args.listen.ip();
    if !ip.is_unspecified() {
        names.push(ip.to_string());
    }
    let (tls, pem) = ServerTls::development(&names)?;
    match &args.write_cert {
        Some(path) => files::write(path, pem.as_bytes())?,
        None => {
            eprintln!("avp: a certificate of its own that no client trusts yet; --write-cert FILE keeps it");
        }
    }
    Ok((tls, fingerprint(pem.as_bytes())?))
}

/// SHA-256 of a chain's first certificate, as browsers and openssl show it.
fn fingerprint(chain: &[u8]) -> anyhow::Result<String> {
    let certificate = CertificateDer::from_pem_slice(chain).context("no certificate")?;
    let mut text = String::new();
    for (index, byte) in Sha256::digest(&certificate).iter().enumerate() {
        let _ = write!(text, "{}{byte:02X}", if index == 0 { "" } else { ":" });
    }
    Ok(text)
}

/// Comes with SIGTERM or ctrl-C. A second one ends the process at once.
#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            std::process::exit(ENDED_BY_SIGNAL);
        });
    })
}

#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        tokio::spawn(async {
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(ENDED_BY_SIGNAL);
        });
    })
}

/// What shells give for a process that ctrl-C ended; here for any second signal.
const ENDED_BY_SIGNAL: i32 = 130;

/// A number of bytes, with a unit or without.
fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
    let bytes = unit.and_then(|(_, size)| number.parse::<u64>().ok()?.checked_mul(*size));
    bytes
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "expected a number with kB, MB, GB, KiB, MiB, GiB or nothing".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_no_names() {
        for (model, name) in [
            ("smollm2-135m-instruct", Some("smollm2-135m-instruct")),
            ("hf:owner/name", Some("hf:owner/name")),
            ("./model.gguf", None),
            ("/home/me/model", None),
            ("Cargo.toml", None),
        ] {
            assert_eq!(short_name(model), name);
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in
            [("1", 1), ("10MB", 10_000_000), ("400 MiB", 400 << 20), ("2gib", 2 << 30), ("7kB", 7000)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "MB", "-1", "1.5MB", "1 TB", "99999999999GB", "18446744073709551616"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
