//! The turns before the last one: agents that read one after another, or each for itself, and what they hand on.
//!
//! ```text
//!  chain    prompt 1 ─▶ cache ─▶ codec ─▶ prompt 2 ─▶ cache ─▶ codec ─▶ last prompt
//!  fan-out  prompt 1 ─▶ cache ─▶ codec ─┐
//!           prompt 2 ─▶ cache ─▶ codec ─┴─▶ put together ─▶ last prompt
//! ```

use avp::model::{Connector as _, Context, HiddenStates, Prompt, Runtime, ThinkOptions, project_context};
use avp::session::TextMessage;
use avp::wire::DataType;

use super::cast::chat;
use super::clock::{Clock, milliseconds};
use super::disturbance::{directions, disturbed, length_matched};
use super::scene::{Played, Received, Scene};
use crate::arm::{Cache, CacheKind, Rosetta, RosettaKind};
use crate::task::{Note, Topology};
use crate::trace::AgentTrace;

/// How the agents before the last one read.
#[derive(Clone, Copy)]
struct Plan {
    /// Latent steps behind each prompt.
    steps: u32,
    /// Hidden states that each context keeps.
    states: usize,
    /// What is handed on of a cache.
    keep: Keep,
    /// Whether each goes on from the one before it.
    linked: bool,
    /// Whether the prompts are another item's.
    foreign: bool,
}

/// What an agent hands on of its cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// All, with what it was given.
    All,
    /// What it added.
    Own,
    /// What it was given, and its latent steps: of every agent before the last nothing but these.
    Latent,
}

/// What the agents before the last one leave: a context of the last of them, or one of each; and their turns.
struct HandedOver {
    contexts: Vec<Context>,
    agents: Vec<AgentTrace>,
}

