//! Two processes say who they are over a pipe and find the way to talk that their models allow, each by itself.
//!
//! Run with `cargo run -p avp --features model --example 05_two_processes`. It starts itself a second time for each pair: the
//! first process reads some facts, the second one is asked about them and has nothing but what came over the pipe.

use std::error::Error;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};

use avp::model::{
    Connector, Context, GenerateOptions, LoadOptions, Prompt, Route, Runtime, Sampling, ThinkOptions,
    project_context,
};
use avp::session::json::{Json, JsonLimits};
use avp::session::{
    Hello, ModelIdentity, Resolution, ResolutionPath, SessionMode, TextMessage, Vocabulary, resolve,
    tokenizer_hash,
};
use avp::transfer::{CalibratedModel, MapModel, ProjectionMap, calibrate};
use avp::weights::pocket::{POCKET_MODELS, PocketModel};
use avp::weights::registry;
use avp::wire::{Encoder, Limits};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const FACTS: &str = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea. Take a note.";
const QUESTION: &str = "What can Ann buy?";
/// What the agent that says nothing of its model runs.
const STRANGER: &str = "pocket-b";
/// Longest frame on the pipe; a cache of these models takes some 100 KB.
const MAX_FRAME: u32 = 64 << 20;

fn main() -> Outcome {
    match std::env::args().nth(1).as_deref() {
        Some("--answer") => answer(&std::env::args().nth(2).unwrap_or_default()),
        _ => {
            for (ours, theirs) in [
                ("pocket-a", "pocket-a"),
                ("pocket-a", "pocket-b"),
                ("pocket-a", "pocket-c"),
                ("pocket-a", ""),
            ] {
                if !theirs.is_empty() && registry::resolve(theirs).is_err() {
                    println!("{ours} → {theirs}: not in this program\n");
                    continue;
                }
                ask(ours, theirs)?;
            }
            Ok(())
        }
    }
}

/// The first process: reads the facts, and hands over what it can.
fn ask(ours: &str, theirs: &str) -> Outcome {
    let model = open(ours)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--answer", theirs])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipe".into());
    };
    println!(
        "{ours} → {}",
        if theirs.is_empty() { "an agent that says nothing of its model" } else { theirs }
    );

    // 1. Hellos. Each side says what its model is, by hashes.
    let hello =
        Hello { agent_id: "reader".into(), identity: Some(model.identity().clone()), ..Hello::default() };
    let hello = hello.to_json().to_string();
    send(&mut to, hello.as_bytes())?;
    let reply = receive(&mut from)?;
    println!("  wire   hello {} B ⇄ hello {} B", hello.len(), reply.len());
    let peer = Hello::from_text(&reply)?.identity.unwrap_or_default();

    // 2. Six rules; both sides come to the same end. The id of the session is the one that we drew.
    let session = agree(model.identity(), &peer)?;
    send(&mut to, session.session_id.to_string().as_bytes())?;
    println!("  mode   {} by {} {}", session.mode.as_str(), session.path.as_str(), session.avp_map_id);

    // 3. What the rules allow.
    let route = Route {
        session_id: session.session_id.to_string(),
        source_agent_id: "reader".into(),
        ..Route::default()
    };
    let (what, message) = match (session.mode, session.path) {
        (SessionMode::Json, _) => {
            let text = TextMessage {
                session_id: route.session_id,
                source_agent_id: route.source_agent_id,
                content: FACTS.to_owned(),
                ..TextMessage::default()
            };
            ("text", text.to_json().to_string().into_bytes())
        }
        // The same model: its cache, as it is.
        (_, ResolutionPath::HashMatch | ResolutionPath::StructuralMatch) => {
            let thought = model.think(&FACTS.into(), ThinkOptions { steps: 5, ..ThinkOptions::default() })?;
            ("cache", thought.context.to_bytes(&Encoder::new(), &route)?)
        }
        // Another model: the sender projects its last hidden states onto the peer's input embeddings.
        _ => {
            const VECTORS: usize = 5;
            let options = ThinkOptions { steps: 5, states: VECTORS, ..ThinkOptions::default() };
            let thought = model.think(&FACTS.into(), options)?;
            let map = map_to(&model, &peer)?;
            let projected = project_context(&model, &thought.context, &map, VECTORS, &session.avp_map_id)?;
            ("projected states", projected.to_bytes(&Encoder::new(), &route)?)
        }
    };
    send(&mut to, &message)?;
    println!("  wire   {what} {} B", message.len());

    // 4. The answer comes as text. Beside it, what the peer's model says when it gets nothing but the question.
    let reply = receive(&mut from)?;
    println!("  wire   text {} B", reply.len());
    println!("  asked  {QUESTION}\n  answer {}", TextMessage::from_text(&reply)?.content);
    println!(
        "  alone  {}\n",
        write(&open(if theirs.is_empty() { STRANGER } else { theirs })?, QUESTION, None)?
    );
    drop(to);
    child.wait()?;
    Ok(())
}

