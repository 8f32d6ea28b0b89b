//! REQUEST BODY → QUESTION.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::ChatError;
use crate::error::{ErrorClass, excerpt};
use crate::session::fallback::MAX_TEXT_MESSAGE_BYTES;
use crate::session::fields::{kind, parse};
use crate::session::{Session, SessionId};
use crate::transport::agent::Prompt;
use crate::transport::{Question, Received};

/// Texts in `stop` at most, as OpenAI has it.
pub const MAX_STOPS: usize = 4;
/// Longest text in `stop`, in bytes: an answer is searched for it piece by piece, and a stream holds back as much while it
/// may still become one.
pub const MAX_STOP_BYTES: usize = 1024;
/// Highest `temperature`, as OpenAI has it.
const MAX_TEMPERATURE: f64 = 2.0;

/// A chat completion that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The model's name, as its client knows it.
    pub model: String,
    /// Role and content of each message, oldest first. `developer` has become `system`, which templates know.
    pub messages: Vec<(String, String)>,
    /// Tokens to write at most; the smaller one of `max_tokens` and `max_completion_tokens`.
    pub max_tokens: Option<u64>,
    /// Divides the logits; from 0, which is greedy, to 2.
    pub temperature: Option<f32>,
    /// Above 0, at most 1.
    pub top_p: Option<f32>,
    /// The same seed gives the same text.
    pub seed: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
    /// Whether a stream is to end with a chunk that holds the usage.
    pub include_usage: bool,
    /// The protocol's own part.
    pub avp: AvpRequest,
}

/// The field `avp` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvpRequest {
    /// The session that the question belongs to, from here or from the header.
    pub session_id: Option<SessionId>,
    /// Latent steps to take before the answer. How many are allowed is the agent's business.
    pub latent_steps: u32,
    /// Whether the context behind the answer is to be kept in the session.
    pub keep: bool,
}

impl ChatRequest {
    /// Reads a body, and the header that may name the session. Fields that are not known are ignored, as are those that
    /// change nothing here; one that asks for what this server cannot do is refused.
    ///
    /// # Errors
    /// 413 for a body that is too long or has too many values, 400 for all else that is wrong.
    pub fn parse(body: &[u8], session_header: Option<&str>) -> Result<Self, ChatError> {
        let body = parse(body, MAX_TEXT_MESSAGE_BYTES, ErrorClass::Decode, "body")?;
        let Value::Object(object) = &body else {
            return Err(ChatError::invalid("body", format!("expected an object, found {}", kind(&body))));
        };
        let fields = Fields { object, prefix: "" };
        fields.refuse_unsupported()?;
        let stream = fields.bool("stream")?.unwrap_or_default();
        let options = fields.object("stream_options")?;
        let include_usage = match options {
            Some(object) => Fields { object, prefix: "stream_options." }.bool("include_usage")?,
            None => None,
        };
        let limits = [fields.count("max_tokens")?, fields.count("max_completion_tokens")?];
        Ok(Self {
            model: fields.required_text("model")?.to_owned(),
            messages: messages(fields.required("messages")?)?,
            max_tokens: limits.into_iter().flatten().min(),
            temperature: fields.number("temperature", MAX_TEMPERATURE)?,
            // At 0 only the most likely token is left, and so it is at the smallest number above.
            top_p: fields.number("top_p", 1.0)?.map(|top_p| top_p.max(f32::MIN_POSITIVE)),
            seed: fields.seed()?,
            stop: fields.stop()?,
            stream,
            include_usage: stream && include_usage.unwrap_or_default(),
            avp: fields.avp(session_header)?,
        })
    }

    /// Holds the model's name against those that the server's model goes by. Empty names are no names.
    ///
    /// # Errors
    /// 404 `model_not_found`.
    pub fn check_model(&self, names: &[&str]) -> Result<(), ChatError> {
        if !self.model.is_empty() && names.contains(&&*self.model) {
            return Ok(());
        }
        Err(ChatError {
            status: 404,
            message: format!("the model {} is not served here", excerpt(&self.model)),
            param: Some("model".to_owned()),
            code: Some("model_not_found"),
            retry_after: None,
        })
    }

