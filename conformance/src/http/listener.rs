//! A server that records what it is asked, and answers as it is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::args::{Args, BadArgs};
use super::tls_hello::downgraded_hello;
use super::trust;
use crate::adapter::Blob;

/// Most bytes of a request's body that are kept.
const MAX_BODY: usize = 16 << 20;

/// Most requests that are kept.
const MAX_REQUESTS: usize = 32;

/// How long a client may think about an older version of TLS before it is taken to have accepted it.
const DOWNGRADE_PATIENCE: Duration = Duration::from_millis(1000);

/// One request as it came.
#[derive(Clone, Debug)]
struct Recorded {
    told: Value,
    body: Bytes,
}

/// How long what has begun may take to be told: a client that was turned away says so to its caller, and to whom it called, in
/// any order.
const SETTLING: Duration = Duration::from_secs(2);

/// What has come so far.
#[derive(Default)]
struct Record {
    connections: usize,
    /// Connections whose beginning is under way: nothing is known of them yet.
    beginning: usize,
    /// TCP connections whose TLS handshake did not end well.
    failed_handshakes: usize,
    downgrade: Option<&'static str>,
    requests: Vec<Recorded>,
}

/// The record, and a sign that a connection has begun.
#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    begun: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The beginning of a connection is over, as `told`.
    fn begun(&self, told: impl FnOnce(&mut Record)) {
        let mut record = self.lock();
        record.beginning -= 1;
        told(&mut record);
        self.begun.notify_all();
    }

    /// The record once nothing is under way, or as it is when that takes too long.
    fn settled(&self) -> MutexGuard<'_, Record> {
        let waited = self.begun.wait_timeout_while(self.lock(), SETTLING, |record| record.beginning > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// How connections begin.
#[derive(Clone)]
enum Security {
    Clear,
    Tls(TlsAcceptor),
    /// A hello of TLS 1.1, whatever is offered.
    Downgrade,
}

/// A server that records what it is asked. It ends when it is dropped.
pub(super) struct Listener {
    address: SocketAddr,
    pem: Option<String>,
    record: Arc<Shared>,
    secure: bool,
    _stop: oneshot::Sender<()>,
}

impl Listener {
    /// Starts one, on a free port of 127.0.0.1.
    pub(super) fn start(args: &Args<'_>) -> Result<Self, BadArgs> {
        let (security, pem) = match args.text("tls") {
            None => (Security::Clear, None),
            Some("self-signed") => {
                let (config, pem) =
                    trust::self_signed().map_err(|_| BadArgs("no certificate can be made"))?;
                (Security::Tls(TlsAcceptor::from(Arc::new(config))), Some(pem))
            }
            Some("downgrade") => (Security::Downgrade, None),
            Some(_) => return Err(BadArgs("`tls` is \"self-signed\" or \"downgrade\"")),
        };
        let secure = !matches!(security, Security::Clear);
        let record = Arc::<Shared>::default();
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let socket = socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket = socket.map_err(|_| BadArgs("no port to listen on"))?;
        let address = socket.local_addr().map_err(|_| BadArgs("no port to listen on"))?;
        let mut answers = args.get("answers").cloned().unwrap_or_default();
        fill_in(&mut answers, &address.to_string());
        let answers = Arc::new(answers.as_object().cloned().unwrap_or_default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| BadArgs("no runtime for a listener"))?;
        let (stop, stopped) = oneshot::channel();
        let kept = Arc::clone(&record);
        std::thread::Builder::new()
            .name("peer-listener".to_owned())
            .spawn(move || {
                runtime.spawn(accept(socket, security, answers, kept));
                // It ends when the listener is dropped: nothing is ever sent.
                let _ = runtime.block_on(stopped);
                // Connections that stall are not waited for.
                runtime.shutdown_background();
            })
            .map_err(|_| BadArgs("no thread for a listener"))?;
        Ok(Self { address, pem, record, secure, _stop: stop })
    }
}

impl Listener {
    /// Where it is.
    pub(super) fn describe(&self) -> Value {
        let scheme = if self.secure { "https" } else { "http" };
        let url = format!("{scheme}://{}", self.address);
        let mut ok = json!({"url": url, "url_with_slash": format!("{url}/"), "port": self.address.port()});
        if let Some(pem) = &self.pem {
            ok["pem"] = json!(pem);
        }
        ok
    }

    /// The step `peer_recorded`: what came so far, and the bodies of the requests as parts.
    pub(super) fn recorded(&self) -> (Value, Vec<Blob>) {
        let record = self.record.settled();
        let requests: Vec<&Value> = record.requests.iter().map(|request| &request.told).collect();
        let mut ok = json!({
            "connections": record.connections,
            "failed_handshakes": record.failed_handshakes,
            "requests": requests,
        });
        if let Some(downgrade) = record.downgrade {
            ok["downgrade"] = json!(downgrade);
        }
        let parts = record.requests.iter().enumerate().map(|(index, request)| Blob {
            name: format!("body{index}"),
            dtype: None,
            shape: None,
            bytes: request.body[..].into(),
        });
        (ok, parts.collect())
    }
}

/// Puts the listener's own address in place of `{authority}`.
fn fill_in(value: &mut Value, authority: &str) {
    match value {
        Value::String(text) => *text = text.replace("{authority}", authority),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, authority)),
        Value::Object(map) => map.values_mut().for_each(|item| fill_in(item, authority)),
        _ => {}
    }
}