impl Scene<'_> {
    /// Whether the agents before the last one read one after another.
    fn linked(&self) -> bool {
        self.form.topology() == Topology::Chain
    }

    /// The last prompt behind caches of the answering model.
    pub(super) fn cache(&self, mut clock: Clock<'_>, cache: Cache) -> avp::Result<Played> {
        let plan = Plan {
            steps: cache.steps,
            states: 1,
            keep: match cache.kind {
                CacheKind::Sequential => Keep::Own,
                CacheKind::LatentOnly => Keep::Latent,
                _ => Keep::All,
            },
            linked: self.linked() || cache.kind == CacheKind::Chained,
            foreign: cache.kind == CacheKind::Foreign,
        };
        let HandedOver { contexts, mut agents } = self.hand_over(self.cast.answerer(), plan, &mut clock)?;
        let mut received = Vec::with_capacity(contexts.len());
        let first = agents.len() - contexts.len();
        for (context, trace) in contexts.into_iter().zip(&mut agents[first..]) {
            let mut random = self.purpose.stream(&trace.role);
            let context = clock.apart(|| disturbed(self.answerer(), context, cache, &mut random))?;
            let message = self.send(&context, [&trace.role, self.form.last_role()], &mut clock)?;
            trace.times.encode_ms += message.encode_ms;
            received.push(message);
        }
        let prompt = self.prompt_behind_a_context()?;
        self.answer(clock, self.form.last_role(), prompt, received, agents)
    }

    /// The last prompt behind another model's states.
    pub(super) fn rosetta(&self, mut clock: Clock<'_>, rosetta: &Rosetta) -> avp::Result<Played> {
        let name = rosetta.other.name.as_str();
        let Some((other, map)) = self.cast.other(name).and_then(|other| Some((other, other.map.as_ref()?)))
        else {
            unreachable!("the cast has every model that its arms need");
        };
        let vectors = rosetta.vectors as usize;
        let plan = Plan {
            steps: self.file.rosetta_steps,
            states: vectors,
            keep: Keep::All,
            linked: self.linked(),
            foreign: rosetta.kind == RosettaKind::Foreign,
        };
        let HandedOver { contexts, mut agents } = self.hand_over((name, &other.runtime), plan, &mut clock)?;
        let mut received = Vec::with_capacity(contexts.len());
        let first = agents.len() - contexts.len();
        for (context, trace) in contexts.into_iter().zip(&mut agents[first..]) {
            let (projected, project_ms) =
                clock.codec(|| project_context(&other.runtime, &context, map, vectors, &map.id()));
            let projected = clock.apart(|| self.vectors(projected?, rosetta, &trace.role))?;
            let message = self.send(&projected, [&trace.role, self.form.last_role()], &mut clock)?;
            trace.times.encode_ms += message.encode_ms + project_ms;
            received.push(message);
        }
        let prompt = self.prompt_behind_a_context()?;
        self.answer(clock, self.form.last_role(), prompt, received, agents)
    }

    /// What a control puts in the place of projected states.
    fn vectors(&self, projected: Context, rosetta: &Rosetta, role: &str) -> avp::Result<Context> {
        let count = rosetta.vectors as usize;
        let (mean, length) = self.cast.moments();
        let values = match rosetta.kind {
            RosettaKind::Projected | RosettaKind::Foreign => return Ok(projected),
            RosettaKind::Mean => mean.repeat(count),
            RosettaKind::Random => directions(count, mean.len(), length, &mut self.purpose.stream(role)),
        };
        let states = HiddenStates { values, dtype: DataType::Float32, seq_len: rosetta.vectors };
        Ok(projected.with_hidden_states(states))
    }

    /// The last prompt with what the others wrote in it.
    pub(super) fn text(&self, mut clock: Clock<'_>, other: Option<&str>) -> avp::Result<Played> {
        let (name, model) = match other.and_then(|name| Some((name, self.cast.other(name)?))) {
            Some((name, other)) => (name, &other.runtime),
            None => self.cast.answerer(),
        };
        let most = self.decoding.note_tokens;
        let mut desk = Desk::default();
        let mut agents = Vec::new();
        let roles = self.form.readers();
        for (reader, role) in roles.iter().enumerate() {
            // Those of a fan-out know nothing of one another.
            let notes = if self.linked() { desk.notes.as_slice() } else { &[] };
            let prompt = chat(model, &self.form.reader_prompt(reader, self.item, notes)?)?;
            let mut trace = self.turn(role, name, &prompt);
            if self.linked() {
                desk.charge(&mut trace, model, &mut clock)?;
            }
            let (text, _) = self.write(model, role, &prompt, None, most, &mut trace, &mut clock)?;
            let sent = TextMessage {
                source_agent_id: (*role).to_owned(),
                target_agent_id: self.next_role(&roles, reader).to_owned(),
                content: text,
                ..TextMessage::default()
            };
            let (bytes, encode_ms) = clock.codec(|| sent.to_json().to_string().into_bytes());
            trace.times.encode_ms += encode_ms;
            agents.push(trace);
            desk.put(role, bytes, &mut clock)?;
        }
        let prompt = self.form.note_prompt(self.item, self.layout, &desk.notes)?;
        let prompt = chat(self.answerer(), &prompt)?;
        let mut received = AgentTrace::default();
        desk.charge(&mut received, self.answerer(), &mut clock)?;
        let mut played = self.answer(clock, self.form.last_role(), prompt, Vec::new(), agents)?;
        if let Some(last) = played.agents.last_mut() {
            last.ledger.pasted = received.ledger.pasted;
            last.ledger.wire_bytes = received.ledger.wire_bytes;
            last.times.decode_ms = received.times.decode_ms;
        }
        Ok(played)
    }

    /// Who is sent what a reader leaves: the next one of a chain, the last agent otherwise.
    fn next_role<'a>(&'a self, roles: &[&'a str], reader: usize) -> &'a str {
        match roles.get(reader + 1) {
            Some(next) if self.linked() => next,
            _ => self.form.last_role(),
        }
    }

    /// The cache of all prompts but the last one, read one after another without latent steps, as the last agent receives it.
    pub(super) fn prefix(&self) -> avp::Result<Received> {
        let mut clock = Clock::start(self.meter);
        let plan = Plan { steps: 0, states: 1, keep: Keep::All, linked: true, foreign: false };
        let HandedOver { mut contexts, agents } = self.hand_over(self.cast.answerer(), plan, &mut clock)?;
        let (Some(context), Some(last)) = (contexts.pop(), agents.last()) else {
            unreachable!("every task has an agent before the last one");
        };
        self.send(&context, [&last.role, self.form.last_role()], &mut clock)
    }

    /// The caches of agents that read each for itself, without latent steps: put together as they are, and as the last agent
    /// receives them.
    pub(super) fn branches(&self) -> avp::Result<[Option<Context>; 2]> {
        let mut clock = Clock::start(self.meter);
        let plan = Plan { steps: 0, states: 1, keep: Keep::All, linked: false, foreign: false };
        let HandedOver { contexts, agents } = self.hand_over(self.cast.answerer(), plan, &mut clock)?;
        let sent: Vec<_> = contexts
            .iter()
            .zip(&agents)
            .map(|(context, agent)| {
                Ok(self.send(context, [&agent.role, self.form.last_role()], &mut clock)?.context)
            })
            .collect::<avp::Result<_>>()?;
        Ok([self.together(contexts)?, self.together(sent)?])
    }

    /// The turns of all agents before the last one.
    fn hand_over(
        &self,
        (name, model): (&str, &Runtime),
        plan: Plan,
        clock: &mut Clock<'_>,
    ) -> avp::Result<HandedOver> {
        let roles = self.form.readers();
        let (mut contexts, mut agents) = (Vec::new(), Vec::<AgentTrace>::new());
        let mut received: Option<Received> = None;
        for (reader, role) in roles.iter().enumerate() {
            let prompt = self.reader_prompt_or_foreign(model, reader, plan.foreign, clock)?;
            let mut trace = self.turn(role, name, &prompt);
            let given = received.take().map(|received| {
                trace.ledger.reused = received.context.seq_len() as u64;
                trace.ledger.wire_bytes = received.message.len() as u64;
                trace.times.decode_ms = received.decode_ms;
                received.context
            });
            let before = given.as_ref().map_or((0, 0), |context| (context.seq_len(), context.num_steps()));
            let options = ThinkOptions {
                steps: plan.steps,
                states: plan.states,
                context: given,
                ..ThinkOptions::default()
            };
            let thought = model.think(&Prompt::Tokens(prompt), options)?;
            let phases = thought.phases;
            clock.model(phases.prefill_s + phases.latent_s);
            trace.ledger.latent = thought.context.num_steps().saturating_sub(before.1);
            trace.times.prefill_ms = milliseconds(phases.prefill_s);
            trace.times.latent_ms = milliseconds(phases.latent_s);
            let (context, keeping_ms) = clock.codec(|| kept(model, thought.context, plan, before.0));
            let context = context?;
            trace.times.encode_ms = if plan.keep == Keep::All { 0.0 } else { keeping_ms };
            match roles.get(reader + 1) {
                Some(next) if plan.linked => {
                    let sent = self.send(&context, [role, next], clock)?;
                    trace.times.encode_ms += sent.encode_ms;
                    received = Some(sent);
                }
                _ => contexts.push(context),
            }
            agents.push(trace);
        }
        Ok(HandedOver { contexts, agents })
    }

    /// A prompt, or that of the foreign item, of as many tokens.
    fn reader_prompt_or_foreign(
        &self,
        model: &Runtime,
        reader: usize,
        foreign: bool,
        clock: &mut Clock<'_>,
    ) -> avp::Result<Vec<u32>> {
        let own = self.reader_prompt(model, reader)?;
        if !foreign {
            return Ok(own);
        }
        let Some(other) = self.foreign else {
            unreachable!("a run whose arms take another context has one for every item");
        };
        clock.apart(|| {
            let other = chat(model, &self.form.reader_prompt(reader, other, &[])?)?;
            Ok(length_matched(&own, &other))
        })
    }
}