    /// The question, in a session and behind a context where there are such.
    #[must_use]
    pub fn into_question(self, session: Option<Arc<Session>>, context: Option<Arc<Received>>) -> Question {
        Question {
            prompt: Prompt::Chat(self.messages),
            context,
            session,
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed,
            stop: self.stop,
            latent_steps: self.avp.latent_steps,
            keep: self.avp.keep,
        }
    }
}

/// A field, which values of it change nothing, and what there is instead of the others.
type Rule<'a> = (&'static str, &'a dyn Fn(&Value) -> bool, &'static str);

/// The members of an object, and what stands before their names in errors.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    prefix: &'static str,
}

impl<'a> Fields<'a> {
    /// A member; `null` counts as absent, as clients send it for what they leave open.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> ChatError {
        let message = format!("{}{name}: expected {expected}, found {}", self.prefix, kind(found));
        ChatError::invalid(format!("{}{name}", self.prefix), message)
    }

    fn required(&self, name: &str) -> Result<&'a Value, ChatError> {
        self.get(name)
            .ok_or_else(|| ChatError::invalid(name, format!("{name} is missing, and has no default")))
    }

    fn required_text(&self, name: &str) -> Result<&'a str, ChatError> {
        let value = self.required(name)?;
        value.as_str().ok_or_else(|| self.wrong(name, "a string", value))
    }

    fn bool(&self, name: &str) -> Result<Option<bool>, ChatError> {
        let value = self.get(name);
        value.map(|value| value.as_bool().ok_or_else(|| self.wrong(name, "true or false", value))).transpose()
    }

    fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, ChatError> {
        let value = self.get(name);
        value.map(|value| value.as_object().ok_or_else(|| self.wrong(name, "an object", value))).transpose()
    }

    /// An integer from 1.
    fn count(&self, name: &str) -> Result<Option<u64>, ChatError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let count = value.as_u64().filter(|&count| count > 0);
        count.map(Some).ok_or_else(|| self.wrong(name, "an integer from 1", value))
    }

    /// A number from 0 to `most`.
    fn number(&self, name: &str, most: f64) -> Result<Option<f32>, ChatError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
        let wrong = || self.wrong(name, &format!("a number from 0 to {most}"), value);
        number.map(|number| Some(number as f32)).ok_or_else(wrong)
    }

    /// Any integer; negative ones are as good as others.
    fn seed(&self) -> Result<Option<u64>, ChatError> {
        let Some(value) = self.get("seed") else { return Ok(None) };
        let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
        seed.map(Some).ok_or_else(|| self.wrong("seed", "an integer of 64 bits", value))
    }

    fn stop(&self) -> Result<Vec<String>, ChatError> {
        let (value, texts) = match self.get("stop") {
            None => return Ok(Vec::new()),
            Some(value @ Value::Array(texts)) => (value, &texts[..]),
            Some(value) => (value, std::slice::from_ref(value)),
        };
        let expected = format!("a text, or up to {MAX_STOPS}, each of 1 to {MAX_STOP_BYTES} bytes");
        if texts.len() > MAX_STOPS {
            return Err(self.wrong("stop", &expected, value));
        }
        let text = |value: &Value| {
            let text = value.as_str().filter(|text| (1..=MAX_STOP_BYTES).contains(&text.len()));
            text.map(str::to_owned).ok_or_else(|| self.wrong("stop", &expected, value))
        };
        texts.iter().map(text).collect()
    }

    fn avp(&self, session_header: Option<&str>) -> Result<AvpRequest, ChatError> {
        let nothing = Map::new();
        let object = self.object("avp")?.unwrap_or(&nothing);
        let fields = Fields { object, prefix: "avp." };
        let mut named = None;
        if let Some(value) = fields.get("session_id") {
            named = Some(value.as_str().ok_or_else(|| fields.wrong("session_id", "a string", value))?);
        }
        if named.is_some() && session_header.is_some() && named != session_header {
            let message = "the header AVP-Session-ID and avp.session_id name two sessions";
            return Err(ChatError::invalid("avp.session_id", message));
        }
        let mut latent_steps = 0;
        if let Some(value) = fields.get("latent_steps") {
            let steps = value.as_u64().and_then(|steps| u32::try_from(steps).ok());
            latent_steps = steps.ok_or_else(|| fields.wrong("latent_steps", "an integer from 0", value))?;
        }
        Ok(AvpRequest {
            session_id: named
                .or(session_header)
                .map(SessionId::from_peer)
                .transpose()
                .map_err(|error| ChatError::invalid("avp.session_id", error.to_string()))?,
            latent_steps,
            keep: fields.bool("keep")?.unwrap_or_default(),
        })
    }

    /// Refuses fields that ask for something which the answer would lack. A value that changes nothing passes.
    fn refuse_unsupported(&self) -> Result<(), ChatError> {
        let is_empty = |value: &Value| match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        let is_zero = |value: &Value| value.as_f64() == Some(0.0);
        let is_plain_choice = |value: &Value| matches!(value.as_str(), Some("none" | "auto"));
        let is_false = |value: &Value| value.as_bool() == Some(false);
        let rules: [Rule<'_>; 14] = [
            ("n", &|value: &Value| value.as_u64() == Some(1), "one answer a request"),
            ("tools", &is_empty, "no tools"),
            ("tool_choice", &is_plain_choice, "no tools"),
            ("functions", &is_empty, "no functions"),
            ("function_call", &is_plain_choice, "no functions"),
            ("response_format", &|value: &Value| value["type"] == "text", "text as it comes"),
            ("logprobs", &is_false, "no probabilities"),
            ("top_logprobs", &is_zero, "no probabilities"),
            ("logit_bias", &is_empty, "no bias"),
            ("presence_penalty", &is_zero, "no penalty"),
            ("frequency_penalty", &is_zero, "no penalty"),
            ("modalities", &|value: &Value| *value == serde_json::json!(["text"]), "text alone"),
            ("audio", &|_: &Value| false, "text alone"),
            ("web_search_options", &|_: &Value| false, "no search"),
        ];
        for (name, passes, there_is) in rules {
            if self.get(name).is_some_and(|value| !passes(value)) {
                return Err(ChatError::unsupported(name, format!("{name}: this server gives {there_is}")));
            }
        }
        Ok(())
    }
}

