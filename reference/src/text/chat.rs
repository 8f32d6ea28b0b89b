//! Chat templates: messages to the prompt that a model was trained on.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{bpe::limit, jinja};
use crate::error::{Error, ErrorClass, Result};

/// Longest template in bytes. The longest in use, with tools and thinking, have some 20 KiB.
pub const MAX_TEMPLATE: usize = 128 << 10;

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
    /// What a template takes for the present, in UTC; the system's time where there is none.
    pub now: Option<SystemTime>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, tools: None, documents: None, variables: Map::new(), now: None }
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
        limit("chat_template", "bytes", source.len(), MAX_TEMPLATE)?;
        jinja::check(&source)?;
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
        let source = tools.unwrap_or(&self.source);
        let mut variables = Map::new();
        for (name, token) in &self.special {
            variables.insert(name.clone(), Value::from(token.as_str()));
        }
        variables.extend(options.variables.clone());
        let list = |listed: &Option<Vec<Value>>| listed.clone().map_or(Value::Null, Value::Array);
        variables.insert("tools".into(), list(&options.tools));
        variables.insert("documents".into(), list(&options.documents));
        variables.insert("add_generation_prompt".into(), Value::Bool(options.add_generation_prompt));
        let messages = serde_json::to_value(messages).map_err(|error| {
            Error::new(ErrorClass::InvalidArgument, "messages", "messages", error.to_string())
        })?;
        variables.insert("messages".into(), messages);
        jinja::render(source, variables, options.now.unwrap_or_else(SystemTime::now))
    }
}
