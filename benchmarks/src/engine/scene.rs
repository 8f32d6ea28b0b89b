//! ITEM, ARM → WHAT HAPPENED: the agents' turns, timed.

use std::ops::ControlFlow;

use avp::model::{Connector as _, Context, Finish, GenerateOptions, Prompt, Route, Runtime};
use avp::wire::{Encoder, Limits};
use sha2::{Digest as _, Sha256};

use super::cast::{Cast, chat};
use super::clock::{Clock, Spent, milliseconds};
use super::energy::Meter;
use super::mutation::Mutation;
use super::randomness::Purpose;
use crate::arm::Arm;
use crate::relay::Layout;
use crate::run_file::{Decoding, RunFile, hex};
use crate::task::{Form, TaskItem};
use crate::trace::{AgentTrace, Ledger, Times};

/// The agent that reads and answers alone.
const SOLO: &str = "solo";

/// One item under one arm.
pub(super) struct Scene<'a> {
    pub(super) cast: &'a Cast,
    pub(super) meter: &'a Meter,
    pub(super) file: &'a RunFile,
    pub(super) form: &'a Form,
    pub(super) decoding: &'a Decoding,
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
    /// What the last agent read: its prompt, and the messages before it.
    pub(super) last: LastTurn,
}

/// What the last agent read.
pub(super) struct LastTurn {
    pub(super) prompt: Vec<u32>,
    pub(super) messages: Vec<Vec<u8>>,
}

/// A message that was sent and read again.
pub(super) struct Received {
    pub(super) context: Context,
    pub(super) message: Vec<u8>,
    pub(super) encode_ms: f64,
    pub(super) decode_ms: f64,
}

impl Scene<'_> {
    /// Plays it.
    pub(super) fn play(&self) -> avp::Result<Played> {
        let clock = Clock::start(self.meter);
        match self.arm {
            Arm::Direct => self.alone(clock, &self.form.direct_prompt(self.item)?),
            Arm::PromptMatched => self.alone(clock, &self.form.last_prompt(self.item, Layout::Repeated)?),
            Arm::NoContext => {
                let prompt = self.last_prompt()?;
                self.answer(clock, self.form.last_role(), prompt, Vec::new(), Vec::new())
            }
            Arm::Cache(cache) => self.cache(clock, *cache),
            Arm::Text(other) => self.text(clock, other.as_ref().map(|other| other.name.as_str())),
            Arm::Rosetta(rosetta) => self.rosetta(clock, rosetta),
            Arm::Oracle => {
                let both = self.all_prompts()?.concat();
                self.answer(clock, SOLO, both, Vec::new(), Vec::new())
            }
        }
    }

    pub(super) fn answerer(&self) -> &Runtime {
        self.cast.answerer().1
    }

    /// The prompt of one of the agents before the last.
    pub(super) fn reader_prompt(&self, model: &Runtime, reader: usize) -> avp::Result<Vec<u32>> {
        chat(model, &self.form.reader_prompt(reader, self.item, &[])?)
    }

    pub(super) fn last_prompt(&self) -> avp::Result<Vec<u32>> {
        chat(self.answerer(), &self.form.last_prompt(self.item, self.layout)?)
    }

    /// The prompts of all agents in their order, the last one's too, as they read them one after another.
    pub(super) fn all_prompts(&self) -> avp::Result<Vec<Vec<u32>>> {
        let readers =
            (0..self.form.readers().len()).map(|reader| self.reader_prompt(self.answerer(), reader));
        readers.chain([self.last_prompt()]).collect()
    }

    /// The last prompt as it is read behind a context.
    pub(super) fn prompt_behind_a_context(&self) -> avp::Result<Vec<u32>> {
        let prompt = self.last_prompt()?;
        Ok(match self.mutation {
            Some(mutation) => mutation.of_prompt(prompt),
            None => prompt,
        })
    }

    fn alone(&self, clock: Clock<'_>, prompt: &str) -> avp::Result<Played> {
        let tokens = chat(self.answerer(), prompt)?;
        self.answer(clock, SOLO, tokens, Vec::new(), Vec::new())
    }

    /// Through the codec, as to another process.
    pub(super) fn send(
        &self,
        context: &Context,
        roles: [&str; 2],
        clock: &mut Clock<'_>,
    ) -> avp::Result<Received> {
        let route = Route {
            source_agent_id: roles[0].to_owned(),
            target_agent_id: roles[1].to_owned(),
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

    /// What was received as one context: as it is, or several that do not know of one another put together.
    pub(super) fn together(&self, mut contexts: Vec<Context>) -> avp::Result<Option<Context>> {
        match contexts.len() {
            0 | 1 => Ok(contexts.pop()),
            _ => self.answerer().joined(&contexts).map(Some),
        }
    }

    /// The last agent's turn, behind what it received.
    pub(super) fn answer(
        &self,
        mut clock: Clock<'_>,
        role: &str,
        prompt: Vec<u32>,
        received: Vec<Received>,
        mut agents: Vec<AgentTrace>,
    ) -> avp::Result<Played> {
        let (name, model) = self.cast.answerer();
        let mut trace = self.turn(role, name, &prompt);
        let (mut contexts, mut messages) = (Vec::new(), Vec::new());
        for received in received {
            let positions = received.context.seq_len() as u64;
            match received.context.cache() {
                Some(_) => trace.ledger.reused += positions,
                None => trace.ledger.latent += positions,
            }
            trace.ledger.wire_bytes += received.message.len() as u64;
            trace.times.decode_ms += received.decode_ms;
            contexts.push(received.context);
            messages.push(received.message);
        }
        let context = if contexts.len() > 1 {
            let (joined, joining_ms) = clock.codec(|| self.together(contexts));
            trace.times.decode_ms += joining_ms;
            joined?
        } else {
            contexts.pop()
        };
        let most = self.decoding.max_tokens;
        let (reply, finish) = self.write(model, role, &prompt, context, most, &mut trace, &mut clock)?;
        let spent = clock.read();
        agents.push(trace);
        Ok(Played { agents, reply, finish, spent, last: LastTurn { prompt, messages } })
    }

    #[expect(clippy::too_many_arguments, reason = "one place where every agent writes")]
    pub(super) fn write(
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
            sampling: self.decoding.sampling(self.purpose.number(role)),
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
    pub(super) fn turn(&self, role: &str, model: &str, prompt: &[u32]) -> AgentTrace {
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
