//! A server to speak to, as arguments name it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use avp::session::ModelIdentity;
use avp::transport::client::blocking::Client;
use avp::transport::client::{ClientOptions, HttpVersion, Token};

use crate::{files, resolve};

/// Holds the token when no file is named.
const TOKEN_VARIABLE: &str = "AVP_TOKEN";
/// Longest wait that can be asked for: a day. An upload that takes longer is none that anybody waits for.
const MAX_TIMEOUT_S: u64 = 24 * 60 * 60;

/// Part of the arguments of each command that speaks to a server.
#[derive(clap::Args)]
pub(crate) struct RemoteArgs {
    /// Our model: a hello, an identity, or a model configuration (config.json).
    #[arg(long, visible_alias = "model-config", value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Our name.
    #[arg(long, default_value = "avp", value_name = "ID")]
    pub(crate) agent_id: String,
    /// A file that holds the token; the environment variable AVP_TOKEN without.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates that are trusted beside those of the platform, in PEM.
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Allows http:// to this machine.
    #[arg(long)]
    insecure_loopback: bool,
    /// HTTP/1.1 alone.
    #[arg(long, conflicts_with = "http2")]
    http1: bool,
    /// HTTP/2 alone, without asking on http://.
    #[arg(long)]
    http2: bool,
    /// Seconds to wait for an answer, the upload included.
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::TIMEOUT.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIMEOUT_S))]
    timeout: u64,
}

impl RemoteArgs {
    /// The model that the arguments name.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<ModelIdentity>> {
        self.identity.as_deref().map(resolve::read_identity).transpose()
    }

    /// A client of the server at `url`, under that identity.
    pub(crate) fn client(&self, url: &str, identity: Option<ModelIdentity>) -> anyhow::Result<Client> {
        let roots = self.ca.iter().map(|path| files::read(path)).collect::<Result<_, _>>()?;
        let options = ClientOptions {
            agent_id: self.agent_id.clone(),
            identity,
            token: self.token()?,
            timeout: Duration::from_secs(self.timeout),
            insecure_loopback: self.insecure_loopback,
            roots,
            version: match (self.http1, self.http2) {
                (true, _) => HttpVersion::Http1,
                (_, true) => HttpVersion::Http2,
                _ => HttpVersion::Auto,
            },
            ..ClientOptions::default()
        };
        Client::new(url, options).map_err(wrong_argument)
    }

    fn token(&self) -> anyhow::Result<Option<Token>> {
        if let Some(path) = &self.token_file {
            return Token::from_file(path).map(Some).map_err(wrong_argument);
        }
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => Token::new(text.trim()).map(Some).map_err(wrong_argument).context(TOKEN_VARIABLE),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => bail!("{TOKEN_VARIABLE} is no text"),
        }
    }
}

/// An error of the library that is about arguments, with the exit code of those.
fn wrong_argument(error: avp::Error) -> anyhow::Error {
    anyhow!("{error}")
}
