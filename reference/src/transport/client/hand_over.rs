//! Negotiate once, then hand over a context, or text where a context is of no use.

use std::sync::Arc;

use super::reply::Reply;
use super::upload::Upload;
use super::{Client, Handshake};
use crate::error::{Error, ErrorClass, Result};
use crate::session::{SessionMode, TextMessage};

/// How often a session is negotiated for one hand-over: the one at hand may have expired, a fresh one has not.
const MAX_ROUNDS: usize = 2;

/// What was handed over, and what came back.
#[derive(Clone, Debug, PartialEq)]
pub struct HandedOver {
    /// As what.
    pub delivered: Delivered,
    /// The session in which it was.
    pub handshake: Arc<Handshake>,
    /// The server's answer to it.
    pub reply: Reply,
}

/// As what something was handed over.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivered {
    /// The context.
    Context,
    /// The text in its place.
    Text {
        /// For what reason.
        why: WhyText,
    },
}

/// Why text was handed over in place of a context.
#[derive(Clone, Debug, PartialEq)]
pub enum WhyText {
    /// The models have nothing in common: the mode is JSON, by the client's reading or by the server's.
    Mode,
    /// The server refused the context: too large (413), of no type that it takes (415), of a model that does not fit (422),
    /// or not its business (501).
    Refused(Error),
    /// The server took the context but does not keep it: the reason in its words.
    NotKept(String),
    /// The server keeps the context, but says that its model can't go on from it.
    NotUsable,
}

/// The session that a client has with its server.
#[derive(Debug)]
pub(super) struct Negotiated {
    pub(super) handshake: Arc<Handshake>,
    /// The server keeps a context of ours under it that its model can use.
    pub(super) holds_context: bool,
}

impl Client {
    /// The session at hand, negotiated if there is none. Callers at the same time share one.
    ///
    /// # Errors
    /// As [`Client::handshake`].
    pub async fn session(&self) -> Result<Arc<Handshake>> {
        Ok(self.negotiated().await?.0)
    }

    /// Forgets the session at hand: the next call that needs one negotiates.
    pub async fn forget_session(&self) {
        *self.inner.session.lock().await = None;
    }

    /// Hands over a context, or the text that stands for it.
    ///
    /// The session is negotiated once and kept for the next hand-over; it is negotiated anew when the server no longer knows
    /// it. In LATENT mode `context` is asked for and transmitted under the session's id, whatever id its metadata has. Where
    /// the mode is JSON, on either side, or the server can't use the context or doesn't keep it, `text` is asked for and sent. Each may be
    /// asked twice, when the session changes in between.
    ///
    /// # Errors
    /// As [`Client::handshake`], [`Client::transmit`] and [`Client::text`], and what `context` and `text` fail with. After
    /// an error of class `transport` without a status, the server may or may not have the context.
    pub async fn hand_over<C, T>(&self, mut context: C, mut text: T) -> Result<HandedOver>
    where
        C: FnMut(&Handshake) -> Result<Upload>,
        T: FnMut(&Handshake) -> Result<String>,
    {
        let mut round = 1;
        loop {
            let (handshake, fresh) = self.negotiated().await?;
            let may_renew = !fresh && round < MAX_ROUNDS;
            round += 1;
            let why = match handshake.shared_mode() {
                SessionMode::Json => WhyText::Mode,
                SessionMode::Latent => {
                    let upload = context(&handshake)?.in_session(handshake.session_id())?;
                    match self.transmit(upload).await {
                        Ok(reply) if reply.kept() == Some(false) && may_renew => {
                            self.forget(&handshake).await;
                            continue;
                        }
                        Ok(reply) if reply.kept() == Some(false) => {
                            WhyText::NotKept(reply.reason().unwrap_or("no reason given").to_owned())
                        }
                        // Its answers would stand behind nothing, and look as if they stood behind the context.
                        Ok(reply) if reply.usable() == Some(false) => {
                            self.holds_context(&handshake, false).await;
                            WhyText::NotUsable
                        }
                        Ok(reply) => {
                            self.holds_context(&handshake, true).await;
                            return Ok(HandedOver { delivered: Delivered::Context, handshake, reply });
                        }
                        Err(error) if error.status == Some(409) && may_renew => {
                            self.forget(&handshake).await;
                            continue;
                        }
                        Err(error) if matches!(error.status, Some(413 | 415 | 422 | 501)) => {
                            WhyText::Refused(error)
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            let content = text(&handshake)?;
            match self.text(&self.message(&handshake, content)).await {
                Ok(reply) => return Ok(HandedOver { delivered: Delivered::Text { why }, handshake, reply }),
                Err(error) if error.status == Some(409) && may_renew => self.forget(&handshake).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks something in the session at hand: behind the context that was handed over in it, where there is one.
    ///
    /// # Errors
    /// As [`Client::text`]. When the server no longer has the session, or not the context, the session is forgotten and the
    /// error says so: a status of 409, or class `session_expired`. An answer without the context would look like one.
    pub async fn ask(&self, text: impl Into<String>) -> Result<Reply> {
        let (handshake, _) = self.negotiated().await?;
        let answered = self.text(&self.message(&handshake, text.into())).await;
        match answered {
            Ok(reply) if reply.lacks_context() && self.held(&handshake).await => {
                self.forget(&handshake).await;
                let (expected, found) = ("an answer behind the context that was handed over", "one without");
                Err(Error::new(ErrorClass::SessionExpired, "text", expected, found))
            }
            Err(error) if error.status == Some(409) => {
                self.forget(&handshake).await;
                Err(error)
            }
            answered => answered,
        }
    }

    fn message(&self, handshake: &Handshake, content: String) -> TextMessage {
        TextMessage {
            session_id: handshake.session_id().as_str().to_owned(),
            source_agent_id: self.inner.options.agent_id.clone(),
            target_agent_id: handshake.agent_id.clone(),
            content,
            ..TextMessage::default()
        }
    }

    /// The session, and whether it was negotiated just now. The lock is held meanwhile, so that one handshake is enough for
    /// all who wait.
    async fn negotiated(&self) -> Result<(Arc<Handshake>, bool)> {
        let mut session = self.inner.session.lock().await;
        if let Some(negotiated) = &*session {
            return Ok((Arc::clone(&negotiated.handshake), false));
        }
        let handshake = Arc::new(self.handshake().await?);
        *session = Some(Negotiated { handshake: Arc::clone(&handshake), holds_context: false });
        Ok((handshake, true))
    }

    /// Forgets that session, unless another one took its place.
    async fn forget(&self, handshake: &Arc<Handshake>) {
        let mut session = self.inner.session.lock().await;
        if session.as_ref().is_some_and(|negotiated| Arc::ptr_eq(&negotiated.handshake, handshake)) {
            *session = None;
        }
    }

    async fn holds_context(&self, handshake: &Arc<Handshake>, holds: bool) {
        let mut session = self.inner.session.lock().await;
        if let Some(negotiated) = session.as_mut().filter(|held| Arc::ptr_eq(&held.handshake, handshake)) {
            negotiated.holds_context = holds;
        }
    }

    async fn held(&self, handshake: &Arc<Handshake>) -> bool {
        let session = self.inner.session.lock().await;
        session.as_ref().is_some_and(|held| held.holds_context && Arc::ptr_eq(&held.handshake, handshake))
    }
}
