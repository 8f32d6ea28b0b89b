//! The first thing that two agents say to each other, from the client's side.

use std::time::Duration;

use serde_json::{Map, Value};

use super::reply::{Reply, shown};
use super::{Call, Client, Outgoing};
use crate::error::{Error, ErrorClass, Result};
use crate::session::fields::Fields;
use crate::session::{Hello, ModelIdentity, Resolution, SessionId, SessionMode, resolve};
use crate::transport::binding::HANDSHAKE_PATH;

const FIELD: &str = "handshake";

/// What a handshake came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Handshake {
    /// The server's name.
    pub agent_id: String,
    /// Session, mode, map and both identities, by the client's own reading of the rules (AVP-HTTP-003). The session's id is
    /// the server's where it gave one (AVP-HTTP-002).
    pub resolution: Resolution,
    /// Whether the server named the session. Without, it knows of none.
    pub server_session: bool,
    /// The mode that the server found, where it says so. It may differ: each side knows its own maps.
    pub server_mode: Option<SessionMode>,
    /// How long the session lives, where the server says so.
    pub ttl: Option<Duration>,
    /// The answer is what the client said itself: a server that repeats a hello, or a twin under the same name. The
    /// mode then says nothing about the server's model.
    pub echoed: bool,
    /// All of the answer.
    pub body: Map<String, Value>,
}

impl Handshake {
    /// How to talk.
    pub fn mode(&self) -> SessionMode {
        self.resolution.mode
    }

    /// How to talk so that both sides understand it: JSON as soon as one of them finds that.
    pub fn shared_mode(&self) -> SessionMode {
        match self.server_mode {
            Some(SessionMode::Json) => SessionMode::Json,
            Some(SessionMode::Latent) | None => self.mode(),
        }
    }

    /// The session.
    pub fn session_id(&self) -> &SessionId {
        &self.resolution.session_id
    }
}

impl Client {
    /// Tells the server who the client is, and learns who the server is. Harmless to repeat, so a broken connection is
    /// tried again; a server may then hold a session more, until it expires.
    ///
    /// # Errors
    /// `handshake` without an own identity, before anything is sent (AVP-HTTP-021), for any status but 200, which the error
    /// carries (AVP-HTTP-020), and for a malformed answer; `session` for a session id that is none; `transport` when there
    /// is no answer.
    pub async fn handshake(&self) -> Result<Handshake> {
        let options = &self.inner.options;
        let Some(identity) = &options.identity else {
            let (expected, found) = ("an identity of one's own", "none");
            return Err(Error::new(ErrorClass::Handshake, "hello.identity", expected, found));
        };
        let hello = Hello {
            agent_id: options.agent_id.clone(),
            identity: Some(identity.clone()),
            capabilities: options.capabilities.clone(),
            ..Hello::default()
        };
        let body = Outgoing::Json(hello.to_json().to_string().into());
        let class = ErrorClass::Handshake;
        let call = Call { path: HANDSHAKE_PATH, field: FIELD, class, body, repeatable: true };
        let handshake = self.read_handshake(self.call(call).await?, identity)?;
        if handshake.echoed {
            tracing::warn!("the server answers with the client's own identity (A-036)");
        }
        tracing::debug!(mode = handshake.mode().as_str(), "negotiated");
        Ok(handshake)
    }

    fn read_handshake(&self, reply: Reply, local: &ModelIdentity) -> Result<Handshake> {
        let options = &self.inner.options;
        let body = Value::Object(reply.body);
        let fields = Fields::of(&body, ErrorClass::Handshake, FIELD)?;
        let remote = match fields.get("handshake.identity") {
            None | Some(Value::Null) => ModelIdentity::default(),
            Some(identity) => ModelIdentity::from_json(identity)?,
        };
        let agent_id = fields.string("handshake.agent_id")?.unwrap_or_default().to_owned();
        let vocabularies = options.vocabularies.as_deref().map(|(ours, theirs)| (ours, theirs));
        let mut resolution = match &options.maps {
            Some(maps) => resolve(local, &remote, &**maps, vocabularies)?,
            None => resolve(local, &remote, &(), vocabularies)?,
        };
        let session_id = match fields.get("handshake.session_id") {
            None | Some(Value::Null) => None,
            Some(_) => fields.string("handshake.session_id")?.map(SessionId::from_peer).transpose()?,
        };
        let server_session = session_id.is_some();
        if let Some(session_id) = session_id {
            resolution.session_id = session_id;
        }
        let server_mode = match fields.get("handshake.mode") {
            None | Some(Value::Null) => None,
            Some(Value::String(mode)) => [SessionMode::Latent, SessionMode::Json]
                .into_iter()
                .find(|known| known.as_str() == mode)
                .map(Some)
                .ok_or_else(|| {
                    Error::new(ErrorClass::Handshake, "handshake.mode", "LATENT or JSON", shown(mode))
                })?,
            Some(_) => fields.string("handshake.mode").map(|_| None)?,
        };
        let ttl = fields.get("handshake.ttl_s").and_then(Value::as_f64);
        let ttl = ttl.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let echoed = agent_id == options.agent_id && remote == *local;
        let body = match body {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        Ok(Handshake { agent_id, resolution, server_session, server_mode, ttl, echoed, body })
    }
}
