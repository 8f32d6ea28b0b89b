//! Answers, whole or as they come.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::activity::Sending;
use crate::transport::binding::JSON_CONTENT_TYPE;
use crate::transport::limits::ServerLimits;

/// Pieces of a streamed answer that may wait for the peer to read them. A slow reader holds up its own answer.
const PIECES: usize = 16;

/// The answer to a request.
pub(super) type Reply = Response<ReplyBody>;

/// Its body, with what has to live as long.
pub(super) struct ReplyBody {
    bytes: Source,
    sending: Option<(Sending, Duration)>,
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

    /// Whether it is still being made, piece by piece.
    pub(super) fn is_in_pieces(&self) -> bool {
        matches!(self.bytes, Source::Pieces(_))
    }

    /// The same body, whose peer is to take each piece of it in time; of a whole one all, at the least rate.
    pub(super) fn sent(mut self, sending: Sending, limits: &ServerLimits) -> Self {
        let len = self.bytes.size_hint().exact().unwrap_or_default();
        let limit = limits.send_timeout + Duration::from_secs(len / limits.min_body_rate.max(1));
        sending.wait_for_peer(limit);
        self.sending = Some((sending, limit));
        self
    }
}

impl Source {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Pieces(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Pieces(body) => body.size_hint(),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let frame = this.bytes.poll(cx);
        if let (Some((sending, limit)), Source::Pieces(_)) = (&this.sending, &this.bytes) {
            match frame {
                Poll::Ready(Some(_)) => sending.wait_for_peer(*limit),
                Poll::Ready(None) | Poll::Pending => sending.nothing_to_take(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.bytes {
            Source::Whole(body) => body.is_end_stream(),
            Source::Pieces(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes.size_hint()
    }
}

/// The same answer to a HEAD: its headers alone. HTTP/1.1 leaves the body out by itself, HTTP/2 does not.
pub(super) fn headers_alone(reply: Reply) -> Reply {
    let (mut head, body) = reply.into_parts();
    if let Some(len) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, len.into());
    }
    Response::from_parts(head, ReplyBody { bytes: Source::Whole(Full::default()), ..body })
}

/// An answer of those bytes.
pub(super) fn whole(status: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let bytes = Source::Whole(Full::new(bytes.into()));
    let mut reply = Response::new(ReplyBody { bytes, sending: None, held: Vec::new() });
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
    let mut reply =
        Response::new(ReplyBody { bytes: Source::Pieces(channel), sending: None, held: Vec::new() });
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
