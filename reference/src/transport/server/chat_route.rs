//! `POST /v1/chat/completions` and `GET /v1/models`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::channel::Sender;
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answering::{self, Place};
use super::chat::{
    AvpReply, ChatError, ChatRequest, Completion, EVENT_STREAM_CONTENT_TYPE, EventStream, model_names, models,
};
use super::exchange::Exchange;
use super::handshake::Fresh;
use super::rate::Peer;
use super::reply::{self, Reply};
use super::request_body::RequestBody;
use super::text::Keeping;
use super::{handshake, intake, text};
use crate::session::{NewSession, Session, SessionMode};
use crate::transport::agent::{Answer, Question};
use crate::transport::binding::SESSION_HEADER;
use crate::transport::budget::{Budget, Permit};
use crate::transport::refusal::Refusal;

/// Bytes of an answer that may wait for a peer that reads slowly: 2^17 tokens, more than the models here have room for, with
/// 64 bytes for each. The model never waits for a peer; an answer that grows longer than this unread is given up.
const MAX_UNREAD: u64 = 8 << 20;
/// What a piece takes beside its text, at most.
const PIECE: u64 = 56;

/// The models that are served: one, by its names.
pub(super) fn list(exchange: &Exchange) -> Reply {
    reply::json(200, &models(exchange.agent.as_ref(), exchange.begun))
}

/// Answers a conversation, behind what its session keeps.
pub(super) async fn answer(
    exchange: &Arc<Exchange>,
    peer: &Peer,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Reply, ChatError> {
    let (bytes, in_flight) = intake::json(exchange, headers, body).await?;
    let header = session_header(headers)?;
    let request = ChatRequest::parse(&bytes, header)?;
    drop(bytes);
    request.check_model(&model_names(exchange.agent.as_ref()))?;
    // Before it waits: a session that has expired is told so at once.
    let named_session = match &request.avp.session_id {
        Some(id) => exchange.session(id.as_str(), peer)?,
        None => None,
    };
    let opens = request.avp.session_id.is_none() && request.avp.keep;
    let place = Place::wait(exchange).await?;
    let opened = if opens { Some(open(exchange, peer)?) } else { None };
    // Closed again unless the answer succeeds.
    let fresh = opened.as_ref().map(|session| Fresh::new(exchange, peer, session));
    let session = named_session.or(opened);
    let completion = Completion::new(request.model.clone())?;
    let events = request.stream.then(|| EventStream::new(completion.clone(), request.include_usage));
    let context = session.as_ref().and_then(|session| exchange.kept.of(&session.id));
    let question = request.into_question(session.clone(), context);
    let named = session.as_deref().and_then(name_of);

    if let Some(events) = events {
        let (sender, mut reply) = reply::pieces(EVENT_STREAM_CONTENT_TYPE);
        reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let streaming = Streaming {
            exchange: Arc::clone(exchange),
            session,
            fresh,
            events,
            sender,
            _in_flight: in_flight,
        };
        reply.headers_mut().extend(named);
        tokio::spawn(streaming.run(place, question));
        return Ok(reply);
    }
    let mut answer = answering::ask(exchange, place, question, |_| ControlFlow::Continue(())).await?;
    let avp = keep(exchange, session.as_deref(), &mut answer).await;
    if let Some(fresh) = fresh {
        fresh.stay();
    }
    let mut reply = reply::json(200, &completion.body(&answer, &avp));
    reply.headers_mut().extend(named);
    Ok(reply)
}

/// The session as a header of the answer: frameworks above OpenAI's clients drop fields that they do not know.
fn name_of(session: &Session) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(session.id.as_str()).ok()?;
    Some((HeaderName::from_static(SESSION_HEADER), value))
}

/// The session that the headers name.
///
/// # Errors
/// 400 when they name several, or one that is no text: answered without a session, it would be answered wrongly.
fn session_header(headers: &HeaderMap) -> Result<Option<&str>, ChatError> {
    let mut all = headers.get_all(SESSION_HEADER).iter();
    match (all.next().map(HeaderValue::to_str), all.next()) {
        (None, _) => Ok(None),
        (Some(Ok(one)), None) => Ok(Some(one)),
        _ => Err(ChatError::invalid("avp.session_id", "the header AVP-Session-ID is to be one visible text")),
    }
}

