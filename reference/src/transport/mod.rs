//! BYTES over HTTP: the binding of the protocol to HTTP/2 and HTTP/1.1, as a server and as a client.
//!
//! ```text
//!  Client ── hello ──▶ POST /avp/v2/handshake ──▶ Sessions: id, mode, whose it is ──▶ identity, session_id
//!         ── AV|… ───▶ POST /avp/v2/transmit  ──▶ Intake: header first, bounded ──▶ Agent::receive ──▶ kept in the session
//!         ── JSON ───▶ POST /avp/v2/text      ──▶ Agent::answer, behind what the session keeps ──▶ text
//!         ── JSON ───▶ POST /v1/chat/completions ─▶ the same, in the form that OpenAI's clients speak
//! ```
//!
//! Bodies are bytes here and [`crate::wire`] reads them; what is done with them is the [`Agent`]'s business. A server never
//! holds more than its [`ServerLimits`] say, whatever its peers send, and never logs what they send.

pub mod agent;
pub mod binding;
pub mod budget;
pub mod client;
pub mod limits;
pub mod received;
pub mod refusal;
pub mod server;
mod text_question;
pub mod tls;
pub mod tokens;

pub use agent::{Agent, Answer, Prompt, Question};
pub use client::{Client, ClientOptions};
pub use limits::ServerLimits;
pub use received::Received;
pub use refusal::Refusal;
pub use server::{Running, Server, ServerOptions};
pub use tls::ServerTls;
pub use tokens::Tokens;
