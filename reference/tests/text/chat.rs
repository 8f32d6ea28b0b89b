//! Templates of this folder, and short ones for one thing each.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, SystemTime},
};

use avp::text::{ChatMessage, ChatOptions, ChatTemplate, SpecialTokens};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{fixture, folder};

#[derive(Clone, Deserialize)]
struct Options {
    #[serde(default)]
    add_generation_prompt: bool,
    tools: Option<Vec<Value>>,
    documents: Option<Vec<Value>>,
    #[serde(default)]
    variables: Map<String, Value>,
}

impl Options {
    fn at(self, now: u64) -> ChatOptions {
        let now = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        let Self { add_generation_prompt, tools, documents, variables } = self;
        ChatOptions { add_generation_prompt, tools, documents, variables, now }
    }
}

#[derive(Deserialize)]
struct Chats {
    now: u64,
    special: SpecialTokens,
    conversations: BTreeMap<String, Vec<ChatMessage>>,
    options: Vec<Options>,
    cases: Vec<ChatCase>,
}

#[derive(Deserialize)]
struct ChatCase {
    template: String,
    conversation: String,
    options: usize,
    /// Nothing where transformers raises.
    expected: Option<String>,
}

#[test]
fn templates_write_what_transformers_writes() {
    let chats: Chats = fixture("chat.json");
    let mut templates = BTreeMap::new();
    for case in &chats.cases {
        let template = templates.entry(&case.template).or_insert_with(|| {
            let path = folder().join("templates").join(format!("{}.jinja", case.template));
            ChatTemplate::new(fs::read_to_string(path).unwrap(), chats.special.clone()).unwrap()
        });
        let options = chats.options[case.options].clone().at(chats.now);
        let rendered = template.render(&chats.conversations[&case.conversation], &options);
        let place = format!("{} of {:?} with options {}", case.template, case.conversation, case.options);
        match (&rendered, &case.expected) {
            (Ok(rendered), Some(expected)) => assert_eq!(rendered, expected, "{place}"),
            (Err(_), None) => {}
            (Ok(_), None) => panic!("{place}: transformers raises"),
            (Err(error), Some(_)) => panic!("{place}: {error}"),
        }
    }
    assert!(templates.len() >= 8 && chats.cases.len() >= 400);
}

#[derive(Deserialize)]
struct Expressions {
    messages: Vec<ChatMessage>,
    options: Options,
    cases: Vec<ExpressionCase>,
}

#[derive(Deserialize)]
struct ExpressionCase {
    template: String,
    expected: Option<String>,
}

#[test]
fn expressions_print_what_python_prints() {
    let expressions: Expressions = fixture("expressions.json");
    let chats: Chats = fixture("chat.json");
    let options = expressions.options.at(chats.now);
    let mut wrong = Vec::new();
    for case in &expressions.cases {
        let template = ChatTemplate::new(case.template.clone(), chats.special.clone());
        let rendered = template.and_then(|template| template.render(&expressions.messages, &options));
        if rendered.as_ref().ok() != case.expected.as_ref() {
            wrong.push(format!("{}\n  ours   {rendered:?}\n  theirs {:?}", case.template, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expressions.cases.len(), wrong.join("\n"));
}
