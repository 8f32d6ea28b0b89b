//! Answers, whole or as they come.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::transport::binding::JSON_CONTENT_TYPE;

/// Pieces of a streamed answer that may wait for the peer to read them. A slow reader holds up its own answer.
const PIECES: usize = 16;

/// The answer to a request.
pub(super) type Reply = Response<ReplyBody>;

/// Its body, with what has to live as long.
pub(super) struct ReplyBody {
    bytes: Source,
    held: Vec<Box<dyn Any + Send>>,
}

enum Source {
    Whole(Full<Bytes>),
    Pieces(Channel<Bytes, Infallible>),
}

impl ReplyBody {
    /// The same body, which drops `what` with itself.
    pub(super) fn with(mut self, what: impl Any + Send) -> Self {
        self.held.push(Box::new(what));
        self
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().bytes {
            Source::Whole(body) => Pin::new(body).poll_frame(cx),
            Source::Pieces(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.bytes {
            Source::Whole(body) => body.is_end_stream(),
            Source::Pieces(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Source::Whole(body) => body.size_hint(),
            Source::Pieces(body) => body.size_hint(),
        }
    }
}

/// An answer of those bytes.
pub(super) fn whole(status: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let bytes = Source::Whole(Full::new(bytes.into()));
    let mut reply = Response::new(ReplyBody { bytes, held: Vec::new() });
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// An answer of JSON.
pub(super) fn json(status: u16, body: &Value) -> Reply {
    whole(status, JSON_CONTENT_TYPE, body.to_string())
}

/// An answer that comes in pieces, and where they go in.
pub(super) fn pieces(content_type: &'static str) -> (Sender<Bytes>, Reply) {
    let (sender, channel) = Channel::new(PIECES);
    let mut reply = Response::new(ReplyBody { bytes: Source::Pieces(channel), held: Vec::new() });
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    (sender, reply)
}

/// An error, in the form of its path.
pub(super) fn refusal(status: u16, retry_after: Option<u64>, body: &Value) -> Reply {
    let mut reply = json(status, body);
    if let Some(seconds) = retry_after {
        reply.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if status == 401 {
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}
