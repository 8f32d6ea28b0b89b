//! The agent alone, without HTTP.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use avp::ErrorClass;
use avp::context::{ContextMessage, ContextState};
use avp::model::{Connector as _, Context, HiddenStates, KvCache};
use avp::serving::{KnownVocabularies, MAX_LATENT_STEPS};
use avp::session::{Hello, ModelIdentity, ResolutionPath, SessionMode, TextMessage};
use avp::transport::agent::Prompt;
use avp::transport::{Agent as _, Question, Received};
use avp::wire::{DataType, Encoder, Limits, Metadata, Mode};
use serde_json::json;

use super::{ANSWER, FACTS, Outcome, QUESTION, agent, ask, pocket, projected, received, session, think};

fn text(content: &str) -> Prompt {
    Prompt::Text(TextMessage { content: content.into(), ..TextMessage::default() })
}

fn question(content: &str) -> Question {
    Question { prompt: text(content), max_tokens: Some(12), ..Question::default() }
}

#[test]
fn an_answer_stands_on_the_context() -> Outcome {
    let (agent, reader) = (agent("pocket-a")?, pocket("pocket-a")?);
    let session = session(&agent, Some(reader.identity()))?;
    assert_eq!(session.mode, SessionMode::Latent);
    let context = think(&reader, 1, 1)?;
    let message = received(&context)?;
    let facts = agent.receive(&message, Some(&session))?;
    assert_eq!((&facts["payload_type"], &facts["usable"]), (&json!("KV_CACHE"), &json!(true)));
    assert_eq!((&facts["seq_len"], &facts["num_steps"]), (&json!(context.seq_len()), &json!(1)));

    let behind = Question { context: Some(message), session: Some(session), ..question(QUESTION) };
    let (answer, pieces) = ask(&agent, behind.clone())?;
    assert!(answer.content.ends_with(ANSWER), "{}", answer.content);
    assert_eq!((answer.finish, answer.context_tokens), ("stop", context.seq_len() as u64));
    assert_eq!(pieces.concat(), answer.content);
    assert!(answer.context.is_none() && answer.prompt_tokens > 0 && answer.completion_tokens > 0);
    let (alone, _) = ask(&agent, question(QUESTION))?;
    assert!(!alone.content.ends_with(ANSWER), "{}", alone.content);
    assert_eq!(alone.context_tokens, 0);

    // The same once more: a text message is answered greedily. Latent steps and a seed change nothing about that.
    assert_eq!(ask(&agent, Question { seed: Some(7), ..behind.clone() })?.0.content, answer.content);
    let (thought, _) = ask(&agent, Question { latent_steps: 1, ..behind.clone() })?;
    assert!(!thought.content.is_empty());
    // The reader has enough.
    let mut pieces = 0;
    let cut = agent.answer(behind, &mut |_| {
        pieces += 1;
        ControlFlow::Break(())
    })?;
    assert_eq!((cut.finish, pieces), ("cancelled", 1));
    Ok(())
}

#[test]
fn an_answer_leaves_a_context_that_others_go_on_from() -> Outcome {
    let agent = agent("pocket-a")?;
    let own = session(&agent, Some(agent.identity()))?;
    let (noted, _) =
        ask(&agent, Question { keep: true, session: Some(Arc::clone(&own)), ..question(FACTS) })?;
    let kept = noted.context.ok_or("no context")?;
    let kept = Arc::new(Received::decode(kept, Limits::default())?);
    assert_eq!((&*kept.metadata.session_id, &*kept.metadata.source_agent_id), (own.id.as_str(), "pocket-a"));
    assert_eq!(agent.receive(&kept, Some(&own))?["usable"], true);
    let chat = Prompt::Chat(vec![("user".into(), QUESTION.into())]);
    let behind = Question {
        prompt: chat,
        temperature: Some(0.0),
        context: Some(kept),
        session: Some(own),
        ..question("")
    };
    let (answer, _) = ask(&agent, behind)?;
    assert!(answer.content.ends_with(ANSWER), "{}", answer.content);
    assert_eq!(answer.context_tokens, noted.prompt_tokens + noted.completion_tokens - 1);
    Ok(())
}

#[test]
fn chats_are_drawn_and_repeat_by_their_seed() -> Outcome {
    let agent = agent("pocket-a")?;
    let drawn = |seed, temperature| {
        let chat = Prompt::Chat(vec![("user".into(), QUESTION.into())]);
        let question = Question { prompt: chat, seed, temperature, top_p: Some(1.0), ..question("") };
        ask(&agent, question).map(|(answer, _)| answer.content)
    };
    assert_eq!(drawn(Some(7), Some(2.0))?, drawn(Some(7), Some(2.0))?);
    // Fresh seeds: that 24 drawn texts are one and the same would be a wonder.
    let texts: HashSet<String> = (0..24).map(|_| drawn(None, Some(2.0))).collect::<avp::Result<_>>()?;
    assert!(texts.len() > 1);
    assert!(drawn(None, Some(f32::NAN)).is_err() && drawn(None, Some(-1.0)).is_err());
    Ok(())
}

