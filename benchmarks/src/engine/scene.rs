//! ITEM, ARM → WHAT HAPPENED: the agents' turns, timed.

use std::ops::ControlFlow;

use avp::model::{
    Connector as _, Context, Finish, GenerateOptions, HiddenStates, Prompt, Route, Runtime, ThinkOptions,
    project_context,
};
use avp::session::TextMessage;
use avp::wire::{DataType, Encoder, Limits};
use sha2::{Digest as _, Sha256};

use super::cast::{Cast, chat};
use super::clock::{Clock, Spent, milliseconds};
use super::disturbance::{directions, disturbed, length_matched};
use super::energy::Meter;
use super::mutation::Mutation;
use super::randomness::Purpose;
use crate::arm::{Arm, Cache, CacheKind, Rosetta, RosettaKind};
use crate::relay::Layout;
use crate::run_file::{RunFile, hex};
use crate::task::{Form, TaskItem};
use crate::trace::{AgentTrace, Ledger, Times};

/// The agent that reads first.
const READER: &str = "reader";
/// The agent that answers.
const ANSWERER: &str = "answerer";
/// The agent that does both.
const SOLO: &str = "solo";

/// One item under one arm.
pub(super) struct Scene<'a> {
    pub(super) cast: &'a Cast,
    pub(super) meter: &'a Meter,
    pub(super) file: &'a RunFile,
    pub(super) form: Form,
    pub(super) item: &'a TaskItem,
    /// The item whose context stands in where another one's is asked for.
    pub(super) foreign: Option<&'a TaskItem>,
    pub(super) layout: Layout,
    pub(super) arm: &'a Arm,
    pub(super) purpose: Purpose<'a>,
    pub(super) mutation: Option<Mutation>,
    /// Tokens of any text at most, where that is less than the run file says.
    pub(super) cut: usize,
}

/// What happened.
pub(super) struct Played {
    pub(super) agents: Vec<AgentTrace>,
    pub(super) reply: String,
    pub(super) finish: Finish,
    pub(super) spent: Spent,
    /// What the last agent read: its prompt, and the message before it.
    pub(super) last: LastTurn,
}

/// What the last agent read.
pub(super) struct LastTurn {
    pub(super) prompt: Vec<u32>,
    pub(super) message: Option<Vec<u8>>,
}

/// A message that was sent and read again.
pub(super) struct Received {
    pub(super) context: Context,
    pub(super) message: Vec<u8>,
    encode_ms: f64,
    decode_ms: f64,
}

/// A turn of an agent that hands over a cache.
struct Read {
    trace: AgentTrace,
    context: Context,
}

