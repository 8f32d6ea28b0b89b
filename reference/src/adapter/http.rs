//! A server of the HTTP binding, and requests by its client.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer as Reply, Outcome};
use super::request::{Request, invalid};
use crate::error::{Error, ErrorClass, Result};
use crate::session::{ModelIdentity, Session, TextMessage, Ttl};
use crate::transport::client::{ClientOptions, HttpVersion, Token, blocking};
use crate::transport::{
    Agent, Answer, Question, Received, Running, ServerLimits, ServerOptions, ServerTls, Tokens,
};
use crate::wire::crc32;

/// How much log is kept for whoever asks for it. A server under test writes some hundred bytes a request.
const MAX_LOG: usize = 16 << 20;

thread_local! {
    /// The one server. It belongs to whoever answers frames, and ends with it.
    static SERVER: RefCell<Option<Running>> = const { RefCell::new(None) };
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    #[default]
    H1,
    H2c,
    H2,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Handler {
    #[default]
    Echo,
    Fail,
    NoneForText,
}

#[derive(Default, Deserialize)]
struct LimitArgs {
    max_message: Option<u64>,
    rate: Option<f64>,
}

#[derive(Deserialize)]
struct ServeArgs {
    #[serde(default)]
    transport: Transport,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    identity: Value,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    limits: LimitArgs,
    #[serde(default)]
    handler: Handler,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    session_ttl: Option<f64>,
}

pub(super) fn serve<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: ServeArgs = request.args()?;
    Log::shared().clear();
    // The one before ends first: its port may be wanted again.
    drop(SERVER.take());
    let identity = if args.identity.is_null() {
        ModelIdentity::default()
    } else {
        ModelIdentity::from_json(&args.identity)?
    };
    let agent = Stand {
        agent_id: args.agent_id.unwrap_or_else(|| "avp".to_owned()),
        identity,
        handler: args.handler,
    };
    let mut limits = ServerLimits::default();
    if let Some(bytes) = args.limits.max_message {
        limits = limits.with_max_message(bytes);
    }
    limits.rate = args.limits.rate;
    let (tls, pem) = match args.transport {
        Transport::H1 | Transport::H2c => (None, None),
        Transport::H2 => {
            let (tls, pem) = ServerTls::development(&[])?;
            (Some(tls), Some(pem))
        }
    };
    let options = ServerOptions {
        limits,
        tls,
        tokens: args.token.map_or_else(|| Ok(Tokens::none()), |token| Tokens::one("harness", &token))?,
        strict: args.strict,
        session_ttl: args.session_ttl.map_or(Ok(Ttl::DEFAULT), Ttl::from_seconds)?,
        ..ServerOptions::default()
    };
    let server = Running::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options, Arc::new(agent))?;
    let mut told = json!({"host": "127.0.0.1", "port": server.address().port()});
    if let Some(pem) = pem {
        told["pem"] = json!(pem);
    }
    SERVER.set(Some(server));
    Ok(Reply::new(told))
}

pub(super) fn unserve<'a>(_: &Request<'a>) -> Outcome<'a> {
    if let Some(server) = SERVER.take() {
        server.stop()?;
    }
    Ok(Reply::new(json!({})))
}

pub(super) fn logs<'a>(_: &Request<'a>) -> Outcome<'a> {
    Ok(Reply::new(json!({})).part("log", Log::shared().bytes()))
}

/// What stands behind the server.
struct Stand {
    agent_id: String,
    identity: ModelIdentity,
    handler: Handler,
}

impl Stand {
    fn check(&self) -> Result<()> {
        if self.handler == Handler::Fail {
            return Err(Error::new(ErrorClass::Configuration, "handler", "one that works", "one that fails"));
        }
        Ok(())
    }
}

impl Agent for Stand {
    fn agent_id(&self) -> &str {
        &self.agent_id
    }

    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answers(&self) -> bool {
        self.handler != Handler::NoneForText
    }

    fn receive(&self, message: &Received, _: Option<&Session>) -> Result<Map<String, Value>> {
        self.check()?;
        let payload = message.payload();
        let mut told = Map::new();
        told.insert("payload_length".to_owned(), json!(payload.len()));
        told.insert("payload_crc32".to_owned(), json!(crc32(payload)));
        Ok(told)
    }

    fn answer(&self, _: Question, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Answer> {
        self.check()?;
        let content = "received".to_owned();
        // Whoever has had enough after the first piece misses nothing.
        let _ = on_text(&content);
        Ok(Answer { content, finish: "stop", ..Answer::default() })
    }
}

/// Everything that is logged, at every level, by this library and those below it.
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn shared() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self(Arc::default());
            let written = Writer(Arc::clone(&log.0));
            // Somebody else's subscriber may be there already: then nothing is seen here, and the process's own log has it.
            let _ = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(move || written.clone())
                .try_init();
            log
        })
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_LOG - log.len();
        log.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Handshake,
    Transmit,
    Text,
    Health,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Version {
    Http1,
    Http2,
}

#[derive(Deserialize)]
struct CallArgs {
    url: String,
    action: Action,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    identity: Option<Value>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    timeout_s: Option<f64>,
    #[serde(default)]
    insecure_loopback: bool,
    #[serde(default)]
    ca: Option<String>,
    #[serde(default)]
    version: Option<Version>,
    #[serde(default)]
    text: Value,
}

pub(super) fn call<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: CallArgs = request.args()?;
    let mut options = ClientOptions {
        identity: args
            .identity
            .filter(|identity| !identity.is_null())
            .map(|identity| ModelIdentity::from_json(&identity))
            .transpose()?,
        token: args.token.as_deref().map(Token::new).transpose()?,
        insecure_loopback: args.insecure_loopback,
        roots: args.ca.map(String::into_bytes).into_iter().collect(),
        version: match args.version {
            None => HttpVersion::Auto,
            Some(Version::Http1) => HttpVersion::Http1,
            Some(Version::Http2) => HttpVersion::Http2,
        },
        dialect: request.dialect,
        ..ClientOptions::default()
    };
    if let Some(agent_id) = args.agent_id {
        options.agent_id = agent_id;
    }
    if let Some(seconds) = args.timeout_s {
        options.timeout = Duration::try_from_secs_f64(seconds)
            .map_err(|error| invalid("timeout_s", "seconds", error.to_string()))?;
    }
    let client = blocking::Client::new(&args.url, options)?;
    let told = match args.action {
        Action::Handshake => {
            let shaken = client.handshake()?;
            json!({
                "status": 200,
                "body": shaken.body,
                "mode": shaken.mode().as_str(),
                "session_id": shaken.session_id().as_str(),
            })
        }
        Action::Transmit => {
            let reply = client.transmit(request.part("message")?.bytes.to_vec())?;
            json!({"status": 200, "body": reply.body})
        }
        Action::Text => {
            let reply = client.text(&TextMessage::from_json(&args.text)?)?;
            json!({"status": 200, "body": reply.body})
        }
        Action::Health => {
            client.health()?;
            json!({"status": 200, "body": {"status": "ok"}})
        }
    };
    Ok(Reply::new(told))
}