/// Takes connections until the runtime ends.
async fn accept(
    socket: std::net::TcpListener,
    security: Security,
    answers: Arc<Map<String, Value>>,
    record: Arc<Shared>,
) {
    let Ok(socket) = TcpListener::from_std(socket) else { return };
    while let Ok((stream, _)) = socket.accept().await {
        let (security, answers, record) = (security.clone(), Arc::clone(&answers), Arc::clone(&record));
        {
            let mut record = record.lock();
            record.connections += 1;
            record.beginning += 1;
        }
        tokio::spawn(async move {
            match security {
                Security::Clear => {
                    record.begun(|_| ());
                    serve(TokioIo::new(stream), None, answers, record).await;
                }
                Security::Tls(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => {
                        let version = stream.get_ref().1.protocol_version();
                        let version = version.map(|version| match version {
                            rustls::ProtocolVersion::TLSv1_3 => "1.3",
                            rustls::ProtocolVersion::TLSv1_2 => "1.2",
                            _ => "another",
                        });
                        record.begun(|_| ());
                        serve(TokioIo::new(stream), version, answers, record).await;
                    }
                    Err(_) => record.begun(|record| record.failed_handshakes += 1),
                },
                Security::Downgrade => {
                    let told = downgrade(stream).await;
                    record.begun(|record| record.downgrade = Some(told));
                }
            }
        });
    }
}

async fn serve<I>(io: I, tls: Option<&'static str>, answers: Arc<Map<String, Value>>, record: Arc<Shared>)
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let (answers, record) = (Arc::clone(&answers), Arc::clone(&record));
        async move { answer(request, tls, &answers, &record).await }
    });
    // A client may end its connection as it likes.
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(io, service)
        .await;
}

/// The connection is ended without an answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped as told")]
struct Dropped;

async fn answer(
    request: http::Request<Incoming>,
    tls: Option<&'static str>,
    answers: &Map<String, Value>,
    record: &Shared,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(Dropped),
    };
    let path = head.uri.path().to_owned();
    let mut headers = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let told = match headers.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.into_owned(),
        };
        headers.insert(name.as_str().to_owned(), json!(told));
    }
    let mut told = json!({
        "method": head.method.as_str(),
        "path": path,
        "version": if head.version == Version::HTTP_2 { "2" } else { "1.1" },
        "headers": headers,
        "body_len": body.len(),
    });
    if let Some(tls) = tls {
        told["tls"] = json!(tls);
    }
    if let Ok(json) = serde_json::from_slice::<Value>(&body) {
        told["json"] = json;
    }
    {
        let mut record = record.lock();
        if record.requests.len() < MAX_REQUESTS {
            record.requests.push(Recorded { told, body });
        }
    }
    let given = answers.get(&path).or_else(|| answers.get("*"));
    match given.and_then(|given| given.get("does")).and_then(Value::as_str) {
        Some("stall") => return std::future::pending().await,
        Some("drop") => return Err(Dropped),
        _ => {}
    }
    Ok(response(given, &path))
}

/// The answer that is given for a path, or the plain one.
fn response(given: Option<&Value>, path: &str) -> Response<Full<Bytes>> {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let status = get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let unknown = given.is_none() && plain(path).is_none();
    let status = status.unwrap_or(if unknown { 404 } else { 200 });
    let refused = status >= 400;
    let mut response = Response::builder().status(status);
    let body = match (get("text").and_then(Value::as_str), get("json")) {
        (Some(text), _) => {
            response = response.header("content-type", "text/plain");
            text.to_owned()
        }
        (None, json) => {
            response = response.header("content-type", "application/json");
            let refusal = || json!({"success": false, "message": "refused as told"});
            let usual = || if refused { refusal() } else { plain(path).unwrap_or_else(|| json!({})) };
            json.cloned().unwrap_or_else(usual).to_string()
        }
    };
    for (name, value) in get("headers").and_then(Value::as_object).into_iter().flatten() {
        response = response.header(name, value.as_str().unwrap_or_default());
    }
    response.body(Full::new(Bytes::from(body))).unwrap_or_default()
}

/// What a server of the binding says when all is well. No model: the handshake ends in JSON mode.
fn plain(path: &str) -> Option<Value> {
    match path {
        "/avp/v2/handshake" => Some(json!({
            "success": true, "agent_id": "peer", "avp_version": "0.4", "identity": {}, "session_id": "5e55000000000001",
        })),
        "/avp/v2/transmit" => Some(json!({"success": true, "request_id": "r-1"})),
        "/avp/v2/text" => Some(json!({"success": true, "content": "heard"})),
        "/health" => Some(json!({"status": "ok"})),
        _ => None,
    }
}

/// Chooses TLS 1.1 and says what the client makes of it.
async fn downgrade(mut stream: TcpStream) -> &'static str {
    let mut hello = vec![0; 16 << 10];
    let Ok(count) = stream.read(&mut hello).await else { return "no TLS" };
    let Some(answer) = downgraded_hello(&hello[..count]) else { return "no TLS" };
    if stream.write_all(&answer).await.is_err() {
        return "refused";
    }
    let mut next = [0; 16];
    match tokio::time::timeout(DOWNGRADE_PATIENCE, stream.read(&mut next)).await {
        // It waits for the certificate.
        Err(_) => "accepted",
        // An alert, or an end.
        Ok(Err(_) | Ok(0)) => "refused",
        Ok(Ok(_)) if next[0] == 21 => "refused",
        Ok(Ok(_)) => "accepted",
    }
}
