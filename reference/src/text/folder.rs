//! What stands beside a model's weights for its text: tokenizer, chat template, special tokens, stop tokens.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::{
    chat::{ChatMessage, ChatOptions, ChatTemplate, MAX_TEMPLATE, SpecialTokens},
    description::Description,
    tokenizer::{MAX_FILE, Tokenizer},
};
use crate::{
    error::{Error, ErrorClass, Result, excerpt},
    weights::{Beside, Vocabulary},
};

/// Largest configuration beside a tokenizer. Those that list thousands of reserved tokens have some 2 MiB.
const MAX_CONFIG: u64 = 16 << 20;
/// Special tokens that configurations name.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Everything that a model needs to take and give text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TextFiles {
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// Messages to text; models that are not made for conversations have none.
    pub chat: Option<ChatTemplate>,
    /// Special tokens by name, as templates read them.
    pub special: SpecialTokens,
    /// Ids that end an answer, in ascending order.
    pub stop: Vec<u32>,
}

impl TextFiles {
    /// Reads `tokenizer.json` and, where they are there, `tokenizer_config.json`, `special_tokens_map.json`,
    /// `chat_template.jinja`, `generation_config.json` and `config.json` of a folder.
    ///
    /// # Errors
    /// `configuration` when there is no `tokenizer.json` or a file can't be read, `decode` and `limit_exceeded` for what
    /// is in them.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        Self::of(&Beside::from(folder.as_ref()))
    }

    /// The same files, wherever they are.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn of(files: &Beside) -> Result<Self> {
        let config = object(files, "tokenizer_config.json", "tokenizer_config")?;
        let map = object(files, "special_tokens_map.json", "special_tokens_map")?;
        let special = special_tokens(&config, &map);
        let Some(text) = files.read("tokenizer.json", "tokenizer", MAX_FILE)? else {
            let expected =
                "a tokenizer.json beside the weights, or weights as GGUF, which carry their tokenizer";
            return Err(Error::new(
                ErrorClass::Configuration,
                "tokenizer",
                expected,
                format!("none in {files}"),
            ));
        };
        let mut description = Description::from_json(&text)?;
        add_tokens(&mut description, &config)?;
        name_tokens(&mut description, &special);
        let tokenizer = Tokenizer::build(description)?;
        let id = |name: &str| special.get(name).and_then(|token| tokenizer.token_id(token));
        let (bos, eos) = (id("bos_token"), id("eos_token"));
        let tokenizer =
            tokenizer.with_around(flag(&config, "add_bos_token"), bos, flag(&config, "add_eos_token"), eos);
        let tokenizer = tokenizer.with_ends(bos, eos)?;
        let generation = object(files, "generation_config.json", "generation_config")?;
        let stop = match stop_ids("generation_config.eos_token_id", &generation)? {
            Some(ids) => Some(ids),
            None => stop_ids("config.eos_token_id", &object(files, "config.json", "config")?)?,
        };
        let stop = stop.unwrap_or_else(|| eos.into_iter().collect());
        let chat = template(files, &config, &special)?;
        Ok(Self { tokenizer, chat, special, stop })
    }

    /// From what a GGUF file carries.
    ///
    /// # Errors
    /// Those of [`Tokenizer::from_vocabulary`] and [`ChatTemplate::new`].
    pub fn from_vocabulary(vocabulary: &Vocabulary) -> Result<Self> {
        let tokenizer = Tokenizer::from_vocabulary(vocabulary)?;
        let ids = [
            ("bos_token", vocabulary.bos),
            ("eos_token", vocabulary.eos),
            ("unk_token", vocabulary.unknown),
            ("pad_token", vocabulary.padding),
        ];
        let special: SpecialTokens =
            ids.into_iter().filter_map(|(name, id)| Some((name.to_owned(), tokenizer.token(id?)?))).collect();
        let chat = vocabulary.chat_template.as_ref();
        let chat = chat.map(|source| ChatTemplate::new(source.clone(), special.clone())).transpose()?;
        Ok(Self { tokenizer, chat, special, stop: vocabulary.eos.into_iter().collect() })
    }

    /// The prompt of a conversation.
    ///
    /// # Errors
    /// `configuration` when the model has no chat template, and those of [`ChatTemplate::render`].
    pub fn prompt(&self, messages: &[ChatMessage], options: &ChatOptions) -> Result<String> {
        let Some(chat) = &self.chat else {
            let expected =
                "a model with a chat template; for this one, pass a plain prompt in place of messages";
            return Err(Error::new(ErrorClass::Configuration, "chat_template", expected, "none"));
        };
        chat.render(messages, options)
    }
}

/// A JSON object in a file; an empty one where there is no file.
fn object(files: &Beside, name: &str, field: &'static str) -> Result<Map<String, Value>> {
    files.read(name, field, MAX_CONFIG)?.map_or_else(|| Ok(Map::new()), |text| config(field, &text))
}

