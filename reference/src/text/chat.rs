//! Chat templates: messages to the prompt that a model was trained on.

use std::collections::BTreeMap;

use minijinja::{Environment, Error as JinjaError, ErrorKind, Value as Jinja, context};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};

/// Longest template in bytes. The longest in use, with tools and thinking, have some 20 KiB.
pub const MAX_TEMPLATE: usize = 256 << 10;
/// Instructions that a rendering may take. A conversation of a thousand messages with tools takes some hundred thousand.
const FUEL: u64 = 4_000_000;

/// A message of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatMessage {
    /// Who speaks: `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// What is said.
    pub content: String,
    /// Further fields that a template may read, e.g. `tool_calls`, `name`, `reasoning_content`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ChatMessage {
    /// A message of a role and a text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), extra: Map::new() }
    }
}

/// What a rendering depends on beside the messages.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatOptions {
    /// Whether the prompt ends where the assistant's answer begins.
    pub add_generation_prompt: bool,
    /// Descriptions of tools, as JSON schemas.
    pub tools: Option<Vec<Value>>,
    /// Documents to answer from.
    pub documents: Option<Vec<Value>>,
    /// Further variables that a template reads, e.g. `enable_thinking`.
    pub variables: Map<String, Value>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, tools: None, documents: None, variables: Map::new() }
    }
}

/// Special tokens by name, e.g. `bos_token`.
pub type SpecialTokens = BTreeMap<String, String>;

/// A chat template with the special tokens that it can write.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    /// Another one for conversations with tools.
    tools: Option<String>,
    special: SpecialTokens,
}

impl ChatTemplate {
    /// Of Jinja source.
    ///
    /// # Errors
    /// `limit_exceeded` for one that is too long, `decode` for one that is malformed.
    pub fn new(source: impl Into<String>, special: SpecialTokens) -> Result<Self> {
        let source = source.into();
        super::bpe::limit("chat_template", "bytes", source.len(), MAX_TEMPLATE)?;
        environment(&source)?;
        Ok(Self { source, tools: None, special })
    }

    /// The same template with another one for conversations with tools.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn for_tools(self, source: impl Into<String>) -> Result<Self> {
        let tools = Self::new(source, SpecialTokens::new())?.source;
        Ok(Self { tools: Some(tools), ..self })
    }

    /// The prompt of a conversation.
    ///
    /// # Errors
    /// `invalid_argument` when the template refuses the messages, `limit_exceeded` when it does not come to an end,
    /// `decode` for whatever else goes wrong in it.
    pub fn render(&self, messages: &[ChatMessage], options: &ChatOptions) -> Result<String> {
        let tools = self.tools.as_ref().filter(|_| options.tools.is_some());
        let environment = environment(tools.unwrap_or(&self.source))?;
        let template = environment.get_template("chat").map_err(failed)?;
        let variables = context! {
            messages, tools => options.tools, documents => options.documents,
            add_generation_prompt => options.add_generation_prompt,
            ..context! { ..Jinja::from_serialize(&options.variables), ..Jinja::from_serialize(&self.special) }
        };
        template.render(variables).map_err(failed)
    }
}

fn environment(source: &str) -> Result<Environment<'_>> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, JinjaError> {
        Err(JinjaError::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_template("chat", source).map_err(failed)?;
    Ok(environment)
}

fn failed(error: JinjaError) -> Error {
    let class = match error.kind() {
        ErrorKind::OutOfFuel => ErrorClass::LimitExceeded,
        ErrorKind::InvalidOperation => ErrorClass::InvalidArgument,
        _ => ErrorClass::Decode,
    };
    Error::new(class, "chat_template", "a template that renders these messages", error.to_string())
}