#[test]
fn answers_are_bounded() -> Outcome {
    let agent = agent("pocket-a")?;
    let (whole, _) = ask(&agent, question(&format!("{FACTS} {QUESTION}")))?;
    let words: Vec<&str> = whole.content.split(' ').collect();
    assert!(words.len() > 1, "{}", whole.content);
    let (first, _) =
        ask(&agent, Question { max_tokens: Some(1), ..question(&format!("{FACTS} {QUESTION}")) })?;
    assert_eq!((first.finish, first.completion_tokens), ("length", 1));
    // A text that ends it, which is no part of it.
    let stop = vec![words[1].to_owned()];
    let (stopped, pieces) = ask(&agent, Question { stop, ..question(&format!("{FACTS} {QUESTION}")) })?;
    assert_eq!((&*stopped.content, stopped.finish), (words[0], "stop"));
    assert_eq!(pieces.concat(), words[0]);

    // More tokens than the window has are not written, and a prompt beyond it is refused.
    let (long, _) = ask(&agent, Question { max_tokens: Some(u64::MAX), ..question(QUESTION) })?;
    assert!(long.prompt_tokens + long.completion_tokens <= 512);
    let error = ask(&agent, question(&FACTS.repeat(30))).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::LimitExceeded, "prompt"));
    for latent_steps in [MAX_LATENT_STEPS + 1, u32::MAX] {
        let error = ask(&agent, Question { latent_steps, ..question(QUESTION) }).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::InvalidArgument, "latent_steps"));
    }
    let error = ask(&agent, Question { latent_steps: MAX_LATENT_STEPS, ..question(QUESTION) }).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::LimitExceeded, "prompt"));
    Ok(())
}

#[test]
fn another_models_context_is_refused_where_one_was_agreed() -> Outcome {
    let (agent, other) = (agent("pocket-a")?, pocket("pocket-b")?);
    let foreign = received(&think(&other, 1, 1)?)?;
    let states = received(&think(&other, 1, 1)?.without_cache())?;
    let class = |message: &Received, session| agent.receive(message, session).map_err(|error| error.class);
    // By hash, and by a map that was not applied.
    let same = session(&agent, Some(agent.identity()))?;
    let cross = session(&agent, Some(other.identity()))?;
    assert_eq!(cross.avp_map_id.split(':').next(), Some("vocab"));
    for (message, session) in [(&foreign, &same), (&states, &same), (&foreign, &cross), (&states, &cross)] {
        assert_eq!(class(message, Some(session)), Err(ErrorClass::IncompatibleModels));
    }
    // Where none was agreed it is acknowledged, and left out of answers.
    let json_session = session(&agent, None)?;
    assert_eq!(json_session.mode, SessionMode::Json);
    for session in [None, Some(&*json_session)] {
        assert_eq!(agent.receive(&foreign, session)?["usable"], false);
    }
    let question = Question { context: Some(foreign), ..question(QUESTION) };
    let (answer, _) = ask(&agent, Question { session: Some(json_session), ..question.clone() })?;
    assert_eq!(answer.context_tokens, 0);
    assert!(answer.extra["warnings"][0].as_str().is_some_and(|warning| warning.contains("left out")));
    let error = ask(&agent, Question { session: Some(same), ..question }).unwrap_err();
    assert_eq!(error.class, ErrorClass::IncompatibleModels);
    Ok(())
}

