//! A model behind the binding: what an agent with one accepts, refuses and answers, by itself and through real sockets.

mod agent;
mod chat;
#[path = "../../examples/06_over_http.rs"]
#[expect(dead_code, reason = "its main prints what is tested here")]
mod example;
#[cfg(all(feature = "cli", unix))]
mod serve;
mod server;
#[cfg(all(feature = "cli", unix))]
mod stopping;

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use avp::error::Result;
use avp::model::{
    Connector as _, Context, LoadOptions, Prompt, Route, Runtime, ThinkOptions, project_context,
};
use avp::serving::ModelAgent;
use avp::session::{Hello, ModelIdentity, NewSession, Session, SessionStore};
use avp::transfer::MapRegistry;
use avp::transport::{Agent as _, Answer, Question, Received};
use avp::weights::registry;
use avp::wire::{Encoder, Limits};

type Outcome = std::result::Result<(), Box<dyn Error>>;

const FACTS: &str = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea. Take a note.";
const QUESTION: &str = "What can Ann buy?";
const ANSWER: &str = "silk";

fn pocket(name: &str) -> Result<Runtime> {
    let runtime = Runtime::open(registry::resolve(name)?, LoadOptions::default(), &mut |_, _| ())?;
    Ok(runtime.with_maps(Arc::new(MapRegistry::in_memory())))
}

/// An agent that goes by no maps of this user.
fn agent(name: &str) -> Result<ModelAgent> {
    Ok(ModelAgent::new(Arc::new(pocket(name)?))?.with_maps(()))
}

/// What a model knows after the facts.
fn think(model: &Runtime, steps: u32, states: usize) -> Result<Context> {
    let options = ThinkOptions { steps, states, ..ThinkOptions::default() };
    Ok(model.think(&Prompt::from(FACTS), options)?.context)
}

/// The last states of the source after the facts, as input embeddings of the target.
fn projected(source: &Runtime, target: &Runtime, map_id: &str) -> Result<Context> {
    const VECTORS: usize = 5;
    let map = target.map_from(source)?.0;
    project_context(source, &think(source, 5, VECTORS)?, &map, VECTORS, map_id)
}

/// A context as a message of a session.
fn message(context: &Context, session_id: &str) -> Result<Vec<u8>> {
    let route =
        Route { session_id: session_id.to_owned(), source_agent_id: "reader".into(), ..Route::default() };
    context.to_bytes(&Encoder::new(), &route)
}

fn received(context: &Context) -> Result<Arc<Received>> {
    Ok(Arc::new(Received::decode(message(context, "")?, Limits::default())?))
}

/// The session that an agent opens with a peer of this identity.
fn session(agent: &ModelAgent, peer: Option<&ModelIdentity>) -> Result<Arc<Session>> {
    let hello = Hello { agent_id: "reader".into(), identity: peer.cloned(), ..Hello::default() };
    let resolution = agent.resolve(&hello)?;
    SessionStore::new().create(NewSession::from_resolution("writer", "reader", &resolution))
}

fn ask(agent: &ModelAgent, question: Question) -> Result<(Answer, Vec<String>)> {
    let mut pieces = Vec::new();
    let answer = agent.answer(question, &mut |piece| {
        pieces.push(piece.to_owned());
        ControlFlow::Continue(())
    })?;
    Ok((answer, pieces))
}
