//! One task a connection: TLS, the version of HTTP, and when it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::exchange::Exchange;
use super::preface;
use super::routes;
use crate::error::{Error, ErrorClass, Result};
use crate::transport::tls::ServerTls;

/// How long to wait when the system gives no connection, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of one stream, and of one connection, that a peer may send ahead of what is read: 1 MiB keeps 10 Gbit/s busy
/// at a round trip of 0.8 ms, and 512 connections within half a GiB.
const WINDOW: u32 = 1 << 20;
/// What is read at a time of an HTTP/1.1 body at most.
const READ_BUFFER: usize = 256 << 10;
/// Largest frame of HTTP/2 that a peer may send.
const MAX_FRAME: u32 = 64 << 10;
/// Headers of a request at most.
const MAX_HEADER_COUNT: usize = 64;
/// Resets of streams that a peer may cause before the connection ends: opening and resetting them costs it nothing.
const MAX_RESETS: usize = 64;
/// A peer of HTTP/2 that does not answer a ping in time is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// For what is left to be written once a connection is told to end.
const CLOSING: Duration = Duration::from_secs(2);

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct From(pub(super) IpAddr);

/// Takes connections until `stop`, then waits for those that are open.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    exchange: Arc<Exchange>,
    stopping: watch::Sender<bool>,
    stop: impl Future<Output = ()> + Send,
) -> Result<()> {
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config()));
    let room = Arc::new(Semaphore::new(exchange.limits.max_connections));
    let mut open = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            exchange.metrics.refuse("connections");
            continue;
        };
        let connection = Connection {
            from: From(address.ip()),
            exchange: Arc::clone(&exchange),
            stopped: stopping.subscribe(),
            activity: Arc::default(),
            place,
        };
        open.spawn(connection.run(stream, acceptor.clone()));
    }
    drop(listener);
    stopping.send_replace(true);
    let all = async { while open.join_next().await.is_some() {} };
    let limit = exchange.limits.shutdown_timeout;
    if timeout(limit, all).await.is_ok() {
        return Ok(());
    }
    let cut = open.len();
    open.abort_all();
    Err(Error::new(
        ErrorClass::Transport,
        "server.shutdown",
        format!("requests that end within {} s", limit.as_secs_f64()),
        format!("{cut} connections cut off"),
    ))
}

/// Requests of a connection.
#[derive(Default)]
struct Activity {
    running: AtomicUsize,
    begun: AtomicUsize,
    changed: Notify,
}

/// Counts one request for as long as it lives.
struct Running(Arc<Activity>);

impl Running {
    fn of(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Ordering::Relaxed);
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.changed.notify_one();
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

impl Activity {
    /// Returns once there was no request for too long.
    async fn quiet(&self, first: Duration, next: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.running.load(Ordering::Relaxed) > 0 {
                changed.await;
                continue;
            }
            let limit = if self.begun.load(Ordering::Relaxed) == 0 { first } else { next };
            if timeout(limit, changed).await.is_err() && self.running.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

struct Connection {
    from: From,
    exchange: Arc<Exchange>,
    stopped: watch::Receiver<bool>,
    activity: Arc<Activity>,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        // Small answers go out at once; without it they wait for the peer's next acknowledgement.
        let _ = stream.set_nodelay(true);
        let _counted = self.exchange.metrics.connection();
        let limits = &self.exchange.limits;
        let (tls_timeout, header_timeout) = (limits.tls_timeout, limits.header_timeout);
        match acceptor {
            Some(acceptor) => match timeout(tls_timeout, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    self.speak(http2, stream).await;
                }
                Ok(Err(error)) => {
                    self.exchange.metrics.refuse("tls");
                    tracing::debug!(%error, "no TLS");
                }
                Err(_) => self.exchange.metrics.refuse("tls_timeout"),
            },
            None => match timeout(header_timeout, preface::read(stream)).await {
                Ok(Ok((http2, stream))) => self.speak(http2, stream).await,
                Ok(Err(_)) => {}
                Err(_) => self.exchange.metrics.refuse("header_timeout"),
            },
        }
    }

    async fn speak(self, http2: bool, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { from, exchange, stopped, activity, place } = self;
        let limits = exchange.limits.clone();
        let service = service_fn({
            let activity = Arc::clone(&activity);
            move |request: Request<Incoming>| {
                let running = Running::of(&activity);
                let exchange = Arc::clone(&exchange);
                async move {
                    let answer = routes::answer(exchange, from, request).await;
                    // The answer's body counts as well: a chat completion streams for as long as the model writes.
                    Ok::<_, std::convert::Infallible>(answer.map(|body| body.with(running)))
                }
            }
        });
        let io = TokioIo::new(io);
        if http2 {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(limits.max_streams)
                .max_header_list_size(limits.max_headers)
                .max_frame_size(MAX_FRAME)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .max_pending_accept_reset_streams(MAX_RESETS)
                .max_local_error_reset_streams(MAX_RESETS)
                .keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_TIMEOUT)
                .serve_connection(io, service);
            let end = hyper::server::conn::http2::Connection::graceful_shutdown;
            let quiet = activity.quiet(limits.header_timeout, limits.idle_timeout);
            until(connection, end, quiet, stopped).await;
        } else {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_headers(MAX_HEADER_COUNT)
                .max_header_size(limits.max_headers as usize)
                .max_buf_size(READ_BUFFER)
                .serve_connection(io, service);
            let end = hyper::server::conn::http1::Connection::graceful_shutdown;
            let never = std::future::pending();
            until(connection, end, never, stopped).await;
        }
        drop(place);
    }
}

/// Drives a connection to its end; asks it to end when it was quiet for too long or the server stops.
async fn until<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    mut end: impl FnMut(std::pin::Pin<&mut C>),
    quiet: impl Future<Output = ()>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connection = std::pin::pin!(connection);
    let why = tokio::select! {
        ended = &mut connection => return said(ended),
        () = quiet => "quiet",
        _ = stopped.wait_for(|&stopped| stopped) => "stopped",
    };
    tracing::trace!(why, "connection asked to end");
    end(connection.as_mut());
    // A quiet connection has nothing left to say; a stopped one has its requests, whose time the server counts.
    if why == "quiet" {
        let _ = timeout(CLOSING, connection).await;
    } else {
        said(connection.await);
    }
}

/// Peers break off at all times: nothing to worry anybody with.
fn said(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broken off");
    }
}