#[test]
fn projected_states_are_taken_as_agreed() -> Outcome {
    let (agent, reader, writer) = (agent("pocket-b")?, pocket("pocket-a")?, pocket("pocket-b")?);
    let session = session(&agent, Some(reader.identity()))?;
    let context = projected(&reader, &writer, &session.avp_map_id)?;
    let message = received(&context)?;
    let facts = agent.receive(&message, Some(&session))?;
    assert_eq!((&facts["payload_type"], &facts["usable"]), (&json!("HIDDEN_STATE"), &json!(true)));
    let behind =
        Question { context: Some(message), session: Some(Arc::clone(&session)), ..question(QUESTION) };
    let (answer, _) = ask(&agent, behind)?;
    assert_eq!(answer.context_tokens, 5);
    assert_ne!(answer.content, ask(&agent, question(QUESTION))?.0.content);
    // Of no session it is what its hash says.
    assert_eq!(agent.receive(&*received(&context)?, None)?["usable"], true);
    let states = context.hidden_states().ok_or("no states")?;
    assert_eq!(agent.receive(&message_of(states, 96, &session.avp_map_id)?, None)?["usable"], false);
    // By another map, and of another width.
    let other = received(&projected(&reader, &writer, "vocab:0000000000000000")?)?;
    let error = agent.receive(&other, Some(&session)).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::IncompatibleModels, "metadata.avp_map_id"));
    let states = HiddenStates { values: vec![0.5; 128], dtype: DataType::Float32, seq_len: 1 };
    let wide = message_of(&states, 128, &session.avp_map_id)?;
    let error = agent.receive(&wide, Some(&session)).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::IncompatibleModels, "context.hidden_dim"));
    // Not finite.
    let states = HiddenStates { values: vec![f32::NAN; 96], ..states };
    let broken = Arc::new(message_of(&states, 96, &session.avp_map_id)?);
    let behind = Question { context: Some(broken), session: Some(session), ..question(QUESTION) };
    assert_eq!(ask(&agent, behind).unwrap_err().class, ErrorClass::Projection);
    Ok(())
}

/// A message of hidden states that says no more of its model than the map.
fn message_of(states: &HiddenStates, width: u32, map_id: &str) -> avp::Result<Received> {
    let rows = states.values.len() as u32 / width;
    let metadata = Metadata {
        hidden_dim: width,
        tensor_shape: vec![rows, width],
        avp_map_id: map_id.into(),
        ..Metadata::default()
    };
    let payload = avp::tensor::encode_f32(&states.values, states.dtype)?;
    Received::decode(Encoder::new().encode(&metadata, &payload)?, Limits::default())
}

#[test]
fn contexts_that_no_model_can_use_are_refused_at_once() -> Outcome {
    let (agent, reader) = (agent("pocket-a")?, pocket("pocket-a")?);
    let session = session(&agent, Some(reader.identity()))?;
    let context = think(&reader, 0, 1)?;
    let judged = |context: &Context| {
        let error = agent.receive(&*received(context)?, Some(&session)).err();
        Ok::<_, avp::Error>(error.map(|error| (error.class, error.field)))
    };
    assert_eq!(judged(&context)?, None);
    // Another number of layers, and a cache as long as the window.
    let cache = context.cache().ok_or("no cache")?;
    let mut layers: Vec<[Vec<f32>; 2]> = Vec::new();
    for index in 0..cache.num_layers() {
        layers.push(cache.read_layer(index)?.ok_or("no layer")?);
    }
    let long = longer(cache, &layers, 512)?;
    assert_eq!(
        judged(&context.clone().with_cache(long))?,
        Some((ErrorClass::LimitExceeded, "context.seq_len"))
    );
    let fits = longer(cache, &layers, 511)?;
    assert_eq!(judged(&context.clone().with_cache(fits))?, None);
    // States, of which those that no map has projected are worked through one by one.
    for (rows, field) in [(511, None), (512, Some("context.seq_len")), (513, Some("context.hidden_states"))] {
        let states = HiddenStates { values: vec![0.5; rows * 128], dtype: DataType::Float32, seq_len: 1 };
        let found = judged(&context.clone().with_hidden_states(states))?;
        assert_eq!(found, field.map(|field| (ErrorClass::LimitExceeded, field)), "{rows}");
    }
    // One that passes for a cache, and from which nothing can be computed.
    let broken = layers.iter().map(|layer| layer.each_ref().map(|values| vec![f32::NAN; values.len()]));
    let broken = context.clone().with_cache(cache.with_layers(&broken.collect::<Vec<_>>())?);
    for latent_steps in [0, 2] {
        let behind = Question { context: Some(received(&broken)?), latent_steps, ..question(QUESTION) };
        assert_eq!(ask(&agent, behind).unwrap_err().class, ErrorClass::Projection);
    }
    let flat: Vec<u8> = vec![0; 8];
    let short = ContextMessage {
        model_hash: reader.identity().model_hash.clone(),
        model_family: String::new(),
        model_id: String::new(),
        session_id: String::new(),
        source_agent_id: String::new(),
        target_agent_id: String::new(),
        hidden_dim: 0,
        num_layers: 0,
        num_steps: 0,
        state: ContextState::Hidden {
            states: avp::TensorView::new(DataType::Float32, &[1, 2], &flat)?,
            seq_len: 9,
        },
    };
    let short = Received::decode(short.to_bytes(&Encoder::new())?, Limits::default())?;
    let error = agent.receive(&short, Some(&session)).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::IncompatibleModels, "context.hidden_dim"));
    // What is no context at all is none of this agent's business.
    let metadata = Metadata { mode: Mode::Json, tensor_shape: vec![8], ..Metadata::default() };
    let other = Received::decode(Encoder::new().encode(&metadata, &[0; 32])?, Limits::default())?;
    let facts = agent.receive(&other, Some(&session))?;
    assert_eq!(json!(facts), json!({"payload_type": "HIDDEN_STATE", "mode": "JSON", "payload_bytes": 32}));
    // Latent, and of no shape that a context has.
    let metadata = Metadata { tensor_shape: vec![8], ..Metadata::default() };
    let vector = Received::decode(Encoder::new().encode(&metadata, &[0; 32])?, Limits::default())?;
    assert_eq!(agent.receive(&vector, None)?["usable"], false);
    assert_eq!(agent.receive(&vector, Some(&session)).unwrap_err().class, ErrorClass::ShapeMismatch);
    Ok(())
}

