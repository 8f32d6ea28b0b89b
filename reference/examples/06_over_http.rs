//! Two agents talk over HTTP: one reads some facts, the other one, a server, is asked about them.
//!
//! Run with `cargo run -p avp --features http,model --example 06_over_http`. Where both run the same model the server gets
//! what the reader knows, as a context; where their models have nothing in common the client falls back to text by itself.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use avp::model::{Connector as _, LoadOptions, Route, Runtime, ThinkOptions};
use avp::serving::ModelAgent;
use avp::transport::client::{ClientOptions, Delivered, Reply, Upload, blocking::Client};
use avp::transport::server::{Running, ServerOptions};
use avp::transport::tls::ServerTls;
use avp::weights::registry;
use avp::wire::Encoder;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const FACTS: &str = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea.";
const QUESTION: &str = "What can Ann buy?";

/// What came of a pair of agents.
#[derive(Debug)]
pub(crate) struct Talk {
    /// How they talked, and by which rule.
    pub(crate) mode: [&'static str; 2],
    /// What was handed over.
    pub(crate) delivered: Delivered,
    /// What the server said to it.
    pub(crate) said: serde_json::Value,
    /// What it answers, with what was handed over.
    pub(crate) answer: String,
    /// What it answers to the question alone.
    pub(crate) alone: String,
}

fn main() -> Outcome {
    for (reader, writer) in [("pocket-a", "pocket-a"), ("pocket-a", "pocket-c")] {
        let talk = talk(reader, writer)?;
        println!("{reader} → {writer}\n  mode   {} by {}", talk.mode[0], talk.mode[1]);
        match &talk.delivered {
            Delivered::Context => println!("  sent   a context: {}", talk.said),
            Delivered::Text { why } => println!("  sent   text, for: {why:?}"),
        }
        println!("  asked  {QUESTION}\n  answer {}\n  alone  {}\n", talk.answer, talk.alone);
    }
    Ok(())
}

/// A reader with one model, and a server with another one.
pub(crate) fn talk(reader: &str, writer: &str) -> Outcome<Talk> {
    // The server: any free port, a certificate of its own, the model behind it.
    let (tls, certificate) = ServerTls::development(&[])?;
    let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
    let agent = ModelAgent::new(Arc::new(open(writer)?))?.named("writer");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Running::start(address, options, Arc::new(agent))?;

    // The client trusts that certificate, and says who it is.
    let model = open(reader)?;
    let options = ClientOptions {
        agent_id: "reader".into(),
        identity: Some(model.identity().clone()),
        roots: vec![certificate.into_bytes()],
        ..ClientOptions::default()
    };
    let client = Client::new(&format!("https://{}", server.address()), options.clone())?;

    // It hands over its context if the rules allow it, else the facts in words, together with the question.
    let context = |_: &_| {
        let options = ThinkOptions { steps: 1, ..ThinkOptions::default() };
        let thought = model.think(&format!("{FACTS} Take a note.").as_str().into(), options)?;
        Ok(Upload::from(thought.context.to_bytes(&Encoder::new(), &Route::default())?))
    };
    let handed = client.hand_over(context, |_| Ok(format!("{FACTS} {QUESTION}")))?;
    let answer = match &handed.delivered {
        Delivered::Context => client.ask(QUESTION)?,
        Delivered::Text { .. } => handed.reply.clone(),
    };

    // The same question from somebody who has handed over nothing.
    let alone = Client::new(&format!("https://{}", server.address()), options)?.ask(QUESTION)?;
    server.stop()?;
    let content = |reply: &Reply| reply.content().unwrap_or_default().to_owned();
    let agreed = &handed.handshake.resolution;
    Ok(Talk {
        mode: [agreed.mode.as_str(), agreed.path.as_str()],
        answer: content(&answer),
        alone: content(&alone),
        said: handed.reply.body.into(),
        delivered: handed.delivered,
    })
}

fn open(name: &str) -> avp::Result<Runtime> {
    Runtime::open(registry::resolve(name)?, LoadOptions::default(), &mut |_, _| ())
}
