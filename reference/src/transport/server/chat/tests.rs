use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::{Error, ErrorClass, Result};
use crate::session::{ModelIdentity, Session, SessionId};
use crate::transport::agent::Prompt;
use crate::transport::{Agent, Answer, Received, Refusal};

/// A request that has `fields` besides what every one needs.
fn with(fields: Value) -> Vec<u8> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

fn parse(fields: Value) -> Result<ChatRequest, ChatError> {
    ChatRequest::parse(&with(fields), None)
}

#[test]
fn what_stock_clients_send_is_read() {
    // As the openai package and LangChain write it, with what they leave open.
    let request = parse(json!({
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}], "name": "ann"},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "user", "content": ""},
        ],
        "max_tokens": 9, "max_completion_tokens": 7, "temperature": 0.5, "top_p": 1, "seed": -1, "stop": ["\n", "END"],
        "stream": true, "stream_options": {"include_usage": true}, "n": 1, "tools": [], "tool_choice": "auto",
        "functions": null, "response_format": {"type": "text"}, "logprobs": false, "top_logprobs": 0, "logit_bias": {},
        "presence_penalty": 0, "frequency_penalty": 0.0, "modalities": ["text"], "audio": null, "user": "u", "store": false,
        "metadata": {"a": "b"}, "parallel_tool_calls": true, "service_tier": "auto", "unheard_of": [1],
        "avp": {"session_id": "s1", "latent_steps": 5, "keep": true, "unheard_of": 1},
    }))
    .unwrap();
    let message = |role: &str, content: &str| (role.to_owned(), content.to_owned());
    let messages = vec![
        message("system", "Be brief."),
        message("user", "One.\nTwo."),
        message("assistant", ""),
        message("user", ""),
    ];
    let session_id = Some(SessionId::from_peer("s1").unwrap());
    let expected = ChatRequest {
        model: "m".into(),
        messages: messages.clone(),
        max_tokens: Some(7),
        temperature: Some(0.5),
        top_p: Some(1.0),
        seed: Some(u64::MAX),
        stop: vec!["\n".into(), "END".into()],
        stream: true,
        include_usage: true,
        avp: AvpRequest { session_id, latent_steps: 5, keep: true },
    };
    assert_eq!(request, expected);
    let question = request.into_question(None, None);
    assert_eq!(question.prompt, Prompt::Chat(messages));
    assert_eq!((question.max_tokens, question.temperature, question.top_p), (Some(7), Some(0.5), Some(1.0)));
    assert_eq!((question.seed, question.latent_steps, question.keep), (Some(u64::MAX), 5, true));
    assert_eq!(question.stop, ["\n", "END"]);
}

#[test]
fn what_is_left_open_is_the_agents() {
    let request = parse(json!({"stop": "x", "top_p": 0, "stream_options": {"include_usage": true}})).unwrap();
    assert_eq!((request.max_tokens, request.temperature, request.seed), (None, None, None));
    assert_eq!((request.stop, request.top_p), (vec!["x".to_owned()], Some(f32::MIN_POSITIVE)));
    // Usage in a stream is for streams.
    assert_eq!((request.stream, request.include_usage), (false, false));
    assert_eq!(request.avp, AvpRequest::default());
}

