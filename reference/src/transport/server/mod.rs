//! The server: connections in, an [`Agent`] behind them.
//!
//! ```text
//!  TcpListener ─▶ connection: TLS, HTTP/1.1 or 2, timeouts ─▶ guard: token, rate, capacity ─▶ routes
//!                                                                                          │
//!       handshake ─▶ Sessions        transmit ─▶ intake (bounded) ─▶ Agent::receive ─▶ Kept ◀─ text, chat ─▶ Agent::answer
//! ```

mod activity;
mod answering;
pub mod chat;
mod chat_route;
mod connection;
mod exchange;
mod guard;
mod guests;
mod handshake;
mod intake;
mod kept;
mod metrics;
mod opened;
mod preface;
mod rate;
mod reply;
mod request_body;
mod routes;
mod running;
mod spare;
mod stall;
mod text;
mod transmit;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use running::Running;

use super::agent::Agent;
use super::limits::ServerLimits;
use super::tls::ServerTls;
use super::tokens::Tokens;
use crate::error::{Error, ErrorClass, Result};
use crate::session::Ttl;
use exchange::Exchange;

/// What a server is set up with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What it takes from peers.
    pub limits: ServerLimits,
    /// Certificate and key. Without, cleartext: on loopback alone (AVP-SEC-001).
    pub tls: Option<ServerTls>,
    /// Who may ask; everybody when empty.
    pub tokens: Tokens,
    /// Whether the headers that the binding calls required are required (AVP-HTTP-017, 018), and sessions must be known.
    pub strict: bool,
    /// How long sessions, and what they keep, live.
    pub session_ttl: Ttl,
    /// Where numbers for Prometheus are shown, in cleartext.
    pub metrics: Option<SocketAddr>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            limits: ServerLimits::default(),
            tls: None,
            tokens: Tokens::none(),
            strict: false,
            session_ttl: Ttl::DEFAULT,
            metrics: None,
        }
    }
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    metrics: Option<TcpListener>,
    address: SocketAddr,
    tls: Option<ServerTls>,
    exchange: Arc<Exchange>,
}

impl Server {
    /// Takes an address; port 0 for any that is free.
    ///
    /// # Errors
    /// `configuration` for limits that make no sense, or cleartext on an address that others can reach; `transport` when
    /// the address is taken.
    pub async fn bind(address: SocketAddr, options: ServerOptions, agent: Arc<dyn Agent>) -> Result<Self> {
        options.limits.check()?;
        if options.tls.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(Error::new(
                ErrorClass::Configuration,
                "server.address",
                "a loopback address for cleartext, or a certificate",
                address.to_string(),
            ));
        }
        let listener = listen(address).await?;
        let address = listener.local_addr().map_err(|error| failed(address, &error))?;
        let metrics = match options.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let tls = options.tls.clone();
        Ok(Self { listener, metrics, address, tls, exchange: Exchange::new(options, agent)? })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it shows its numbers, if it does.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Answers until `stop` comes, then takes no more connections and lets running requests end, for as long as
    /// [`ServerLimits::shutdown_timeout`] allows.
    ///
    /// # Errors
    /// `transport` when requests had to be cut off.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let janitor = tokio::spawn(Arc::clone(&self.exchange).keep_house(stopped.clone()));
        let metrics = self.metrics.map(|listener| {
            tokio::spawn(metrics::serve(listener, Arc::clone(&self.exchange), stopped.clone()))
        });
        let ended = connection::accept(self.listener, self.tls, self.exchange, stopping, stop).await;
        janitor.abort();
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        ended
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| failed(address, &error))
}

fn failed(address: SocketAddr, error: &std::io::Error) -> Error {
    Error::new(
        ErrorClass::Transport,
        "server.address",
        "an address to listen on",
        format!("{address}: {error}"),
    )
}
