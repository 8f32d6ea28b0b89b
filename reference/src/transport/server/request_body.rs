//! What a peer sends of a body: what is read of it, and the rest where it is refused.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::EXPECT;
use hyper::http::request::Parts;
use hyper::{StatusCode, Version};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::exchange::Exchange;

/// Rests that are read at a time. They take no memory but what a connection has for bytes on their way; beyond, a rest is cut
/// off, and only clients that lose an answer then are worse off.
pub(super) const MAX_RESTS: usize = 64;
/// What is read of a rest at most, in bytes: a context of 390 MiB may come to a server that takes less.
const MAX_REST: usize = 512 << 20;

/// The body of a request, and whether somebody has begun to read it.
pub(super) struct RequestBody {
    incoming: Incoming,
    begun: bool,
    admitted: bool,
}

impl RequestBody {
    pub(super) fn of(incoming: Incoming) -> Self {
        Self { incoming, begun: false, admitted: false }
    }

    /// Its peer may ask: what it sends after a refusal is worth reading.
    pub(super) fn admit(&mut self) {
        self.admitted = true;
    }

    /// The next piece. A peer that waits to be asked for its body is asked by the first call.
    pub(super) async fn frame(&mut self) -> Option<hyper::Result<Frame<Bytes>>> {
        self.begun = true;
        self.incoming.frame().await
    }
}

/// Reads on once the answer is out, for a while, and throws away what comes.
///
/// A server may reset a stream of HTTP/2 that it has answered, and must close a connection of HTTP/1.1 whose body it does
/// not read; a client must not lose the answer then (RFC 9113, 8.1). Those that do are many, the Python SDK's and curl 7.88
/// among them, which tell their users of a broken stream in place of a message that is too large.
pub(super) struct Rest {
    body: Option<RequestBody>,
    exchange: Arc<Exchange>,
}

impl Rest {
    /// The rest, where there is one that is worth while: not of a peer that may not ask or asked for what there is not, or
    /// that is slow, or while the server is busy; and not of one that waits to be asked for it.
    pub(super) fn of(
        body: RequestBody,
        head: &Parts,
        status: StatusCode,
        exchange: &Arc<Exchange>,
    ) -> Option<Self> {
        let worth = status.is_client_error()
            && body.admitted
            && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        // Over HTTP/2 its stream ends alone.
        let waits = !body.begun && head.version < Version::HTTP_2 && head.headers.contains_key(EXPECT);
        (worth && !waits && !body.incoming.is_end_stream())
            .then(|| Self { body: Some(body), exchange: Arc::clone(exchange) })
    }
}

/// The answer is out, or nobody waits for it any more.
impl Drop for Rest {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let Ok(place) = Arc::clone(&self.exchange.rests).try_acquire_owned() else { return };
        let Some(mut body) = self.body.take() else { return };
        let exchange = Arc::clone(&self.exchange);
        runtime.spawn(async move {
            let mut read = 0;
            let all = async {
                while let Some(Ok(frame)) = body.frame().await {
                    let len = frame.data_ref().map_or(0, Bytes::len);
                    exchange.metrics.received(len);
                    read += len;
                    if read > MAX_REST {
                        break;
                    }
                }
            };
            // As long as a body may pause, for all of it.
            let _ = timeout(exchange.limits.body_idle_timeout, all).await;
            drop(place);
        });
    }
}