#[test]
fn the_session_stands_in_the_body_or_in_the_header() {
    let named = |body: Value, header| ChatRequest::parse(&with(json!({"avp": body})), header);
    for (body, header) in [
        (json!({"session_id": "s"}), None),
        (json!(null), Some("s")),
        (json!({"session_id": "s"}), Some("s")),
    ] {
        let session = named(body, header).unwrap().avp.session_id;
        assert_eq!(session.unwrap().as_str(), "s");
    }
    let long = "s".repeat(2000);
    for (body, header) in [
        (json!({"session_id": "s"}), Some("t")),
        (json!({"session_id": ""}), None),
        (json!({}), Some("")),
        (json!({"session_id": long}), None),
        (json!({"session_id": 5}), None),
    ] {
        let error = named(body, header).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("avp.session_id")));
    }
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    for (fields, param) in [
        (json!({"model": null}), "model"),
        (json!({"model": 5}), "model"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": ["x"]}), "messages[0]"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": 5, "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": user(json!(5))}), "messages[0].content"),
        (json!({"messages": user(json!([{"type": "text"}]))}), "messages[0].content[0].text"),
        (json!({"messages": user(json!([{"type": "text", "text": 5}]))}), "messages[0].content[0].text"),
        (json!({"messages": user(json!(["x"]))}), "messages[0].content[0].type"),
        (
            json!({"messages": user(json!([{"type": "text", "text": ""}, {"type": "image_url", "image_url": {}}]))}),
            "messages[0].content[1].type",
        ),
        (json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}), "messages[0].tool_calls"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"max_completion_tokens": "9"}), "max_completion_tokens"),
        (json!({"temperature": -0.1}), "temperature"),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"top_p": 1.1}), "top_p"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"seed": "x"}), "seed"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
        (json!({"stop": ""}), "stop"),
        (json!({"stop": [5]}), "stop"),
        (json!({"stop": "x".repeat(MAX_STOP_BYTES + 1)}), "stop"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"stream_options": []}), "stream_options"),
        (json!({"stream": true, "stream_options": {"include_usage": 1}}), "stream_options.include_usage"),
        (json!({"avp": []}), "avp"),
        (json!({"avp": {"latent_steps": -1}}), "avp.latent_steps"),
        (json!({"avp": {"latent_steps": 1_u64 << 32}}), "avp.latent_steps"),
        (json!({"avp": {"keep": 1}}), "avp.keep"),
    ] {
        let error = parse(fields.clone()).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{fields}");
        assert!(!error.message.is_empty());
    }
}

#[test]
fn what_is_not_given_here_is_refused_only_when_it_is_asked_for() {
    for (name, value) in [
        ("n", json!(2)),
        ("tools", json!([{"type": "function"}])),
        ("tool_choice", json!("required")),
        ("tool_choice", json!({"type": "function"})),
        ("functions", json!([{}])),
        ("function_call", json!({"name": "f"})),
        ("response_format", json!({"type": "json_object"})),
        ("response_format", json!("text")),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("logit_bias", json!({"5": 1})),
        ("presence_penalty", json!(0.5)),
        ("frequency_penalty", json!(-1)),
        ("modalities", json!(["text", "audio"])),
        ("audio", json!({"voice": "x"})),
        ("web_search_options", json!({})),
    ] {
        let error = parse(json!({name: value})).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(name)));
        assert_eq!(error.code, Some("unsupported_parameter"), "{name}");
        assert!(parse(json!({name: null})).is_ok(), "{name}");
    }
}