/// A session for a conversation that is to be kept and names none: of the agent with itself.
fn open(exchange: &Exchange, peer: &Peer) -> Result<Arc<Session>, ChatError> {
    let identity = exchange.agent.identity();
    let new = NewSession {
        agents: vec![exchange.agent.agent_id().to_owned(), peer.holder().to_owned()],
        identities: vec![identity.clone(), identity.clone()],
        mode: SessionMode::Latent,
        avp_map_id: String::new(),
        ttl: None,
        holder: String::new(),
    };
    Ok(handshake::open(exchange, new, peer)?)
}

async fn keep(exchange: &Arc<Exchange>, session: Option<&Session>, answer: &mut Answer) -> AvpReply {
    let Keeping { kept, reason } = text::keep(exchange, session, answer).await;
    AvpReply { session_id: session.map(|session| session.id.clone()), kept, reason }
}

/// An answer on its way out, piece by piece.
struct Streaming {
    exchange: Arc<Exchange>,
    session: Option<Arc<Session>>,
    fresh: Option<Fresh>,
    events: EventStream,
    sender: Sender<Bytes>,
    _in_flight: Permit,
}

/// Text of an answer that waits to be sent.
struct Piece {
    text: String,
    _counted: (Permit, Permit),
}

impl Streaming {
    /// Ends when the answer does, or when the peer has gone: then the pieces have nowhere to go, and the question is given up.
    async fn run(mut self, place: Place, question: Question) {
        let (into, mut pieces) = mpsc::unbounded_channel::<Piece>();
        let exchange = Arc::clone(&self.exchange);
        // What waits to be sent: counted with all that is in flight, and for each answer alone.
        let unread = Budget::new(MAX_UNREAD);
        let too_slow = Arc::new(AtomicBool::new(false));
        let gives_up = Arc::clone(&too_slow);
        let counted = Arc::clone(&exchange);
        let asked = answering::ask(&exchange, place, question, move |piece| {
            // A token that says nothing yet: only a peer that has gone matters.
            if piece.is_empty() {
                return if into.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            let bytes = piece.len() as u64 + PIECE;
            let (Some(own), Some(of_all)) = (unread.take(bytes), counted.in_flight.take(bytes)) else {
                gives_up.store(true, Ordering::Relaxed);
                return ControlFlow::Break(());
            };
            match into.send(Piece { text: piece.to_owned(), _counted: (own, of_all) }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        if !self.send(self.events.begin()).await {
            return;
        }
        let mut asked = std::pin::pin!(asked);
        let mut ended = None;
        // Both, in whatever order: the model is not to wait for the peer.
        let ended = loop {
            tokio::select! {
                answer = &mut asked, if ended.is_none() => {
                    match self.finish(answer, too_slow.load(Ordering::Relaxed)).await {
                        // What was said before is still to be sent.
                        Ok(last) => ended = Some(last),
                        Err(error) => break Err(error),
                    }
                }
                piece = pieces.recv() => match (piece, ended.take()) {
                    (Some(piece), last) => {
                        ended = last;
                        if !self.send(self.events.piece(&piece.text)).await {
                            return;
                        }
                    }
                    (None, Some(last)) => break Ok(last),
                    // The model's side is gone: it has answered, or failed.
                    (None, None) => {
                        let answer = asked.await;
                        break self.finish(answer, too_slow.load(Ordering::Relaxed)).await;
                    }
                },
            }
        };
        let last = ended.unwrap_or_else(|error| {
            self.exchange.metrics.refuse(error.code.unwrap_or("stream"));
            self.events.error(&error)
        });
        self.send(last).await;
    }

    /// The last events of an answer. Its context is kept at once, however slowly the peer reads what comes before.
    async fn finish(&mut self, answer: Result<Answer, Refusal>, too_slow: bool) -> Result<String, ChatError> {
        let mut answer = answer?;
        if too_slow {
            return Err(Refusal::new(503, "slow_reader", "the answer was read too slowly").into());
        }
        let avp = keep(&self.exchange, self.session.as_deref(), &mut answer).await;
        if let Some(fresh) = self.fresh.take() {
            fresh.stay();
        }
        Ok(self.events.end(&answer, &avp))
    }

    /// False when the peer has gone, or reads nothing: what is never read would hold the answer for ever.
    async fn send(&mut self, events: String) -> bool {
        let sent = timeout(self.exchange.limits.send_timeout, self.sender.send_data(events.into())).await;
        if sent.is_err() {
            self.exchange.metrics.refuse("slow_reader");
        }
        matches!(sent, Ok(Ok(())))
    }
}
