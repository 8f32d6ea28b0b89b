//! Numbers of a server, in the form of Prometheus.

use std::convert::Infallible;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::exchange::Exchange;
use super::reply::{self, Reply};
use super::routes::Route;
use crate::transport::refusal::Refusal;

/// Content type of the exposition format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A scrape is one short request.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Scrapes at a time: one comes every few seconds.
const MAX_SCRAPES: usize = 16;
/// How long to wait when the system gives no connection, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// From 100 µs to 100 s.
const BUCKETS: (f64, f64, u16) = (1e-4, 4.0, 11);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnRoute {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    code: &'static str,
}

fn histogram() -> Histogram {
    let (start, factor, count) = BUCKETS;
    Histogram::new(exponential_buckets(start, factor, count))
}

/// What is counted.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<OnRoute, Histogram>,
    /// Of those above, what nearly every request counts in: looking it up by its labels takes longer than counting.
    answered_well: [OnceLock<(Counter, Histogram)>; Route::COUNT],
    refusals: Family<Why, Counter>,
    bytes: Counter,
    messages: Counter,
    kept: Counter,
    connections: Gauge,
    sessions: Gauge,
    in_flight: Gauge<f64, AtomicU64>,
    held: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("avp"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            answered_well: Default::default(),
            refusals: Family::default(),
            bytes: Counter::default(),
            messages: Counter::default(),
            kept: Counter::default(),
            connections: Gauge::default(),
            sessions: Gauge::default(),
            in_flight: Gauge::default(),
            held: Gauge::default(),
        };
        let all = &mut metrics.registry;
        all.register("requests", "Requests answered", metrics.requests.clone());
        let seconds = metrics.seconds.clone();
        all.register_with_unit("request", "From a request's headers to its answer's", Unit::Seconds, seconds);
        all.register("refusals", "Requests and connections refused", metrics.refusals.clone());
        all.register_with_unit("received", "Of bodies", Unit::Bytes, metrics.bytes.clone());
        all.register("messages", "Messages taken in", metrics.messages.clone());
        all.register("contexts_kept", "Messages that their sessions kept", metrics.kept.clone());
        all.register("connections", "Open now", metrics.connections.clone());
        all.register("sessions", "Alive now", metrics.sessions.clone());
        all.register_with_unit(
            "in_flight",
            "Of messages coming in now",
            Unit::Bytes,
            metrics.in_flight.clone(),
        );
        all.register_with_unit("contexts", "That sessions keep now", Unit::Bytes, metrics.held.clone());
        metrics
    }
}

/// Counts a connection for as long as it lives.
pub(super) struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(super) fn connection(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.inc_by(bytes as u64);
    }

    pub(super) fn message(&self, kept: bool) {
        self.messages.inc();
        if kept {
            self.kept.inc();
        }
    }

    pub(super) fn refuse(&self, code: &'static str) {
        self.refusals.get_or_create(&Why { code }).inc();
    }

    pub(super) fn answered(&self, route: Route, status: u16, took: Duration) {
        if status == 200 {
            let (requests, seconds) = self.answered_well[route as usize].get_or_init(|| {
                let route = route.name();
                let requests = self.requests.get_or_create(&Answered { route, status }).clone();
                (requests, self.seconds.get_or_create(&OnRoute { route }).clone())
            });
            requests.inc();
            seconds.observe(took.as_secs_f64());
            return;
        }
        let route = route.name();
        self.requests.get_or_create(&Answered { route, status }).inc();
        self.seconds.get_or_create(&OnRoute { route }).observe(took.as_secs_f64());
    }

    fn text(&self, exchange: &Exchange) -> Result<String, std::fmt::Error> {
        self.sessions.set(i64::try_from(exchange.sessions.active_count()).unwrap_or(i64::MAX));
        self.in_flight.set(exchange.in_flight.used() as f64);
        self.held.set(exchange.kept.bytes() as f64);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Answers scrapes until the server stops.
pub(super) async fn serve(
    listener: TcpListener,
    exchange: Arc<Exchange>,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MAX_SCRAPES));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|&stopped| stopped) => return,
        };
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let exchange = Arc::clone(&exchange);
        let answer = service_fn(move |request: Request<Incoming>| {
            let reply = scraped(&exchange, &request);
            async { Ok::<_, Infallible>(reply) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SCRAPE_TIMEOUT)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(async move {
            let _place = place;
            timeout(2 * SCRAPE_TIMEOUT, connection).await
        });
    }
}

fn scraped(exchange: &Exchange, request: &Request<Incoming>) -> Reply {
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        let refused = Refusal::new(404, "invalid_argument", "GET /metrics");
        return reply::refusal(refused.status, None, &refused.to_json());
    }
    match exchange.metrics.text(exchange) {
        Ok(text) => reply::whole(200, OPENMETRICS, text),
        Err(_) => {
            let refused = Refusal::new(500, "internal", "the numbers can't be written");
            reply::refusal(refused.status, None, &refused.to_json())
        }
    }
}