#[test]
fn hostile_bodies_are_refused() {
    for (body, status) in [
        (b"".to_vec(), 400),
        (b"{".to_vec(), 400),
        (b"[]".to_vec(), 400),
        (b"null".to_vec(), 400),
        (b"{\"model\":\"\xff\"}".to_vec(), 400),
        (br#"{"model":"\ud800"}"#.to_vec(), 400),
        (br#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1e999}"#.to_vec(), 400),
        (with(json!({"temperature": 1e308})), 400),
        (with(json!({"max_tokens": 1e30})), 400),
        (format!("{}1{}", "[".repeat(5000), "]".repeat(5000)).into_bytes(), 400),
        (format!("{{\"avp\":{}", "{\"avp\":".repeat(5000)).into_bytes(), 400),
        // More values than are read, and more bytes.
        (format!("[{}1]", "1,".repeat(70_000)).into_bytes(), 413),
        (vec![b' '; crate::session::fallback::MAX_TEXT_MESSAGE_BYTES + 1], 413),
    ] {
        let error = ChatRequest::parse(&body, None).unwrap_err();
        assert_eq!(error.status, status, "{:?}", body.get(..40));
        assert_eq!(error.kind(), "invalid_request_error");
    }
    let most = parse(json!({"max_tokens": u64::MAX})).unwrap();
    assert_eq!(most.max_tokens, Some(u64::MAX));
}

#[test]
fn models_go_by_their_names() {
    let request = parse(json!({})).unwrap();
    assert!(request.check_model(&["a", "m"]).is_ok());
    let error = request.check_model(&["a", ""]).unwrap_err();
    assert_eq!((error.status, error.code), (404, Some("model_not_found")));
    // An agent without a name is not asked for by none.
    let nameless = parse(json!({"model": ""})).unwrap();
    assert_eq!(nameless.check_model(&["", "m"]).unwrap_err().status, 404);
}

#[test]
fn errors_have_openais_form() {
    let error = parse(json!({"n": 2})).unwrap_err();
    let expected = json!({"error": {
        "message": "n: this server gives one answer a request", "type": "invalid_request_error", "param": "n",
        "code": "unsupported_parameter",
    }});
    assert_eq!(error.to_json(), expected);
    let expired = Error::new(ErrorClass::SessionExpired, "session_id", "a session that is alive", "s");
    let error = ChatError::from(expired);
    assert_eq!((error.status, error.code, error.is_final()), (409, Some("session_expired"), true));
    for (status, kind, is_final, final_without_a_time) in [
        (401, "authentication_error", true, true),
        (408, "invalid_request_error", false, false),
        (429, "rate_limit_error", false, false),
        (500, "server_error", true, true),
        (501, "server_error", true, true),
        // Only a server that has no room says when it may have some; work that was begun is not to be begun anew.
        (503, "server_error", false, true),
    ] {
        let refusal = Refusal::new(status, "c", "m");
        assert_eq!(ChatError::from(refusal.clone()).is_final(), final_without_a_time, "{status}");
        let error = ChatError::from(refusal.retry_after(3));
        assert_eq!(
            (error.kind(), error.is_final(), error.retry_after),
            (kind, is_final, Some(3)),
            "{status}"
        );
        assert_eq!(error.to_json()["error"]["param"], Value::Null);
    }
}

fn answer() -> Answer {
    Answer {
        content: "Two\nlines".into(),
        finish: "stop",
        prompt_tokens: 3,
        completion_tokens: 4,
        context_tokens: 5,
        context: None,
        extra: json!({"kept": "no", "warnings": ["w"]}).as_object().cloned().unwrap_or_default(),
    }
}

fn reply() -> AvpReply {
    AvpReply { session_id: Some(SessionId::from_peer("s").unwrap()), kept: true, reason: None }
}

#[test]
fn a_whole_answer() {
    let completion = Completion { id: "chatcmpl-1".into(), created: 7, model: "m".into() };
    let body = completion.body(&answer(), &reply());
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "Two\nlines", "refusal": null},
            "logprobs": null, "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        "avp": {"kept": true, "warnings": ["w"], "session_id": "s", "context_tokens": 5},
    });
    assert_eq!(body, expected);
    assert_eq!(completion.body(&answer(), &AvpReply::default())["avp"]["session_id"], Value::Null);
    let unkept = AvpReply { reason: Some("no room"), ..AvpReply::default() };
    let avp = &completion.body(&answer(), &unkept)["avp"];
    assert_eq!((&avp["kept"], &avp["reason"]), (&json!(false), &json!("no room")));
    let (one, two) = (Completion::new("m").unwrap(), Completion::new("m").unwrap());
    assert_ne!(one.id, two.id);
    assert!(one.id.starts_with("chatcmpl-") && one.created > 1_600_000_000);
}

/// The data of a stream's events.
fn events(stream: &str) -> Vec<&str> {
    let events: Vec<_> = stream.split_terminator("\n\n").collect();
    events.into_iter().map(|event| event.strip_prefix("data: ").unwrap()).collect()
}

#[test]
fn a_streamed_answer() {
    let completion = Completion { id: "chatcmpl-1".into(), created: 7, model: "m".into() };
    for include_usage in [false, true] {
        let stream = EventStream::new(completion.clone(), include_usage);
        let text = stream.begin()
            + &stream.piece("Two\n\n")
            + &stream.piece("data: x")
            + &stream.end(&answer(), &reply());
        let events = events(&text);
        assert_eq!(events.last(), Some(&"[DONE]"));
        let chunks: Vec<Value> =
            events[..events.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
        assert_eq!(chunks.len(), 4 + usize::from(include_usage));
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!(
                (&chunk["id"], &chunk["created"], &chunk["model"]),
                (&json!("chatcmpl-1"), &json!(7), &json!("m"))
            );
            assert_eq!(chunk.get("usage").is_some(), include_usage);
        }
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks[1]["choices"][0]["delta"], json!({"content": "Two\n\n"}));
        assert_eq!(chunks[2]["choices"][0]["delta"], json!({"content": "data: x"}));
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[3]["avp"]["context_tokens"], 5);
        if include_usage {
            assert_eq!((&chunks[4]["choices"], &chunks[4]["usage"]["total_tokens"]), (&json!([]), &json!(7)));
        }
    }
    let stream = EventStream::new(completion, false);
    let failed = stream.error(&ChatError::from(Refusal::new(503, "busy", "m")));
    let events = events(&failed);
    assert_eq!(serde_json::from_str::<Value>(events[0]).unwrap()["error"]["code"], "busy");
    assert_eq!(events[1..], ["[DONE]"]);
}

