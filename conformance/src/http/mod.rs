//! The harness's own ends of the HTTP binding: a client that may be rude, a server that records, and a prober of TLS.
//!
//! A case of the binding is made of requests to the adapter (`serve`, `call`, `logs`) and of steps that the harness takes
//! itself, whose operations begin with `peer_`. Each gives an answer of the same form as an adapter's, so that it is judged,
//! dumped and replayed alike. A peer lives as long as one attempt at a case.

mod args;
mod black_box;
mod endpoint;
mod exchange;
mod h1;
mod h2_client;
mod listener;
mod parallel;
mod reply;
mod request;
mod search;
mod stream;
mod tls_hello;
mod tls_probe;
mod trust;

pub use self::black_box::{AddressError, BlackBoxLauncher};
pub use self::endpoint::Endpoint;
pub use self::trust::{TrustError, check_pem};

use std::time::Duration;

use serde_json::{Map, Value, json};

use self::args::{Args, BadArgs};
use self::listener::Listener;
use crate::adapter::{Answer, Blob, Request};

/// Operations that the harness does itself.
pub const PEER_OPS: [&str; 7] = [
    "peer_listen",
    "peer_parallel",
    "peer_recorded",
    "peer_request",
    "peer_search",
    "peer_tls_probe",
    "peer_wait",
];

/// Operations of an adapter that stand for the HTTP binding. Who declares none of them has no binding to be judged.
pub const BINDING_OPS: [&str; 4] = ["call", "logs", "serve", "unserve"];

/// Whether the harness does that operation itself.
pub fn is_peer_op(op: &str) -> bool {
    PEER_OPS.contains(&op)
}

/// How long an answer may take where a step says nothing.
const DEFAULT_WITHIN: Duration = Duration::from_secs(2);

/// Longest that a step may ask to wait, for an answer or for nothing: no case may hold up a run for longer.
const MAX_WITHIN: Duration = Duration::from_secs(30);

/// The harness's ends of the connections of one attempt at a case.
#[derive(Default)]
pub struct Peer {
    scale: f64,
    server: Option<Endpoint>,
    listener: Option<Listener>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Peer {
    /// A peer whose time limits are multiplied.
    pub fn new(timeout_scale: f64) -> Self {
        Self { scale: timeout_scale, ..Self::default() }
    }

    /// Takes note of an adapter's answer: `serve` says where its server is. Where one was that has ended is kept, so that a
    /// case can see that it has.
    pub fn learn(&mut self, request: &Request, answer: &Answer) {
        match (request.op.as_str(), answer) {
            ("serve", Answer::Ok { ok, .. }) => self.server = Endpoint::of_serve(&request.args, ok).ok(),
            ("serve", _) => self.server = None,
            _ => {}
        }
    }

    /// Takes a step. Whatever the other end does is told with `ok`.
    ///
    /// # Errors
    /// Why the step can't be taken: the steps before it left no server to talk to, or the case asks for nonsense.
    pub fn answer(&mut self, request: &Request, stderr: &str) -> Result<Answer, String> {
        let (ok, parts) = self.take(request, stderr).map_err(|error| error.to_string())?;
        Ok(Answer::Ok { ok, parts })
    }

    fn take(&mut self, request: &Request, stderr: &str) -> Result<(Map<String, Value>, Vec<Blob>), BadArgs> {
        let args = Args::new(&request.args, self.scale);
        let mut parts = Vec::new();
        let value = match request.op.as_str() {
            "peer_listen" => {
                let listener = Listener::start(&args)?;
                let ok = listener.describe();
                self.listener = Some(listener);
                ok
            }
            "peer_recorded" => {
                let listener = self.listener.as_ref().ok_or(BadArgs("nothing listens"))?;
                let (ok, bodies) = listener.recorded();
                parts = bodies;
                ok
            }
            "peer_request" => {
                let server = self.server()?.clone();
                self.block_on(exchange::exchange(&server, &args, request))??
            }
            "peer_parallel" => {
                let server = self.server()?.clone();
                self.block_on(parallel::parallel(&server, &args, request))??
            }
            "peer_tls_probe" => {
                let server = self.server()?.clone();
                self.block_on(tls_probe::probe(&server, &args))??
            }
            "peer_search" => search::search(request, stderr)?,
            "peer_wait" => {
                let time = args.within()?;
                self.block_on(async { tokio::time::sleep(time).await })?;
                json!({})
            }
            _ => return Err(BadArgs("no such step")),
        };
        match value {
            Value::Object(ok) => Ok((ok, parts)),
            _ => Err(BadArgs("a step without an answer")),
        }
    }

    fn server(&self) -> Result<&Endpoint, BadArgs> {
        self.server.as_ref().ok_or(BadArgs("no server was started"))
    }

    fn block_on<T>(&mut self, work: impl Future<Output = T>) -> Result<T, BadArgs> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|_| BadArgs("no runtime for connections"))?,
        };
        let done = runtime.block_on(work);
        self.runtime = Some(runtime);
        Ok(done)
    }
}
