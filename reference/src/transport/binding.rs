//! Names of the binding: paths, headers, content types.

/// JSON hello → identity and session (AVP-HTTP-001).
pub const HANDSHAKE_PATH: &str = "/avp/v2/handshake";
/// One binary message (AVP-HTTP-006).
pub const TRANSMIT_PATH: &str = "/avp/v2/transmit";
/// One JSON text message (AVP-HTTP-009).
pub const TEXT_PATH: &str = "/avp/v2/text";
/// Whether the server is up (AVP-HTTP-012).
pub const HEALTH_PATH: &str = "/health";
/// Chat completions as OpenAI's clients ask for them.
pub const CHAT_PATH: &str = "/v1/chat/completions";
/// Models as OpenAI's clients list them.
pub const MODELS_PATH: &str = "/v1/models";

/// Content type of a binary message (AVP-HTTP-014).
pub const AVP_CONTENT_TYPE: &str = "application/avp+binary";
/// Content type of hellos, text messages and answers.
pub const JSON_CONTENT_TYPE: &str = "application/json";
/// What a client accepts that wants the answer to a transmit as protobuf (AVP-HTTP-024).
pub const PROTOBUF_CONTENT_TYPE: &str = "application/x-protobuf";

/// Protocol version of a request (AVP-HTTP-015).
pub const VERSION_HEADER: &str = "avp-version";
/// Who sends a request (AVP-HTTP-016).
pub const AGENT_HEADER: &str = "avp-agent-id";
/// What a client of this crate writes there, and the newest that a strict server takes.
pub const VERSION: &str = "0.4";
/// The session of a chat completion, as an alternative to the field `avp.session_id` of its body; also of its answer.
pub const SESSION_HEADER: &str = "avp-session-id";
