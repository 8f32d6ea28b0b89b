//! `POST /v1/chat/completions` and `GET /v1/models`.

use std::ops::ControlFlow;
use std::sync::Arc;

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
use super::rate::Peer;
use super::reply::{self, Reply};
use super::request_body::RequestBody;
use super::{handshake, intake, text};
use crate::session::{NewSession, Session, SessionMode};
use crate::transport::agent::Question;
use crate::transport::binding::SESSION_HEADER;
use crate::transport::budget::Permit;

/// Pieces of text that may wait to be sent. When they are too many, the model waits.
const PIECES: usize = 64;

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
    let place = Place::wait(exchange).await?;
    let session = match &request.avp.session_id {
        Some(id) => exchange.session(id.as_str(), peer)?,
        None if request.avp.keep => Some(open(exchange, peer)?),
        None => None,
    };
    let completion = Completion::new(request.model.clone())?;
    let events = request.stream.then(|| EventStream::new(completion.clone(), request.include_usage));
    let context = session.as_ref().and_then(|session| exchange.kept.of(&session.id));
    let question = request.into_question(session.clone(), context);
    let named = session.as_deref().and_then(name_of);

    if let Some(events) = events {
        let (sender, mut reply) = reply::pieces(EVENT_STREAM_CONTENT_TYPE);
        reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let streaming =
            Streaming { exchange: Arc::clone(exchange), session, events, sender, _in_flight: in_flight };
        reply.headers_mut().extend(named);
        tokio::spawn(streaming.run(place, question));
        return Ok(reply);
    }
    let mut answer = answering::ask(exchange, place, question, |_| ControlFlow::Continue(())).await?;
    let avp = kept(exchange, session.as_deref(), &mut answer)?;
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

fn kept(
    exchange: &Exchange,
    session: Option<&Session>,
    answer: &mut crate::transport::Answer,
) -> Result<AvpReply, ChatError> {
    let kept = text::keep(exchange, session, answer)?;
    Ok(AvpReply { session_id: session.map(|session| session.id.clone()), kept })
}

/// An answer on its way out, piece by piece.
struct Streaming {
    exchange: Arc<Exchange>,
    session: Option<Arc<Session>>,
    events: EventStream,
    sender: Sender<Bytes>,
    _in_flight: Permit,
}

impl Streaming {
    /// Ends when the answer does, or when the peer has gone: then the pieces have nowhere to go, and the question is given up.
    async fn run(mut self, place: Place, question: Question) {
        let (into, mut pieces) = mpsc::channel::<String>(PIECES);
        let exchange = Arc::clone(&self.exchange);
        let asked = answering::ask(&exchange, place, question, move |piece| {
            // The model's thread waits here for a peer that reads slowly; not for longer than the answer may take, since
            // the channel closes then.
            match into.blocking_send(piece.to_owned()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        if !self.send(self.events.begin()).await {
            return;
        }
        let mut asked = std::pin::pin!(asked);
        let mut answered = None;
        let answer = loop {
            tokio::select! {
                piece = pieces.recv() => match piece {
                    Some(piece) => {
                        let event = self.events.piece(&piece);
                        if !self.send(event).await {
                            return;
                        }
                    }
                    // The model's side is gone: it has answered, or failed.
                    None => break match answered.take() {
                        Some(answer) => answer,
                        None => asked.await,
                    },
                },
                answer = &mut asked, if answered.is_none() => match answer {
                    // What was said before is still to be sent.
                    Ok(answer) => answered = Some(Ok(answer)),
                    Err(error) => break Err(error),
                },
            }
        };
        let last = match answer.map_err(ChatError::from).and_then(|mut answer| {
            let avp = kept(&self.exchange, self.session.as_deref(), &mut answer)?;
            Ok(self.events.end(&answer, &avp))
        }) {
            Ok(events) => events,
            Err(error) => {
                self.exchange.metrics.refuse(error.code.unwrap_or("stream"));
                self.events.error(&error)
            }
        };
        self.send(last).await;
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