/// The second process. Without a model's name it is one that says nothing of its model.
fn answer(name: &str) -> Outcome {
    let model = open(if name.is_empty() { STRANGER } else { name })?;
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let peer = Hello::from_text(&receive(&mut from)?)?.identity.unwrap_or_default();
    let identity = (!name.is_empty()).then(|| model.identity().clone());
    let hello = Hello { agent_id: "writer".into(), identity: identity.clone(), ..Hello::default() };
    send(&mut to, hello.to_json().to_string().as_bytes())?;

    let session = agree(&peer, &identity.unwrap_or_default())?;
    let session_id = String::from_utf8(receive(&mut from)?)?;
    let message = receive(&mut from)?;
    let (prompt, context) = match session.mode {
        SessionMode::Json => (format!("{} {QUESTION}", TextMessage::from_text(&message)?.content), None),
        SessionMode::Latent => {
            let received = Context::from_bytes(&message, Limits::default())?;
            // What was projected must have been projected as agreed.
            if received.context.avp_map_id() != session.avp_map_id || received.route.session_id != session_id
            {
                return Err("another session's message".into());
            }
            (QUESTION.to_owned(), Some(received.context))
        }
    };
    let content = write(&model, &prompt, context)?;
    let reply =
        TextMessage { session_id, source_agent_id: "writer".into(), content, ..TextMessage::default() };
    send(&mut to, reply.to_json().to_string().as_bytes())?;
    Ok(())
}

fn write(model: &Runtime, prompt: &str, context: Option<Context>) -> avp::Result<String> {
    let options = GenerateOptions {
        context,
        sampling: Sampling::greedy(),
        max_tokens: 12,
        ..GenerateOptions::default()
    };
    Ok(model.generate(&Prompt::from(prompt), options, &mut |_| ControlFlow::Continue(()))?.text)
}

fn open(name: &str) -> avp::Result<Runtime> {
    Runtime::open(registry::resolve(name)?, LoadOptions::default(), &mut |_, _| ())
}

/// What reader and writer agree on. Vocabularies don't travel: each side looks for them among the models that it has, by the
/// hash of the tokenizer. No stored maps, so that every run ends the same.
fn agree(reader: &ModelIdentity, writer: &ModelIdentity) -> Outcome<Resolution> {
    let of = |identity: &ModelIdentity| -> Outcome<Option<Vocabulary<'static>>> {
        let found = known(|known| known.tokenizer_hash == identity.tokenizer_hash)?;
        Ok(found.map(|(_, vocabulary)| vocabulary))
    };
    let vocabularies = (of(reader)?, of(writer)?);
    let vocabularies = match &vocabularies {
        (Some(reader), Some(writer)) => Some((reader, writer)),
        _ => None,
    };
    Ok(resolve(reader, writer, &(), vocabularies)?)
}

/// The model that is here and of which that holds, and its tokens. Only its small files are read.
fn known(
    holds: impl Fn(&ModelIdentity) -> bool,
) -> Outcome<Option<(&'static PocketModel, Vocabulary<'static>)>> {
    for model in &POCKET_MODELS {
        let text = |name| std::str::from_utf8(model.file(name).unwrap_or_default());
        let config = Json::parse(text("config.json")?, &JsonLimits::CONFIG)?;
        let tokens = Vocabulary::from_tokenizer_text(text("tokenizer.json")?)?.unwrap_or_default();
        let mut identity = ModelIdentity::from_config(&config)?.identity;
        identity.tokenizer_hash = tokenizer_hash(&tokens);
        if holds(&identity) {
            return Ok(Some((model, tokens)));
        }
    }
    Ok(None)
}

/// The map from our model to the peer's, whose embedding and tokens are here as well.
fn map_to(model: &Runtime, peer: &ModelIdentity) -> Outcome<ProjectionMap> {
    let found = known(|known| known.model_hash == peer.model_hash)?;
    let (known, theirs) = found.ok_or("no model with that hash here")?;
    let (name, ours) = ("model.embed_tokens.weight", model.vocabulary()?);
    let weights = registry::resolve(known.name)?.weights()?;
    let mut embedding = vec![0.0; weights.info(name).ok_or("no embedding")?.len()];
    weights.read_f32(name, &mut embedding)?;
    let side = |identity: &ModelIdentity| MapModel {
        model_id: identity.model_id.clone(),
        hash: identity.model_hash.clone(),
        dim: identity.hidden_dim as usize,
    };
    let source = CalibratedModel { model: side(model.identity()), vocabulary: &ours };
    let target = CalibratedModel { model: side(peer), vocabulary: &theirs };
    Ok(calibrate(&source, &target, &embedding)?)
}

/// A frame: four bytes of length, and that many bytes.
fn send(pipe: &mut impl Write, frame: &[u8]) -> Outcome {
    pipe.write_all(&u32::try_from(frame.len())?.to_le_bytes())?;
    pipe.write_all(frame)?;
    Ok(pipe.flush()?)
}

fn receive(pipe: &mut impl Read) -> Outcome<Vec<u8>> {
    let mut len = [0; 4];
    pipe.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len);
    if len > MAX_FRAME {
        return Err(format!("a frame of {len} bytes").into());
    }
    let mut frame = Vec::new();
    pipe.take(len.into()).read_to_end(&mut frame)?;
    Ok(frame)
}
