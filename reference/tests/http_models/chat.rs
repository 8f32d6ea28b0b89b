//! Through real sockets: what OpenAI's clients send, and two of them that hand over.

use std::net::Ipv4Addr;
use std::sync::Arc;

use avp::transport::binding::{CHAT_PATH, MODELS_PATH, SESSION_HEADER};
use avp::transport::server::{Running, ServerOptions};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

use super::{ANSWER, FACTS, Outcome, QUESTION, agent};

struct Chats {
    server: Running,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

struct Told {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Told {
    fn json(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.text)
    }
}

impl Chats {
    fn start(options: ServerOptions) -> Result<Self, Box<dyn std::error::Error>> {
        let agent = agent("pocket-a")?.named("writer");
        let server = Running::start((Ipv4Addr::LOCALHOST, 0).into(), options, Arc::new(agent))?;
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { server, http, runtime })
    }

    fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Told> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Told { status, headers, text: response.text().await? })
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// A completion of these fields, greedy and short.
    fn ask(&self, content: &str, fields: Value) -> reqwest::Result<Told> {
        let mut body = json!({
            "model": "pocket-a", "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 12,
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.send(self.http.post(self.url(CHAT_PATH)).json(&body))
    }
}

fn content(body: &Value) -> &str {
    body["choices"][0]["message"]["content"].as_str().unwrap_or_default()
}

#[test]
fn a_completion_has_openais_form() -> Outcome {
    let chats = Chats::start(ServerOptions::default())?;
    let list = chats.send(chats.http.get(chats.url(MODELS_PATH)))?.json()?;
    let names: Vec<_> =
        list["data"].as_array().into_iter().flatten().map(|model| model["id"].as_str()).collect();
    assert_eq!(names, [Some("pocket-a"), Some("writer")]);
    let told = chats.ask(&format!("{FACTS} {QUESTION}"), json!({}))?;
    let body = told.json()?;
    assert_eq!((told.status, &body["object"]), (200, &json!("chat.completion")), "{}", told.text);
    assert!(content(&body).ends_with(ANSWER), "{body}");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let usage = |key: &str| body["usage"][key].as_u64().unwrap_or_default();
    assert!(usage("prompt_tokens") > 0 && usage("completion_tokens") > 0);
    assert_eq!(usage("total_tokens"), usage("prompt_tokens") + usage("completion_tokens"));
    assert_eq!(body["avp"], json!({"session_id": null, "context_tokens": 0, "kept": false}));
    // By the agent's name, cut short, and stopped by a text.
    let cut =
        chats.ask(&format!("{FACTS} {QUESTION}"), json!({"model": "writer", "max_tokens": 1}))?.json()?;
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    let first = content(&body).split(' ').next().unwrap_or_default();
    let stopped = chats.ask(&format!("{FACTS} {QUESTION}"), json!({"stop": [" "]}))?.json()?;
    assert_eq!((content(&stopped), &stopped["choices"][0]["finish_reason"]), (first, &json!("stop")));
    Ok(chats.server.stop()?)
}

#[test]
fn a_stream_says_the_same() -> Outcome {
    let chats = Chats::start(ServerOptions::default())?;
    let prompt = format!("{FACTS} {QUESTION}");
    let whole = chats.ask(&prompt, json!({}))?.json()?;
    let fields = json!({"stream": true, "stream_options": {"include_usage": true}});
    let told = chats.ask(&prompt, fields)?;
    assert_eq!(told.status, 200);
    assert!(told.headers[CONTENT_TYPE].to_str()?.starts_with("text/event-stream"));
    let (text, chunks) = read_stream(&told.text)?;
    assert_eq!(text, content(&whole));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let last = &chunks[chunks.len() - 1];
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
    assert!(chunks.len() > 4, "{}", told.text);
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]));
    Ok(chats.server.stop()?)
}

