//! From a request to its answer.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::chat::{ChatError, SHOULD_RETRY_HEADER};
use super::connection::From;
use super::exchange::Exchange;
use super::reply::{self, Reply};
use super::request_body::{RequestBody, Rest};
use super::{chat_route, guard, handshake, text, transmit};
use crate::transport::binding::{
    CHAT_PATH, HANDSHAKE_PATH, HEALTH_PATH, MODELS_PATH, TEXT_PATH, TRANSMIT_PATH,
};
use crate::transport::refusal::Refusal;

/// A path that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Route {
    Health,
    Handshake,
    Transmit,
    Text,
    Chat,
    Models,
    /// Everything else. A peer's path is never logged: it may say anything.
    Unknown,
}

impl Route {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Unknown as usize + 1;

    fn of(path: &str) -> Self {
        match path {
            HEALTH_PATH => Self::Health,
            HANDSHAKE_PATH => Self::Handshake,
            TRANSMIT_PATH => Self::Transmit,
            TEXT_PATH => Self::Text,
            CHAT_PATH => Self::Chat,
            MODELS_PATH => Self::Models,
            _ => Self::Unknown,
        }
    }

    /// The name in logs and numbers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Handshake => "handshake",
            Self::Transmit => "transmit",
            Self::Text => "text",
            Self::Chat => "chat",
            Self::Models => "models",
            Self::Unknown => "unknown",
        }
    }

    fn method(self) -> Option<Method> {
        match self {
            Self::Health | Self::Models => Some(Method::GET),
            Self::Handshake | Self::Transmit | Self::Text | Self::Chat => Some(Method::POST),
            Self::Unknown => None,
        }
    }

    /// Whether errors take the form that OpenAI's clients read.
    fn is_openai(self) -> bool {
        matches!(self, Self::Chat | Self::Models)
    }
}

/// A refusal, in the form of its path.
enum Refused {
    Avp(Refusal),
    Chat(ChatError),
}

impl std::convert::From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Avp(refusal)
    }
}

impl std::convert::From<ChatError> for Refused {
    fn from(error: ChatError) -> Self {
        Self::Chat(error)
    }
}

impl Refused {
    fn into_reply(self, route: Route) -> (Reply, &'static str) {
        let error = match self {
            Self::Avp(refusal) if !route.is_openai() => {
                let reply = reply::refusal(refusal.status, refusal.retry_after, &refusal.to_json());
                return (reply, refusal.code);
            }
            Self::Avp(refusal) => refusal.into(),
            Self::Chat(error) => error,
        };
        let mut reply = reply::refusal(error.status, error.retry_after, &error.to_json());
        if error.is_final() {
            reply.headers_mut().insert(SHOULD_RETRY_HEADER, HeaderValue::from_static("false"));
        }
        (reply, error.code.unwrap_or("chat"))
    }
}

/// Answers a request, and says so in the log.
pub(super) async fn answer(exchange: Arc<Exchange>, from: From, request: Request<Incoming>) -> Reply {
    let begun = Instant::now();
    let id = exchange.request_id();
    let (head, body) = request.into_parts();
    let mut body = RequestBody::of(body);
    let route = Route::of(head.uri.path());
    let method = &head.method;
    let (reply, code) = match routed(&exchange, from, route, &id, &head, &mut body).await {
        Ok(reply) => (reply, ""),
        Err(refused) => {
            let (mut reply, code) = refused.into_reply(route);
            if let (StatusCode::METHOD_NOT_ALLOWED, Some(method)) = (reply.status(), route.method()) {
                let allowed = if method == Method::GET { "GET, HEAD" } else { "POST" };
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            }
            exchange.metrics.refuse(code);
            (reply, code)
        }
    };
    let (status, took) = (reply.status().as_u16(), begun.elapsed());
    exchange.metrics.answered(route, status, took);
    tracing::info!(
        request = id,
        method = if matches!(*method, Method::GET | Method::POST) { method.as_str() } else { "other" },
        route = route.name(),
        status,
        code,
        ms = took.as_secs_f64() * 1e3,
        "answered"
    );
    let reply = if method == Method::HEAD { reply::headers_alone(reply) } else { reply };
    match Rest::of(body, &head, reply.status(), &exchange) {
        Some(rest) => reply.map(|body| body.with(rest)),
        None => reply,
    }
}

async fn routed(
    exchange: &Arc<Exchange>,
    from: From,
    route: Route,
    id: &str,
    head: &Parts,
    body: &mut RequestBody,
) -> Result<Reply, Refused> {
    let allowed = route.method().ok_or_else(|| Refusal::new(404, "invalid_argument", "no such path"))?;
    if head.method != allowed && !(allowed == Method::GET && head.method == Method::HEAD) {
        return Err(Refusal::new(405, "invalid_argument", format!("this path takes {allowed}")).into());
    }
    // A load balancer asks without a token, and however busy the server is.
    if route == Route::Health {
        return Ok(reply::json(200, &json!({"status": "ok"})));
    }
    let place = Arc::clone(&exchange.room).try_acquire_owned().map_err(|_| {
        Refusal::new(503, "busy", "the server works on as many requests as it may").retry_after(1)
    })?;
    let peer = guard::admit(exchange, from, &head.headers)?;
    body.admit();
    let guest = exchange.asking.admit(peer.clone()).ok_or_else(|| {
        Refusal::new(429, "rate_limited", "too many requests of this peer at a time").retry_after(1)
    })?;
    if exchange.strict {
        guard::strict_headers(&head.method, head.uri.path(), &head.headers)?;
    }
    let reply = match route {
        Route::Handshake => handshake::answer(exchange, &peer, &head.headers, body).await?,
        Route::Transmit => transmit::answer(exchange, &peer, id, &head.headers, body).await?,
        Route::Text => text::answer(exchange, &peer, &head.headers, body).await?,
        Route::Chat => chat_route::answer(exchange, &peer, &head.headers, body).await?,
        Route::Models => chat_route::list(exchange),
        Route::Health | Route::Unknown => {
            return Err(Refusal::new(404, "invalid_argument", "no such path").into());
        }
    };
    // What is answered in whole is done: a peer that does not take its answer takes up no place of others.
    Ok(reply.map(|body| if body.is_in_pieces() { body.with((place, guest)) } else { body }))
}
