//! `POST /avp/v2/transmit`.

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::ACCEPT;
use prost::Message as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::exchange::Exchange;
use super::intake;
use super::rate::Peer;
use super::reply::{self, Reply};
use super::request_body::RequestBody;
use crate::error::{Error, ErrorClass};
use crate::session::Session;
use crate::transport::agent::Agent;
use crate::transport::binding::{JSON_CONTENT_TYPE, PROTOBUF_CONTENT_TYPE};
use crate::transport::received::Received;
use crate::transport::refusal::Refusal;
use crate::wire::{Header, Limits, inflated_bound};

/// Messages up to this size are judged where they came in: handing them to another thread takes longer.
const JUDGED_IN_PLACE: u64 = 64 << 10;

/// The answer as protobuf (AVP-HTTP-024).
#[derive(Clone, PartialEq, prost::Message)]
struct TransmitResponse {
    #[prost(bool, tag = "1")]
    success: bool,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(string, tag = "3")]
    request_id: String,
    #[prost(btree_map = "string, string", tag = "4")]
    extra: std::collections::BTreeMap<String, String>,
}

/// Takes a message in (AVP-HTTP-006, 007). It is acknowledged as kept only once it is.
pub(super) async fn answer(
    exchange: &Arc<Exchange>,
    peer: &Peer,
    id: &str,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Reply, Refusal> {
    let (received, in_flight) = intake::message(exchange, headers, body).await?;
    let session = exchange.session(&received.metadata.session_id, peer)?;
    let session_of_agent = session.clone();
    let small = in_flight.bytes() <= JUDGED_IN_PLACE;
    let judge = move |agent: &dyn Agent| {
        let judged = agent.receive(&received, session_of_agent.as_deref());
        (judged, received, in_flight)
    };
    let (judged, received, in_flight) = if small {
        intake::in_place(|| judge(exchange.agent.as_ref()))?
    } else {
        let judging = Arc::clone(exchange);
        intake::blocking(exchange, move || judge(judging.agent.as_ref())).await?
    };
    let told = judged?;
    let (len, seen) = (received.len, received.diagnostics.len());

    let (holder, reason) = match &session {
        None if received.metadata.session_id.is_empty() => (None, Some("no session was named")),
        None => (None, Some("the session is not known here")),
        Some(_) if !received.is_context() => (None, Some("the message holds no context")),
        Some(session) => (Some(session), None),
    };
    match holder {
        Some(session) => {
            let (held, most) = (received.held(), exchange.limits.max_kept);
            if held > most {
                let (expected, found) =
                    (format!("at most {most} bytes in a session"), format!("{held} bytes"));
                return Err(Error::new(ErrorClass::LimitExceeded, "message", expected, found).into());
            }
            if !exchange.kept.keep(&session.id, received, &exchange.sessions) {
                let message = "no memory is left for contexts; some will expire";
                return Err(Refusal::new(503, "busy", message).retry_after(30));
            }
        }
        None => exchange.spare.give(received.into_buffer()),
    }
    drop(in_flight);
    exchange.metrics.message(reason.is_none());
    tracing::debug!(
        request = id,
        bytes = len,
        diagnostics = seen,
        kept = reason.is_none(),
        "message taken in"
    );

    let answer = Taken {
        success: true,
        request_id: id,
        kept: reason.is_none(),
        reason,
        told: Told { all: &told, reason_given: reason.is_some() },
    };
    let wants = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if wants.split(',').any(|one| one.split(';').next().unwrap_or_default().trim() == PROTOBUF_CONTENT_TYPE) {
        return Ok(reply::whole(200, PROTOBUF_CONTENT_TYPE, answer.to_protobuf()));
    }
    // Of values that are JSON already, nothing can fail.
    Ok(reply::whole(200, JSON_CONTENT_TYPE, serde_json::to_vec(&answer).unwrap_or_default()))
}

/// The answer. What the agent adds has the names that are left.
#[derive(Serialize)]
struct Taken<'a> {
    success: bool,
    request_id: &'a str,
    kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    told: Told<'a>,
}

/// What an agent says of a message, without the names that the server has used.
struct Told<'a> {
    all: &'a Map<String, Value>,
    reason_given: bool,
}

impl Told<'_> {
    fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.all.iter().filter(|(key, _)| match key.as_str() {
            "success" | "request_id" | "kept" => false,
            "reason" => !self.reason_given,
            _ => true,
        })
    }
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries())
    }
}

impl Taken<'_> {
    /// The same names as in JSON; what protobuf has no field for goes to `extra`, as text.
    fn to_protobuf(&self) -> Bytes {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let mut extra: std::collections::BTreeMap<String, String> =
            self.told.entries().map(|(key, value)| (key.clone(), text(value))).collect();
        extra.insert("kept".to_owned(), self.kept.to_string());
        let message = self.reason.unwrap_or_default().to_owned();
        let request_id = self.request_id.to_owned();
        TransmitResponse { success: self.success, message, request_id, extra }.encode_to_vec().into()
    }
}

/// Keeps what an agent made itself, e.g. the context behind an answer. It may be as large as its session is long, so it counts
/// before it is read, and is read on a thread that may be blocked.
///
/// # Errors
/// Why it is not kept. The answer itself is there all the same.
pub(super) async fn keep_own(
    exchange: &Arc<Exchange>,
    session: &Session,
    bytes: Vec<u8>,
) -> Result<(), &'static str> {
    const UNREADABLE: &str = "the agent's context can't be read";
    const NO_ROOM: &str = "no memory is left for contexts; some will expire";
    let limits = Limits { max_message: u64::MAX, max_payload: u64::MAX, ..exchange.limits.message };
    let header = Header::parse(&bytes).map_err(|_| UNREADABLE)?;
    let inflated = inflated_bound(&bytes, limits).map_err(|_| UNREADABLE)?;
    let bytes_held = bytes.capacity() as u64;
    let most = bytes_held.saturating_add(inflated).saturating_add(Received::metadata_bound(&header));
    let room = exchange.kept.room(most, &exchange.sessions).ok_or(NO_ROOM)?;
    let decoded = intake::blocking(exchange, move || (Received::decode(bytes, limits), room)).await;
    let (received, mut room) = decoded.map_err(|_| "the agent's context was not read in time")?;
    let received = received.map_err(|_| UNREADABLE)?;
    if !room.reach(received.held()) {
        return Err(NO_ROOM);
    }
    exchange.kept.put(&session.id, received, room);
    Ok(())
}