struct Named(&'static str, ModelIdentity);

impl Agent for Named {
    fn agent_id(&self) -> &str {
        self.0
    }
    fn identity(&self) -> &ModelIdentity {
        &self.1
    }
    fn answers(&self) -> bool {
        false
    }
    fn receive(&self, _: &Received, _: Option<&Session>) -> Result<serde_json::Map<String, Value>> {
        Ok(serde_json::Map::new())
    }
}

#[test]
fn models_are_listed_once() {
    for (agent_id, model_id, names) in
        [("a", "m", vec!["m", "a"]), ("m", "m", vec!["m"]), ("", "m", vec!["m"]), ("a", "", vec!["a"])]
    {
        let agent = Named(agent_id, ModelIdentity { model_id: model_id.into(), ..Default::default() });
        assert_eq!(model_names(&agent), names);
        let list = models(&agent, 7);
        assert_eq!((&list["object"], &list["data"][0]["created"]), (&json!("list"), &json!(7)));
        assert_eq!(list["data"].as_array().map(Vec::len), Some(names.len()));
    }
}

/// Values of all types, some of them right.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&["user", "text", "auto", "", "é😀"][..]).prop_map(Value::from),
    ];
    let names =
        prop::sample::select(&["role", "content", "type", "text", "session_id", "keep", "tool_calls"][..]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = prop::collection::vec((names.clone().prop_map(str::to_owned), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const NAMES: [&str; 22] = [
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "avp",
    "n",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "logprobs",
    "logit_bias",
    "presence_penalty",
    "modalities",
    "audio",
];

proptest! {
    #[test]
    fn bytes_never_panic(body: Vec<u8>, header in prop::option::of(".*")) {
        let _ = ChatRequest::parse(&body, header.as_deref());
    }

    #[test]
    fn wrong_types_never_panic_and_are_named(name in prop::sample::select(&NAMES[..]), value in values()) {
        match parse(json!({name: value})) {
            Ok(request) => {
                prop_assert!(request.temperature.is_none_or(|t| (0.0..=2.0).contains(&t)));
                prop_assert!(request.top_p.is_none_or(|p| p > 0.0 && p <= 1.0));
                prop_assert!(request.max_tokens != Some(0) && request.stop.len() <= MAX_STOPS);
                prop_assert!(!request.messages.is_empty());
            }
            Err(error) => {
                prop_assert_eq!(error.status, 400);
                prop_assert!(error.param.is_some_and(|param| param.starts_with(name)));
            }
        }
    }

    #[test]
    fn contents_arrive_and_are_never_in_errors(content in "[a-zé😀\\\\\"\n]{12,40}", wrong in prop::sample::select(&NAMES[11..17])) {
        let messages = json!([{"role": "user", "content": content}]);
        let request = parse(json!({"messages": messages})).unwrap();
        prop_assert_eq!(&request.messages[0].1, &content);
        let error = parse(json!({"messages": messages, wrong: content})).unwrap_err();
        prop_assert!(!error.message.contains(&content));
    }

    #[test]
    fn a_text_comes_through_a_stream_as_it_was(pieces in prop::collection::vec("\\PC*|[\r\n:]*", 0..8)) {
        let completion = Completion { id: "i".into(), created: 0, model: "m".into() };
        let stream = EventStream::new(completion, false);
        let written: String = pieces.iter().map(|piece| stream.piece(piece)).collect();
        let mut text = String::new();
        for data in events(&written) {
            let chunk: Value = serde_json::from_str(data).unwrap();
            text.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap());
        }
        prop_assert_eq!(text, pieces.concat());
    }
}
