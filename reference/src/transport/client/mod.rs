//! The binding from the side that asks.
//!
//! ```text
//!  hand_over ─▶ session at hand, or handshake ─▶ LATENT: transmit ─▶ kept, usable: done
//!                       ▲                            │     └─▶ 413, 415, 422, 501, not kept, not usable ─▶ text
//!                       └─── 409: negotiate anew ────┘
//!                                                ─▶ JSON: text
//! ```
//!
//! Only HTTPS is spoken, and certificates are verified (AVP-SEC-001, AVP-SEC-004); cleartext to this machine is possible on
//! request. Redirects are not followed and proxies not used: a token goes to the server that was named, or nowhere.
//!
//! What is sent again by itself is what can't be done twice by that: requests whose connection was never made; those that a
//! server answered with 429 or 503 and a time to wait; handshakes, health and models. A message whose connection broke may
//! have been taken, so it is not sent again unless the caller says that this is fine ([`Client::idempotent`]).

mod address;
pub mod blocking;
mod exchange;
mod hand_over;
mod handshake;
mod options;
mod reply;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, redirect, retry, tls};
use serde_json::Value;
use tokio::sync::Mutex;

use address::Address;
use exchange::{Call, Outgoing};
pub use exchange::{MAX_ATTEMPTS, MAX_RETRY_AFTER};
use hand_over::Negotiated;
pub use hand_over::{Delivered, HandedOver, WhyText};
pub use handshake::Handshake;
pub use options::{ClientOptions, HttpVersion, Token};
pub use reply::Reply;
pub use upload::{Progress, Upload};

use super::binding::{AGENT_HEADER, HEALTH_PATH, MODELS_PATH, TEXT_PATH, TRANSMIT_PATH, VERSION_HEADER};
use super::tls::certificates;
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::session::{TextMessage, fallback::MAX_TEXT_MESSAGE_BYTES};

/// How long a connection without requests is kept. Shorter than the 5 s after which common servers (uvicorn) close theirs,
/// and the 10 s of ours: a request on a connection that is just being closed fails, and may not be sent again.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// A client of one server. Cheap to clone; clones share connections and the session.
///
/// Needs a tokio runtime with I/O and time; [`blocking::Client`] brings its own.
///
/// ```no_run
/// use avp::session::ModelIdentity;
/// use avp::transport::client::{Client, ClientOptions, Delivered, Upload};
///
/// # async fn run(context: Vec<u8>) -> avp::Result<()> {
/// let identity = ModelIdentity { model_hash: "5f2e…".into(), ..ModelIdentity::default() };
/// let options = ClientOptions { agent_id: "planner".into(), identity: Some(identity), ..ClientOptions::default() };
/// let client = Client::new("https://solver.example:8443", options)?;
/// let upload = Upload::from(context);
/// let handed = client.hand_over(|_| Ok(upload.clone()), |_| Ok("The plan in words.".into())).await?;
/// if let Delivered::Text { why } = &handed.delivered {
///     eprintln!("in words, for: {why:?}");
/// }
/// let answer = client.ask("What is the result?").await?;
/// println!("{}", answer.content().unwrap_or_default());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    idempotent: bool,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    address: Address,
    timeout: Duration,
    options: ClientOptions,
    session: Mutex<Option<Negotiated>>,
}

