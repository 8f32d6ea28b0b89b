//! `POST /avp/v2/handshake`.

use std::sync::Arc;
use std::time::Instant;

use hyper::HeaderMap;
use serde_json::json;

use super::exchange::Exchange;
use super::intake;
use super::rate::Peer;
use super::reply::{self, Reply};
use super::request_body::RequestBody;
use crate::error::{Error, ErrorClass};
use crate::session::{AVP_VERSION, Hello, NewSession, Session};
use crate::transport::limits::ServerLimits;
use crate::transport::refusal::Refusal;

/// Answers a hello with the agent's own identity and a fresh session (AVP-HTTP-001, 002).
pub(super) async fn answer(
    exchange: &Arc<Exchange>,
    peer: &Peer,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Reply, Refusal> {
    let (text, in_flight) = intake::json(exchange, headers, body).await?;
    let hello = Hello::from_text(&text)?;
    check_names(&hello)?;
    let resolving = Arc::clone(exchange);
    // Vocabularies may have to be counted.
    let (hello, resolution) = intake::blocking(exchange, move || {
        let _in_flight = in_flight;
        let resolution = resolving.agent.resolve(&hello);
        (hello, resolution)
    })
    .await?;
    let resolution = resolution?;
    let new = NewSession::from_resolution(exchange.agent.agent_id(), &hello.agent_id, &resolution);
    let session = open(exchange, new, peer)?;
    tracing::debug!(mode = session.mode.as_str(), path = resolution.path.as_str(), "session opened");
    Ok(reply::json(
        200,
        &json!({
            "success": true,
            "agent_id": exchange.agent.agent_id(),
            "avp_version": AVP_VERSION,
            "identity": exchange.agent.identity().to_json(),
            "session_id": session.id.as_str(),
            "mode": session.mode.as_str(),
            "avp_map_id": session.avp_map_id,
            "resolution_path": resolution.path.as_str(),
            "ttl_s": session.ttl.seconds(),
        }),
    ))
}

/// Opens a session for a peer, or says that there is no room for one now.
pub(super) fn open(exchange: &Exchange, mut new: NewSession, peer: &Peer) -> Result<Arc<Session>, Refusal> {
    peer.holder().clone_into(&mut new.holder);
    exchange.opened.open(peer, Instant::now()).map_err(|wait| {
        let most = exchange.limits.max_sessions_of_one;
        Refusal::new(429, "busy", format!("at most {most} sessions of one peer at a time")).retry_after(wait)
    })?;
    exchange.sessions.create(new).map_err(|error| {
        exchange.opened.take_back(peer);
        match error.class {
            ErrorClass::LimitExceeded => {
                Refusal::new(503, "busy", "no more sessions can be opened now").retry_after(60)
            }
            _ => error.into(),
        }
    })
}

/// A session that nobody has been told of in full. Dropped, it is closed: what it was opened for has failed.
pub(super) struct Fresh {
    exchange: Arc<Exchange>,
    peer: Peer,
    session: Option<Arc<Session>>,
}

impl Fresh {
    pub(super) fn new(exchange: &Arc<Exchange>, peer: &Peer, session: &Arc<Session>) -> Self {
        Self { exchange: Arc::clone(exchange), peer: peer.clone(), session: Some(Arc::clone(session)) }
    }

    /// It stays.
    pub(super) fn stay(mut self) {
        self.session = None;
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && self.exchange.sessions.invalidate(session.id.as_str())
        {
            self.exchange.opened.take_back(&self.peer);
        }
    }
}

/// A session keeps the names of a hello for an hour: they are bounded before it does.
fn check_names(hello: &Hello) -> Result<(), Error> {
    let identity = hello.identity.as_ref();
    let names = [
        ("hello.agent_id", Some(&hello.agent_id)),
        ("hello.identity.model_family", identity.map(|identity| &identity.model_family)),
        ("hello.identity.model_id", identity.map(|identity| &identity.model_id)),
        ("hello.identity.model_hash", identity.map(|identity| &identity.model_hash)),
        ("hello.identity.tokenizer_hash", identity.map(|identity| &identity.tokenizer_hash)),
    ];
    for (field, name) in names {
        let len = name.map_or(0, String::len);
        if len > ServerLimits::MAX_NAME {
            let expected = format!("at most {} bytes", ServerLimits::MAX_NAME);
            return Err(Error::new(ErrorClass::Handshake, field, expected, format!("{len} bytes")));
        }
    }
    Ok(())
}
