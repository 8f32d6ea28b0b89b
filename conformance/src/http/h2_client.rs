//! HTTP/2: prior knowledge in the clear, ALPN over TLS.

use bytes::Bytes;
use http::{Method, Request, Uri};

use super::Endpoint;
use super::reply::{MAX_BODY, MAX_HEAD, NoReply, Reply};
use super::request::HttpRequest;
use super::stream::Connection;

/// Bytes that are handed over at a time.
const PIECE: usize = 16 << 10;

/// What opens streams.
pub(super) type Client = h2::client::SendRequest<Bytes>;

/// A connection that many requests share, each on a stream of its own. It ends when it is dropped.
pub(super) struct Shared {
    client: Client,
    driver: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Shared {
    pub(super) async fn open(connection: Connection) -> Result<Self, NoReply> {
        let handshake = h2::client::Builder::new()
            .max_header_list_size(MAX_HEAD as u32)
            .handshake(connection.stream)
            .await;
        let (client, driver) = handshake.map_err(|error| no_reply(&error))?;
        // The connection's own work.
        Ok(Self { client, driver: tokio::spawn(driver) })
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends a request on a fresh connection and reads the answer.
pub(super) async fn exchange(
    connection: Connection,
    endpoint: &Endpoint,
    request: &HttpRequest,
) -> Result<Reply, NoReply> {
    let shared = Shared::open(connection).await?;
    on_stream(shared.client(), endpoint, request).await
}

/// Sends a request on a stream of its own and reads the answer.
pub(super) async fn on_stream(
    client: Client,
    endpoint: &Endpoint,
    request: &HttpRequest,
) -> Result<Reply, NoReply> {
    let mut client = client.ready().await.map_err(|error| no_reply(&error))?;
    let unwritable = |_| NoReply::Malformed("the case's request can't be written as HTTP/2");
    let uri: Uri = format!("{}{}", endpoint.url(), request.path)
        .parse()
        .map_err(|_| NoReply::Malformed("the case's path is no part of an address"))?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| NoReply::Malformed("the case's method is none"))?;
    let mut head = Request::builder().method(method).uri(uri);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    if let Some(length) = request.length() {
        head = head.header("content-length", length);
    }
    let head = head.body(()).map_err(unwritable)?;
    let (body, whole) = request.sent();
    let bodiless = request.body.is_none();
    let (answer, mut stream) = client.send_request(head, bodiless).map_err(|error| no_reply(&error))?;
    let mut all_sent = bodiless;
    let body = Bytes::copy_from_slice(body);
    let send = async {
        if !bodiless {
            let mut pieces = body.chunks(PIECE).peekable();
            if pieces.peek().is_none() {
                let _ = stream.send_data(Bytes::new(), whole);
            }
            while let Some(piece) = pieces.next() {
                stream.reserve_capacity(piece.len());
                // Bytes are handed over as the server makes room for them.
                while stream.capacity() < piece.len() {
                    match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
                        Some(Ok(_)) => {}
                        _ => return std::future::pending::<()>().await,
                    }
                }
                let last = whole && pieces.peek().is_none();
                if stream.send_data(Bytes::copy_from_slice(piece), last).is_err() {
                    return std::future::pending::<()>().await;
                }
            }
        }
        if !whole {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(send, answer);
    let answer = std::future::poll_fn(|context| {
        if !all_sent && send.as_mut().poll(context).is_ready() {
            all_sent = true;
        }
        answer.as_mut().poll(context)
    })
    .await
    .map_err(|error| no_reply(&error))?;
    let early = !all_sent;
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let mut reply = Reply { status, headers: headers.collect(), body: Vec::new(), early };
    let mut incoming = answer.into_body();
    while let Some(piece) = incoming.data().await {
        let piece = piece.map_err(|error| no_reply(&error))?;
        let _ = incoming.flow_control().release_capacity(piece.len());
        if reply.body.len() + piece.len() > MAX_BODY {
            return Err(NoReply::Malformed("a body of more than 1 MiB"));
        }
        reply.body.extend(&piece);
    }
    Ok(reply)
}

fn no_reply(error: &h2::Error) -> NoReply {
    if error.is_io() || error.is_go_away() || error.is_reset() {
        NoReply::Closed
    } else {
        NoReply::Malformed("bytes that are no HTTP/2")
    }
}
