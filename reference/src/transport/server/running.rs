//! A server on a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::{Server, ServerOptions};
use crate::error::{Error, ErrorClass, Result};
use crate::transport::agent::Agent;

/// A server that answers until it is stopped or dropped, for callers without a runtime of their own.
pub struct Running {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Running {
    /// Listens and begins to answer.
    ///
    /// # Errors
    /// As [`Server::bind`]; `transport` when the system gives no thread.
    pub fn start(address: SocketAddr, options: ServerOptions, agent: Arc<dyn Agent>) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorClass::Transport, "server", "a thread and a runtime", error.to_string())
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("avp-http")
            .build()
            .map_err(failed)?;
        let server = runtime.block_on(Server::bind(address, options, agent))?;
        let (address, metrics) = (server.address(), server.metrics_address());
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let ended = runtime.block_on(server.serve(async {
                // Dropping the other end stops as well.
                let _ = stopped.await;
            }));
            // Dropped, it would wait for an agent that is in the midst of an answer, however long that takes.
            runtime.shutdown_background();
            ended
        };
        let thread =
            std::thread::Builder::new().name("avp-server".to_owned()).spawn(serve).map_err(failed)?;
        Ok(Self { address, metrics, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it shows its numbers, if it does.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Takes no more connections, and waits for running requests.
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.take();
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| {
            Err(Error::new(ErrorClass::Transport, "server", "a server that ends", "a panic"))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What could be told here was told to whoever asked.
        let _ = self.end();
    }
}