/// Roles and contents.
fn messages(value: &Value) -> Result<Vec<(String, String)>, ChatError> {
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or_else(|| {
        let found = kind(value);
        ChatError::invalid(
            "messages",
            format!("messages: expected an array of one message or more, found {found}"),
        )
    })?;
    list.iter().enumerate().map(|(index, message)| read_message(index, message)).collect()
}

fn read_message(index: usize, message: &Value) -> Result<(String, String), ChatError> {
    let at = |field: &str| format!("messages[{index}]{field}");
    let wrong = |field: &str, expected: &str, found: &Value| {
        let param = at(field);
        ChatError::invalid(param.clone(), format!("{param}: expected {expected}, found {}", kind(found)))
    };
    let Some(fields) = message.as_object() else { return Err(wrong("", "an object", message)) };
    let role = match fields.get("role").and_then(Value::as_str) {
        // Templates know the older name of the same role.
        Some("system" | "developer") => "system",
        Some("user") => "user",
        Some("assistant") => "assistant",
        _ => {
            let message = "a role that is system, developer, user or assistant is needed";
            return Err(ChatError::invalid(at(".role"), message));
        }
    };
    for calls in ["tool_calls", "function_call"] {
        let is_call =
            |value: &&Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
        if fields.get(calls).filter(is_call).is_some() {
            let message = "this server has no tools, nor conversations with their calls";
            return Err(ChatError::unsupported(at(&format!(".{calls}")), message));
        }
    }
    let content = match fields.get("content").unwrap_or(&Value::Null) {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<_> = parts
                .iter()
                .enumerate()
                .map(|(part, value)| {
                    if value["type"] != "text" {
                        let message = "parts of the type text alone are read here";
                        return Err(ChatError::unsupported(at(&format!(".content[{part}].type")), message));
                    }
                    let text = &value["text"];
                    text.as_str().ok_or_else(|| wrong(&format!(".content[{part}].text"), "a string", text))
                })
                .collect::<Result<_, _>>()?;
            texts.join("\n")
        }
        // What an assistant says that only calls tools.
        Value::Null if role == "assistant" => String::new(),
        other => return Err(wrong(".content", "a string or an array of parts", other)),
    };
    Ok((role.to_owned(), content))
}