impl Scene<'_> {
    /// Plays it.
    pub(super) fn play(&self) -> avp::Result<Played> {
        let clock = Clock::start(self.meter);
        match self.arm {
            Arm::Direct => self.alone(clock, &self.form.direct_prompt(self.item)),
            Arm::PromptMatched => self.alone(clock, &self.form.last_prompt(self.item, Layout::Repeated)),
            Arm::NoContext => {
                let prompt = self.last_prompt()?;
                self.answer(clock, ANSWERER, prompt, None, Vec::new())
            }
            Arm::Cache(cache) => self.cache(clock, *cache),
            Arm::Text(other) => self.text(clock, other.as_ref().map(|other| other.name.as_str())),
            Arm::Rosetta(rosetta) => self.rosetta(clock, rosetta),
            Arm::Oracle => {
                let both = [self.first_prompt(self.answerer())?, self.last_prompt()?].concat();
                self.answer(clock, SOLO, both, None, Vec::new())
            }
        }
    }

    pub(super) fn answerer(&self) -> &Runtime {
        self.cast.answerer().1
    }

    pub(super) fn first_prompt(&self, model: &Runtime) -> avp::Result<Vec<u32>> {
        chat(model, &self.form.first_prompt(self.item))
    }

    pub(super) fn last_prompt(&self) -> avp::Result<Vec<u32>> {
        chat(self.answerer(), &self.form.last_prompt(self.item, self.layout))
    }

    /// The last prompt as it is read behind a context.
    pub(super) fn prompt_behind_a_context(&self) -> avp::Result<Vec<u32>> {
        let prompt = self.last_prompt()?;
        Ok(match self.mutation {
            Some(mutation) => mutation.of_prompt(prompt),
            None => prompt,
        })
    }

    /// The first prompt, or that of the foreign item, of as many tokens.
    fn first_prompt_or_foreign(
        &self,
        model: &Runtime,
        foreign: bool,
        clock: &mut Clock<'_>,
    ) -> avp::Result<Vec<u32>> {
        let own = self.first_prompt(model)?;
        if !foreign {
            return Ok(own);
        }
        let Some(other) = self.foreign else {
            unreachable!("a run whose arms take another context has one for every item");
        };
        clock.apart(|| Ok(length_matched(&own, &chat(model, &self.form.first_prompt(other))?)))
    }

    fn alone(&self, clock: Clock<'_>, prompt: &str) -> avp::Result<Played> {
        let tokens = chat(self.answerer(), prompt)?;
        self.answer(clock, SOLO, tokens, None, Vec::new())
    }

    fn cache(&self, mut clock: Clock<'_>, cache: Cache) -> avp::Result<Played> {
        let model = self.answerer();
        let foreign = cache.kind == CacheKind::Foreign;
        let prompt = self.first_prompt_or_foreign(model, foreign, &mut clock)?;
        let mut read = self.read((self.cast.answerer().0, model), prompt, cache.steps, 1, &mut clock)?;
        let mut random = self.purpose.stream(READER);
        let context = clock.apart(|| disturbed(model, read.context, cache, &mut random))?;
        let received = self.send(&context, &mut clock)?;
        read.trace.times.encode_ms = received.encode_ms;
        let prompt = self.prompt_behind_a_context()?;
        self.answer(clock, ANSWERER, prompt, Some(received), vec![read.trace])
    }

    fn rosetta(&self, mut clock: Clock<'_>, rosetta: &Rosetta) -> avp::Result<Played> {
        let name = rosetta.other.name.as_str();
        let Some((other, map)) = self.cast.other(name).and_then(|other| Some((other, other.map.as_ref()?)))
        else {
            unreachable!("the cast has every model that its arms need");
        };
        let foreign = rosetta.kind == RosettaKind::Foreign;
        let prompt = self.first_prompt_or_foreign(&other.runtime, foreign, &mut clock)?;
        let vectors = rosetta.vectors as usize;
        let steps = self.file.rosetta_steps;
        let mut read = self.read((name, &other.runtime), prompt, steps, vectors, &mut clock)?;
        let (projected, project_ms) =
            clock.codec(|| project_context(&other.runtime, &read.context, map, vectors, &map.id()));
        let projected = clock.apart(|| self.vectors(projected?, rosetta))?;
        let received = self.send(&projected, &mut clock)?;
        read.trace.times.encode_ms = received.encode_ms + project_ms;
        let prompt = self.prompt_behind_a_context()?;
        self.answer(clock, ANSWERER, prompt, Some(received), vec![read.trace])
    }

    /// What a control puts in the place of projected states.
    fn vectors(&self, projected: Context, rosetta: &Rosetta) -> avp::Result<Context> {
        let count = rosetta.vectors as usize;
        let (mean, length) = self.cast.moments();
        let values = match rosetta.kind {
            RosettaKind::Projected | RosettaKind::Foreign => return Ok(projected),
            RosettaKind::Mean => mean.repeat(count),
            RosettaKind::Random => directions(count, mean.len(), length, &mut self.purpose.stream(READER)),
        };
        let states = HiddenStates { values, dtype: DataType::Float32, seq_len: rosetta.vectors };
        Ok(projected.with_hidden_states(states))
    }

    fn text(&self, mut clock: Clock<'_>, other: Option<&str>) -> avp::Result<Played> {
        let (name, model) = match other.and_then(|name| Some((name, self.cast.other(name)?))) {
            Some((name, other)) => (name, &other.runtime),
            None => self.cast.answerer(),
        };
        let prompt = self.first_prompt(model)?;
        let mut trace = self.turn(READER, name, &prompt);
        let most = self.file.decoding.note_tokens;
        let note = self.write(model, READER, &prompt, None, most, &mut trace, &mut clock)?;
        let sent = TextMessage {
            source_agent_id: READER.to_owned(),
            target_agent_id: ANSWERER.to_owned(),
            content: note.0,
            ..TextMessage::default()
        };
        let (bytes, encode_ms) = clock.codec(|| sent.to_json().to_string().into_bytes());
        trace.times.encode_ms = encode_ms;
        let (message, decode_ms) = clock.codec(|| TextMessage::from_text(&bytes));
        let note = message?.content;
        let prompt = chat(self.answerer(), &self.form.note_prompt(self.item, self.layout, &note))?;
        let pasted = clock.apart(|| self.answerer().tokens(&Prompt::Raw(note.trim().to_owned())))?.len();
        let mut played = self.answer(clock, ANSWERER, prompt, None, vec![trace])?;
        if let Some(last) = played.agents.last_mut() {
            last.ledger.pasted = pasted as u64;
            last.ledger.wire_bytes = bytes.len() as u64;
            last.times.decode_ms = decode_ms;
        }
        Ok(played)
    }

    /// The first agent's cache, without latent steps, as the last one receives it.
    pub(super) fn prefix(&self) -> avp::Result<Received> {
        let mut clock = Clock::start(self.meter);
        let prompt = self.first_prompt(self.answerer())?;
        let read = self.read(self.cast.answerer(), prompt, 0, 1, &mut clock)?;
        self.send(&read.context, &mut clock)
    }

    fn read(
        &self,
        (name, model): (&str, &Runtime),
        prompt: Vec<u32>,
        steps: u32,
        states: usize,
        clock: &mut Clock<'_>,
    ) -> avp::Result<Read> {
        let mut trace = self.turn(READER, name, &prompt);
        let options = ThinkOptions { steps, states, ..ThinkOptions::default() };
        let thought = model.think(&Prompt::Tokens(prompt), options)?;
        let phases = thought.phases;
        clock.model(phases.prefill_s + phases.latent_s);
        trace.ledger.latent = thought.context.num_steps();
        trace.times.prefill_ms = milliseconds(phases.prefill_s);
        trace.times.latent_ms = milliseconds(phases.latent_s);
        Ok(Read { trace, context: thought.context })
    }

    /// Through the codec, as to another process.
    fn send(&self, context: &Context, clock: &mut Clock<'_>) -> avp::Result<Received> {
        let route = Route {
            source_agent_id: READER.to_owned(),
            target_agent_id: ANSWERER.to_owned(),
            ..Route::default()
        };
        let (message, encode_ms) = clock.codec(|| context.to_bytes(&Encoder::default(), &route));
        let message = match self.mutation {
            Some(mutation) => mutation.of_message(message?)?,
            None => message?,
        };
        let (context, decode_ms) = clock.codec(|| self.receive(&message));
        Ok(Received { context: context?, message, encode_ms, decode_ms })
    }

    /// A context out of its message.
    pub(super) fn receive(&self, message: &[u8]) -> avp::Result<Context> {
        let context = Context::from_bytes(message, Limits::default())?.context;
        match self.mutation {
            Some(mutation) => mutation.of_context(self.answerer(), context),
            None => Ok(context),
        }
    }

    fn answer(
        &self,
        mut clock: Clock<'_>,
        role: &str,
        prompt: Vec<u32>,
        received: Option<Received>,
        mut agents: Vec<AgentTrace>,
    ) -> avp::Result<Played> {
        let (name, model) = self.cast.answerer();
        let mut trace = self.turn(role, name, &prompt);
        let (mut context, mut message) = (None, None);
        if let Some(received) = received {
            let positions = received.context.seq_len() as u64;
            match received.context.cache() {
                Some(_) => trace.ledger.reused = positions,
                None => trace.ledger.latent = positions,
            }
            trace.ledger.wire_bytes = received.message.len() as u64;
            trace.times.decode_ms = received.decode_ms;
            (context, message) = (Some(received.context), Some(received.message));
        }
        let most = self.file.decoding.max_tokens;
        let (reply, finish) = self.write(model, role, &prompt, context, most, &mut trace, &mut clock)?;
        let spent = clock.read();
        agents.push(trace);
        Ok(Played { agents, reply, finish, spent, last: LastTurn { prompt, message } })
    }

    #[expect(clippy::too_many_arguments, reason = "one place where every agent writes")]
    fn write(
        &self,
        model: &Runtime,
        role: &str,
        prompt: &[u32],
        context: Option<Context>,
        most: usize,
        trace: &mut AgentTrace,
        clock: &mut Clock<'_>,
    ) -> avp::Result<(String, Finish)> {
        let options = GenerateOptions {
            context,
            sampling: self.file.decoding.sampling(self.purpose.number(role)),
            max_tokens: most.min(self.cut),
            ..GenerateOptions::default()
        };
        let prompt = Prompt::Tokens(prompt.to_vec());
        let written = model.generate(&prompt, options, &mut |_| {
            clock.tick();
            ControlFlow::Continue(())
        })?;
        let phases = written.phases;
        clock.model(phases.prefill_s + phases.generate_s);
        trace.ledger.decoded = written.token_ids.len() as u64;
        trace.text.clone_from(&written.text);
        trace.times.prefill_ms = milliseconds(phases.prefill_s);
        trace.times.generate_ms = milliseconds(phases.generate_s);
        trace.times.first_token_ms = milliseconds(phases.first_token_s);
        Ok((written.text, written.finish))
    }

    /// A turn that begins.
    fn turn(&self, role: &str, model: &str, prompt: &[u32]) -> AgentTrace {
        let mut hasher = Sha256::new();
        prompt.iter().for_each(|token| hasher.update(token.to_le_bytes()));
        AgentTrace {
            role: role.to_owned(),
            model: model.to_owned(),
            prompt_sha256: hex(&hasher.finalize()),
            text: String::new(),
            ledger: Ledger { prefill: prompt.len() as u64, ..Ledger::default() },
            times: Times::default(),
        }
    }
}