/// What goes on of a cache that had `before` positions when its agent's turn began.
fn kept(model: &Runtime, context: Context, plan: Plan, before: usize) -> avp::Result<Context> {
    let len = context.seq_len();
    let latent = len.saturating_sub(plan.steps as usize).max(before);
    match plan.keep {
        Keep::All => Ok(context),
        // A first agent has nothing but its own.
        Keep::Own if before == 0 => Ok(context),
        Keep::Own => model.rearranged(&context, &(before..len).collect::<Vec<_>>()),
        Keep::Latent => model.rearranged(&context, &(0..before).chain(latent..len).collect::<Vec<_>>()),
    }
}

/// Notes that were sent and read again.
#[derive(Default)]
struct Desk {
    notes: Vec<Note>,
    bytes: u64,
    decode_ms: f64,
}

impl Desk {
    /// Takes a message.
    fn put(&mut self, role: &str, bytes: Vec<u8>, clock: &mut Clock<'_>) -> avp::Result<()> {
        let (message, decode_ms) = clock.codec(|| TextMessage::from_text(&bytes));
        self.notes.push(Note { role: role.to_owned(), text: message?.content });
        self.bytes += bytes.len() as u64;
        self.decode_ms += decode_ms;
        Ok(())
    }

    /// Writes down what all notes so far cost the agent that reads them; each is read once, by the first who is given it, and
    /// handed on as text.
    fn charge(&mut self, trace: &mut AgentTrace, model: &Runtime, clock: &mut Clock<'_>) -> avp::Result<()> {
        let mut pasted = 0;
        for note in &self.notes {
            let text = Prompt::Raw(note.text.trim().to_owned());
            pasted += clock.apart(|| model.tokens(&text))?.len() as u64;
        }
        trace.ledger.pasted = pasted;
        trace.ledger.wire_bytes = self.bytes;
        trace.times.decode_ms = std::mem::take(&mut self.decode_ms);
        Ok(())
    }
}
