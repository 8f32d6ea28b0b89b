//! Bodies for what turns text into tokens: tokenizers, their configurations, chat templates.

use serde_json::json;

use crate::text::{
    ChatMessage, ChatOptions, ChatTemplate, SpecialTokens, Tokenizer,
    folder::{config, special_tokens, stop_ids, template_of_config},
};

/// Texts that are put through every tokenizer that is accepted.
const TEXTS: [&str; 10] = [
    "",
    " ",
    "Hello, world! don't 123 4567",
    "a  b\n\n c\t\r\n",
    "<s>x</s> <|end|> <a> <b>  <c>",
    "é e\u{301} ﬁ İ ß 漢字 🙂👩\u{200d}👧",
    "\0\u{1f}\u{7f}\u{85}\u{a0}\u{fffd}\u{10ffff}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    "▁a ▁▁ Ġb <0x41><0xFF>",
    "    ",
];

/// Reads bytes as a tokenizer.json. What is accepted takes every text, and gives only ids that it knows.
pub fn tokenizer(bytes: &[u8]) {
    let Ok(tokenizer) = Tokenizer::from_json(bytes) else { return };
    let size = tokenizer.vocab_size();
    assert!(tokenizer.vocabulary().len() <= size);
    for text in TEXTS {
        for special in [false, true] {
            let Ok(ids) = tokenizer.encode(text, special) else { continue };
            assert!(ids.iter().all(|id| (*id as usize) < size && tokenizer.token(*id).is_some()));
            decode(&tokenizer, &ids);
        }
    }
    let all: Vec<u32> = (0..size.min(300) as u32).collect();
    decode(&tokenizer, &all);
}

/// Decodes at once and one by one.
fn decode(tokenizer: &Tokenizer, ids: &[u32]) {
    for skip in [false, true] {
        let all = tokenizer.decode(ids, skip);
        let mut stream = tokenizer.stream(skip);
        for id in ids {
            let part = stream.push(*id);
            assert!(!matches!(part, Ok(Some(part)) if part.is_empty()));
        }
        assert_eq!(stream.finish().is_ok(), all.is_ok());
    }
}

/// Reads bytes as a tokenizer_config.json, or as one of the files beside it.
pub fn tokenizer_config(bytes: &[u8]) {
    let Ok(config) = config("tokenizer_config", bytes) else { return };
    let special = special_tokens(&config, &config);
    if let Ok(Some(ids)) = stop_ids("generation_config.eos_token_id", &config) {
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
    if let Ok(Some(template)) = template_of_config(&config, &special) {
        render(&template);
    }
}

/// Reads bytes as a chat template, and renders a conversation with it.
pub fn chat_template(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let special: SpecialTokens = [("bos_token".to_owned(), "<s>".to_owned())].into();
    if let Ok(template) = ChatTemplate::new(source, special) {
        render(&template);
    }
}

fn render(template: &ChatTemplate) {
    let mut messages = vec![ChatMessage::new("system", " Be kind. "), ChatMessage::new("user", "Hi\n<b>")];
    messages.push(ChatMessage::new("assistant", "<think>é</think> 漢"));
    let call = json!([{"id": "abc", "function": {"name": "f", "arguments": {"x": [1, 2.5, null]}}}]);
    messages[2].extra.insert("tool_calls".into(), call);
    let tools = json!([{"function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]);
    for tools in [None, tools.as_array().cloned()] {
        let options = ChatOptions { tools, now: Some(std::time::UNIX_EPOCH), ..ChatOptions::default() };
        let once = template.render(&messages, &options);
        // Nothing that a template can do differs from run to run.
        assert_eq!(template.render(&messages, &options), once);
    }
}
