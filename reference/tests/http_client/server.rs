//! A small server of HTTP/1.1 that does what a test says, well-behaved or not, and writes down what it got.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use avp::transport::ServerTls;
use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the server does about a request.
pub(crate) enum Reaction {
    /// Answers with a status, header lines and a body, and goes on listening.
    Answer(u16, &'static str, Vec<u8>),
    /// Writes bytes as they are, and closes.
    Raw(Vec<u8>),
    /// Closes without a word.
    Close,
    /// Never answers.
    Stall,
}

/// An answer of JSON.
pub(crate) fn json(status: u16, body: &Value) -> Reaction {
    Reaction::Answer(status, "content-type: application/json\r\n", body.to_string().into_bytes())
}

type React = dyn Fn(usize, &Request) -> Reaction + Send + Sync;

struct Shared {
    react: Box<React>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
    /// Connections that are kept open without an answer.
    held: Mutex<Vec<TcpStream>>,
    tls: Option<ServerTls>,
    /// So many connections are closed as soon as they come.
    dropped: usize,
}

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// A server that is told the number of each request, from 0, and the request.
    pub(crate) fn start(react: impl Fn(usize, &Request) -> Reaction + Send + Sync + 'static) -> Self {
        Self::with(None, 0, react)
    }

    pub(crate) fn with(
        tls: Option<ServerTls>,
        dropped: usize,
        react: impl Fn(usize, &Request) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            react: Box::new(react),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            held: Mutex::default(),
            tls,
            dropped,
        });
        let inner = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if inner.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                if inner.connections.fetch_add(1, Ordering::SeqCst) >= inner.dropped {
                    let inner = Arc::clone(&inner);
                    thread::spawn(move || inner.serve(stream));
                }
            }
        });
        Self { address, shared }
    }

    /// A server that says the same to everything.
    pub(crate) fn always(status: u16, headers: &'static str, body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |_, _| Reaction::Answer(status, headers, body.clone()))
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Paths of what came so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.held.lock().unwrap().clear();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let socket = stream.try_clone().unwrap();
        match &self.tls {
            None => self.talk(stream, &socket),
            Some(tls) => {
                let mut config = rustls::ServerConfig::clone(&tls.config());
                // All that this server speaks.
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
                self.talk(rustls::StreamOwned::new(connection, stream), &socket);
            }
        }
    }

    fn talk(&self, mut stream: impl Read + Write, socket: &TcpStream) {
        while let Some(request) = read_request(&mut stream) {
            let number = {
                let mut requests = self.requests.lock().unwrap();
                requests.push(request.clone());
                requests.len() - 1
            };
            match (self.react)(number, &request) {
                Reaction::Answer(status, headers, body) => {
                    let head =
                        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
                    // The client may have gone meanwhile.
                    if stream
                        .write_all(&[head.as_bytes(), &body].concat())
                        .and_then(|()| stream.flush())
                        .is_err()
                    {
                        return;
                    }
                }
                Reaction::Raw(bytes) => {
                    let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
                    return;
                }
                Reaction::Close => return,
                Reaction::Stall => {
                    self.held.lock().unwrap().push(socket.try_clone().unwrap());
                    return;
                }
            }
        }
    }
}

/// Reads a request with its body; `None` at the end of the connection.
fn read_request(stream: &mut impl Read) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, path, headers, body: Vec::new() };
    let len = request.header("content-length").map_or(0, |len| len.parse().unwrap());
    request.body = vec![0; len];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}