/// The text of a stream, and its chunks.
fn read_stream(events: &str) -> Result<(String, Vec<Value>), Box<dyn std::error::Error>> {
    let mut data = Vec::new();
    for event in events.split_terminator("\n\n") {
        data.push(event.strip_prefix("data: ").ok_or("an event without data")?);
    }
    assert_eq!(data.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = data.into_iter().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let pieces = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    Ok((pieces.collect(), chunks))
}

#[test]
fn two_agents_hand_over_by_the_session() -> Outcome {
    let chats = Chats::start(ServerOptions::default())?;
    for stream in [false, true] {
        // The first one reads the facts, and is told where its context is.
        let told =
            chats.ask(&format!("{FACTS} Take a note."), json!({"stream": stream, "avp": {"keep": true}}))?;
        let avp = match stream {
            false => told.json()?["avp"].clone(),
            true => read_stream(&told.text)?
                .1
                .into_iter()
                .find_map(|mut chunk| chunk.get_mut("avp").map(Value::take))
                .unwrap_or_default(),
        };
        assert_eq!((&avp["kept"], &avp["context_tokens"]), (&json!(true), &json!(0)), "{}", told.text);
        let session_id = avp["session_id"].as_str().ok_or("no session")?;
        assert_eq!(told.headers[SESSION_HEADER], session_id);
        // The second one names the session, in the body or in a header, and passes on no text.
        let answer = chats.ask(QUESTION, json!({"avp": {"session_id": session_id}}))?.json()?;
        assert!(content(&answer).ends_with(ANSWER), "{answer}");
        assert!(answer["avp"]["context_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
        let body = json!({
            "model": "writer", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 12,
            "stream": stream,
        });
        let request = chats.http.post(chats.url(CHAT_PATH)).json(&body).header(SESSION_HEADER, session_id);
        let told = chats.send(request)?;
        let text = if stream { read_stream(&told.text)?.0 } else { content(&told.json()?).to_owned() };
        assert_eq!(text, content(&answer));
    }
    let alone = chats.ask(QUESTION, json!({}))?.json()?;
    assert!(!content(&alone).ends_with(ANSWER), "{alone}");
    Ok(chats.server.stop()?)
}

#[test]
fn errors_have_openais_form() -> Outcome {
    let chats = Chats::start(ServerOptions { strict: true, ..ServerOptions::default() })?;
    for (fields, status, code) in [
        (json!({"model": "gpt-x"}), 404, "model_not_found"),
        (json!({"n": 2}), 400, "unsupported_parameter"),
        (json!({"temperature": 9}), 400, "invalid_value"),
        (json!({"messages": "x"}), 400, "invalid_value"),
        (json!({"avp": {"session_id": "nobody's"}}), 409, "session"),
        (json!({"avp": {"latent_steps": 100_000}}), 400, "invalid_argument"),
        (json!({"messages": [{"role": "user", "content": FACTS.repeat(40)}]}), 413, "limit_exceeded"),
    ] {
        let told = chats.ask(QUESTION, fields.clone())?;
        let error = &told.json()?["error"];
        assert_eq!((told.status, error["code"].as_str()), (status, Some(code)), "{fields}: {}", told.text);
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
        // OpenAI's clients repeat a 409 unless they are told not to.
        assert_eq!(told.headers.get("x-should-retry").and_then(|value| value.to_str().ok()), Some("false"));
    }
    let malformed = chats.send(chats.http.post(chats.url(CHAT_PATH)).body("{"))?;
    assert_eq!(
        (malformed.status, &malformed.json()?["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    // In a stream the status is out already, so the error comes as an event.
    let told = chats.ask(QUESTION, json!({"stream": true, "avp": {"latent_steps": 512}}))?;
    let (_, chunks) = match told.status {
        200 => read_stream(&told.text)?,
        _ => (String::new(), vec![told.json()?]),
    };
    assert!(chunks.iter().any(|chunk| chunk["error"]["code"] == "limit_exceeded"), "{}", told.text);
    Ok(chats.server.stop()?)
}