/// A cache of so many positions, zeros behind its own.
fn longer(cache: &KvCache, layers: &[[Vec<f32>; 2]], len: usize) -> avp::Result<KvCache> {
    let (own, width) = (cache.len(), cache.head_dim());
    let stretch = |values: &Vec<f32>| {
        let heads = values.chunks_exact(own * width);
        heads
            .flat_map(|head| head.iter().copied().chain(vec![0.0; (len - own) * width]))
            .collect::<Vec<f32>>()
    };
    let layers: Vec<[Vec<f32>; 2]> = layers.iter().map(|layer| layer.each_ref().map(stretch)).collect();
    cache.with_layers(&layers)
}

#[test]
fn a_message_that_says_nothing_is_of_the_model_that_its_sender_has() -> Outcome {
    let (agent, reader) = (agent("pocket-a")?, pocket("pocket-a")?);
    let silent = think(&reader, 0, 1)?.without_cache();
    let states = silent.hidden_states().ok_or("no states")?;
    let message = message_of(states, 128, "")?;
    assert_eq!(agent.receive(&message, None)?["usable"], false);
    assert_eq!(agent.receive(&message, Some(&*session(&agent, Some(reader.identity()))?))?["usable"], true);
    // One of the same shape and another hash is another model, unless its shape alone is asked for.
    let twin = ModelIdentity { model_hash: "ab".repeat(32), ..reader.identity().clone() };
    let structural = session(&agent, Some(&twin))?;
    assert_eq!(structural.mode, SessionMode::Latent);
    let error = agent.receive(&message, Some(&structural)).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::IncompatibleModels, "context.model_hash"));
    let lenient = super::agent("pocket-a")?.accept_structural(true);
    assert_eq!(lenient.receive(&message, Some(&structural))?["usable"], true);
    Ok(())
}

#[test]
fn the_rules_go_by_what_is_known_here() -> Outcome {
    let (a, b, c) = (pocket("pocket-a")?, pocket("pocket-b")?, pocket("pocket-c")?);
    let agent = agent("pocket-a")?.named("writer");
    assert_eq!((agent.agent_id(), agent.identity()), ("writer", a.identity()));
    assert!(agent.answers());
    let path = |agent: &avp::serving::ModelAgent, peer: &ModelIdentity| {
        let hello = Hello { identity: Some(peer.clone()), ..Hello::default() };
        agent.resolve(&hello).map(|resolution| (resolution.path, resolution.avp_map_id))
    };
    assert_eq!(path(&agent, a.identity())?.0, ResolutionPath::HashMatch);
    assert_eq!(path(&agent, b.identity())?.0, ResolutionPath::SharedTokenizer);
    assert_eq!(path(&agent, c.identity())?, (ResolutionPath::VocabOverlap, "vocab_overlap:555".to_owned()));
    // The map of this user that leads here from the peer's model; the other way round is of no use.
    let [ours, theirs] = [&a, &c].map(|model| model.identity().model_hash.clone());
    let agent = agent.with_vocabularies(KnownVocabularies::default());
    assert_eq!(path(&agent, c.identity())?.0, ResolutionPath::JsonFallback);
    let back = HashSet::from([(ours.clone(), theirs.clone())]);
    let agent = agent.with_maps(back);
    assert_eq!(path(&agent, c.identity())?.0, ResolutionPath::JsonFallback);
    let agent = agent.with_maps(HashSet::from([(theirs, ours)]));
    assert_eq!(path(&agent, c.identity())?.0, ResolutionPath::AvpMapFile);
    assert_eq!(agent.resolve(&Hello::default())?.path, ResolutionPath::JsonFallback);
    Ok(())
}