impl Client {
    /// A client of the server at `url`. Nothing is sent.
    ///
    /// # Errors
    /// `configuration` for a URL that is not `https://` (AVP-SEC-001), or has a user name, a query or a fragment; for an
    /// agent id that no header can hold; for times above [`ClientOptions::MAX_TIMEOUT`]; for roots that are no certificates; when the platform has no root certificates and
    /// no others are given.
    pub fn new(url: &str, options: ClientOptions) -> Result<Self> {
        let address = Address::parse(url, options.insecure_loopback)?;
        let refused = |field, expected: &str, found: String| {
            Error::new(ErrorClass::Configuration, field, expected, found)
        };
        for (field, wait) in [("timeout", options.timeout), ("connect_timeout", options.connect_timeout)] {
            if wait > ClientOptions::MAX_TIMEOUT {
                return Err(refused(field, "at most 365 days", format!("{wait:?}")));
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(VERSION_HEADER, HeaderValue::from_static(options.dialect.as_str()));
        let agent = HeaderValue::from_bytes(options.agent_id.as_bytes()).map_err(|_| {
            refused("agent_id", "a name without control characters", excerpt(&options.agent_id))
        })?;
        headers.insert(AGENT_HEADER, agent);
        if let Some(token) = &options.token {
            headers.insert(AUTHORIZATION, token.header());
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .tls_version_min(tls::Version::TLS_1_2)
            .https_only(!address.is_cleartext());
        builder = match options.version {
            HttpVersion::Auto => builder,
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
        };
        let mut roots = Vec::new();
        for pem in &options.roots {
            for certificate in certificates(pem)? {
                let of =
                    |error: reqwest::Error| refused("tls.roots", "certificates of X.509", error.to_string());
                roots.push(Certificate::from_der(&certificate).map_err(of)?);
            }
        }
        builder = if address.is_cleartext() {
            // Those of the platform are not needed, and may not be there. Nor is a resolver to say who localhost is.
            let loopback = [([127, 0, 0, 1], 0).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 0).into()];
            builder.tls_certs_only([]).resolve_to_addrs("localhost", &loopback)
        } else {
            builder.tls_certs_merge(roots)
        };
        let http = builder.build().map_err(|error| {
            let cause =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            refused("tls.roots", "roots to verify certificates by", cause)
        })?;
        let timeout = options.timeout;
        let inner = Inner { http, address, timeout, options, session: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner), idempotent: false })
    }

    /// The same client, for messages that may be taken twice without harm: they are sent again when a connection breaks.
    #[must_use]
    pub fn idempotent(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), idempotent: true }
    }

    /// How the client speaks.
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// Transmits a message as it is. Its bytes are shared or read from their file as they go out, with their length in front.
    ///
    /// # Errors
    /// `transport` for any status but 200, which the error carries with the class that the server names (AVP-HTTP-020), for
    /// a redirect, for an answer that is no JSON, and when there is none; `limit_exceeded` for one that is too long;
    /// `configuration` when the message's file can't be read.
    pub async fn transmit(&self, message: impl Into<Upload>) -> Result<Reply> {
        let upload = message.into();
        let (class, body) = (ErrorClass::Transport, Outgoing::Message(&upload));
        let repeatable = self.idempotent;
        self.call(Call { path: TRANSMIT_PATH, field: "transmit", class, body, repeatable }).await
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// As [`Client::transmit`]; `limit_exceeded` for a message that no peer reads, before it is sent.
    pub async fn text(&self, message: &TextMessage) -> Result<Reply> {
        let json = message.to_json().to_string();
        if json.len() > MAX_TEXT_MESSAGE_BYTES {
            let expected = format!("at most {MAX_TEXT_MESSAGE_BYTES} bytes");
            let found = format!("{} bytes", json.len());
            return Err(Error::new(ErrorClass::LimitExceeded, "text", expected, found));
        }
        let (class, body) = (ErrorClass::Transport, Outgoing::Json(json.into()));
        let repeatable = self.idempotent;
        self.call(Call { path: TEXT_PATH, field: "text", class, body, repeatable }).await
    }

    /// Asks whether the server is up (AVP-HTTP-012).
    ///
    /// # Errors
    /// `transport` when it is not, or says anything but that all is well.
    pub async fn health(&self) -> Result<()> {
        let reply = self.get(HEALTH_PATH, "health").await?;
        match reply.body.get("status").and_then(Value::as_str) {
            Some("ok") => Ok(()),
            _ => Err(Error::new(ErrorClass::Transport, "health.status", "ok", "another answer")),
        }
    }

    /// The names of the models that the server offers.
    ///
    /// # Errors
    /// As [`Client::transmit`], and `transport` when the answer is no list of models.
    pub async fn models(&self) -> Result<Vec<String>> {
        let reply = self.get(MODELS_PATH, "models").await?;
        let names = reply.body.get("data").and_then(Value::as_array).and_then(|models| {
            models.iter().map(|model| model.get("id")?.as_str().map(str::to_owned)).collect()
        });
        names.ok_or_else(|| {
            Error::new(
                ErrorClass::Transport,
                "models.data",
                "a list of models with their ids",
                "another answer",
            )
        })
    }

    async fn get(&self, path: &'static str, field: &'static str) -> Result<Reply> {
        let (class, body) = (ErrorClass::Transport, Outgoing::Nothing);
        self.call(Call { path, field, class, body, repeatable: true }).await
    }
}
