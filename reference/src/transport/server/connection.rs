//! One task a connection: TLS, the version of HTTP, and when it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Running, Sending};
use super::exchange::Exchange;
use super::guests::Guest;
use super::preface;
use super::rate::Peer;
use super::routes;
use super::stall::Stalling;
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
/// How often within [`ServerLimits::send_timeout`](crate::transport::ServerLimits) answers are looked at that nobody takes.
const UNREAD_LOOKS: u32 = 4;
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
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => {
                failing = false;
                accepted
            }
            Err(error) => {
                // Once: it goes on for as long as descriptors are short, at 20 times a second.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "no connection");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let from = From(address.ip());
        let guest = exchange.guests.admit(Peer::of_address(from.0));
        let (Some(guest), Ok(place)) = (guest, Arc::clone(&room).try_acquire_owned()) else {
            exchange.metrics.refuse("connections");
            continue;
        };
        let connection = Connection {
            from,
            guest,
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

struct Connection {
    from: From,
    guest: Guest,
    exchange: Arc<Exchange>,
    stopped: watch::Receiver<bool>,
    activity: Arc<Activity>,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(mut self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        // Small answers go out at once; without it they wait for the peer's next acknowledgement.
        let _ = stream.set_nodelay(true);
        let exchange = Arc::clone(&self.exchange);
        let _counted = exchange.metrics.connection();
        let limits = &exchange.limits;
        let stream = Stalling::new(stream, limits.send_timeout);
        match acceptor {
            Some(acceptor) => {
                let accepted = timeout(limits.tls_timeout, acceptor.accept(stream));
                match self.unless_stopped(accepted).await {
                    Some(Ok(Ok(stream))) => {
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        self.speak(http2, stream).await;
                    }
                    Some(Ok(Err(error))) => {
                        exchange.metrics.refuse("tls");
                        tracing::debug!(%error, "no TLS");
                    }
                    Some(Err(_)) => exchange.metrics.refuse("tls_timeout"),
                    None => {}
                }
            }
            None => match self.unless_stopped(timeout(limits.header_timeout, preface::read(stream))).await {
                Some(Ok(Ok((http2, stream)))) => self.speak(http2, stream).await,
                Some(Ok(Err(_))) | None => {}
                Some(Err(_)) => exchange.metrics.refuse("header_timeout"),
            },
        }
    }

    /// `None` when the server stops before: who has not asked anything yet is owed nothing.
    async fn unless_stopped<T>(&mut self, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = what => Some(done),
            _ = self.stopped.wait_for(|&stopped| stopped) => None,
        }
    }

    async fn speak(self, http2: bool, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { from, guest, exchange, stopped, activity, place } = self;
        let limits = exchange.limits.clone();
        let io = TokioIo::new(io);
        if http2 {
            let exchange_of_connection = Arc::clone(&exchange);
            let service = service_fn({
                let activity = Arc::clone(&activity);
                move |request: Request<Incoming>| {
                    let running = Running::of(&activity);
                    let sending = Sending::of(&activity);
                    let exchange = Arc::clone(&exchange);
                    async move {
                        let answer = routes::answer(Arc::clone(&exchange), from, request).await;
                        // The answer's body counts as well: a chat completion streams for as long as the model writes.
                        let answer = answer.map(|body| body.with(running).sent(sending, &exchange.limits));
                        Ok::<_, std::convert::Infallible>(answer)
                    }
                }
            });
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
            // What waits for the peer's permission to send is not written to any socket, so nothing there stalls.
            let unread = activity.unread(limits.send_timeout / UNREAD_LOOKS);
            tokio::select! {
                () = until(connection, end, quiet, stopped) => {}
                () = unread => exchange_of_connection.metrics.refuse("slow_reader"),
            }
        } else {
            // One request at a time: hyper's own time limit sees when none comes, and the socket's when nobody takes an answer.
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = routes::answer(Arc::clone(&exchange), from, request);
                async { Ok::<_, std::convert::Infallible>(answer.await) }
            });
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
        drop((place, guest));
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