/// A JSON object.
pub(crate) fn config(field: &'static str, text: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(text)
        .map_err(|error| Error::new(ErrorClass::Decode, field, "a JSON object", error.to_string()))
}

/// A token is written as its text, or as an object with its text.
fn text_of(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// The special tokens by name. What `tokenizer_config.json` says goes before what the older file says.
pub(crate) fn special_tokens(config: &Map<String, Value>, map: &Map<String, Value>) -> SpecialTokens {
    let named = |name: &&str| {
        let text = config.get(*name).filter(|token| !token.is_null()).or_else(|| map.get(*name));
        Some(((*name).to_owned(), text.and_then(text_of)?.to_owned()))
    };
    NAMES.iter().filter_map(named).collect()
}

/// Tokens that `tokenizer_config.json` adds to those of `tokenizer.json`.
fn add_tokens(description: &mut Description, config: &Map<String, Value>) -> Result<()> {
    let Some(Value::Object(tokens)) = config.get("added_tokens_decoder") else {
        return Ok(());
    };
    let known: HashSet<String> = description.added.iter().map(|(token, _)| token.content.clone()).collect();
    let mut new = BTreeMap::new();
    for (id, token) in tokens {
        let Some((id, content)) = id.parse::<u32>().ok().zip(text_of(token)) else {
            let expected = "ids with tokens";
            return Err(Error::new(
                ErrorClass::Decode,
                "tokenizer_config.added_tokens_decoder",
                expected,
                excerpt(id),
            ));
        };
        let flag = |name| token.get(name).and_then(Value::as_bool).unwrap_or(false);
        if !known.contains(content) {
            let added = AddedToken::from(content, flag("special"))
                .single_word(flag("single_word"))
                .lstrip(flag("lstrip"))
                .rstrip(flag("rstrip"))
                .normalized(flag("normalized"));
            new.insert(id, added);
        }
    }
    description.added.extend(new.into_iter().map(|(id, token)| (token, id)));
    Ok(())
}

/// Tokens that have a name are matched before everything else, even where no list says so.
fn name_tokens(description: &mut Description, special: &SpecialTokens) {
    for text in special.values() {
        let added = |(token, _): &(AddedToken, u32)| token.content == *text;
        if description.added.iter().any(added) {
            continue;
        }
        if let Some((_, id)) = description.model.tokens.iter().find(|(token, _)| token == text) {
            description.added.push((AddedToken::from(text.clone(), true).normalized(false), *id));
        }
    }
}

fn flag(config: &Map<String, Value>, name: &str) -> Option<bool> {
    config.get(name).and_then(Value::as_bool)
}

/// One id, or several. `None` where the file says nothing.
pub(crate) fn stop_ids(field: &'static str, config: &Map<String, Value>) -> Result<Option<Vec<u32>>> {
    let listed = match config.get("eos_token_id") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(ids)) => ids.as_slice(),
        Some(id) => std::slice::from_ref(id),
    };
    let ids = listed.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()));
    let mut ids: Vec<u32> = ids.collect::<Option<_>>().ok_or_else(|| {
        Error::new(
            ErrorClass::Decode,
            field,
            "a token id, or a list of them",
            excerpt(&Value::from(listed).to_string()),
        )
    })?;
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// The chat template of a folder: a file of its own goes before what `tokenizer_config.json` says.
fn template(
    files: &Beside,
    config: &Map<String, Value>,
    special: &SpecialTokens,
) -> Result<Option<ChatTemplate>> {
    let source = |name: &str| files.text(name, "chat_template", MAX_TEMPLATE as u64);
    let Some(default) = source("chat_template.jinja")? else {
        return template_of_config(config, special);
    };
    let mut template = ChatTemplate::new(default, special.clone())?;
    if let Some(tools) = source("additional_chat_templates/tool_use.jinja")? {
        template = template.for_tools(tools)?;
    }
    Ok(Some(template))
}

/// The chat template in `tokenizer_config.json`: a text, or a list of texts with names.
pub(crate) fn template_of_config(
    config: &Map<String, Value>,
    special: &SpecialTokens,
) -> Result<Option<ChatTemplate>> {
    let listed = match config.get("chat_template") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(source)) => return ChatTemplate::new(source.clone(), special.clone()).map(Some),
        Some(Value::Array(listed)) => listed,
        Some(_) => {
            let expected = "a text, or a list of names and texts";
            return Err(Error::new(
                ErrorClass::Decode,
                "tokenizer_config.chat_template",
                expected,
                "something else",
            ));
        }
    };
    let named = |name: &str| {
        let entry = listed.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?;
        Some(entry.get("template")?.as_str()?.to_owned())
    };
    let Some(default) = named("default") else {
        let expected = "one that is named default";
        return Err(Error::new(ErrorClass::Decode, "tokenizer_config.chat_template", expected, "none"));
    };
    let template = ChatTemplate::new(default, special.clone())?;
    match named("tool_use") {
        Some(tools) => template.for_tools(tools).map(Some),
        None => Ok(Some(template)),
    }
}
