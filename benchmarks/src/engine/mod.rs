//! RUN FILE → TRACES: every item under every arm, arms taking turns within an item.

mod cast;
mod clock;
mod disturbance;
mod energy;
mod error;
mod hand_over;
mod mutation;
mod oracle;
mod provenance;
mod randomness;
mod scene;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use avp::model::{Finish, Prompt};

use crate::arm::Arm;
use crate::folder::{Shard, shard_of};
use crate::record::{Audit, RunRecord};
use crate::relay::Layout;
use crate::run_file::{self, RunFile};
use crate::sandbox::Sandbox;
use crate::task::{Task, Topology, audit};
use crate::trace::{Outcome, Trace};

pub use cast::Cast;
pub use error::{Error, Result};
#[doc(hidden)]
pub use mutation::Mutation;

use clock::Spent;
use energy::Meter;
use oracle::Verdict;
use randomness::Purpose;
use scene::{LastTurn, Played, Scene};

/// Tokens of a text while nothing is measured yet: enough to touch every code path and every page of weights.
const WARM_UP_TOKENS: usize = 2;
/// Likelihoods are kept to this part of a nat: decimal numbers that short are read as they were written.
const NLL_STEPS: f64 = 1e9;

/// A run that is ready: items, arms and models.
pub struct Engine {
    file: RunFile,
    arms: Vec<Arm>,
    tasks: Vec<Task>,
    audits: Vec<Audit>,
    sandbox: Option<Sandbox>,
    cast: Cast,
    threads: usize,
    meter: Meter,
    mutation: Option<Mutation>,
}

/// Where things are on the machine that runs: nothing of it is part of a run file.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The folder of published data sets, where it is not where they are looked for.
    pub data: Option<PathBuf>,
    /// Runs programs that models wrote without a sandbox; the record says so.
    pub unconfined: bool,
}

/// One item in one layout, once: what all arms do before the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    task: usize,
    item: usize,
    layout: Layout,
    replicate: u32,
    /// Counted over the whole run, whatever part of it is run here: which arm begins.
    turn: usize,
}

impl Engine {
    /// Reads the items, tries the scorers, and loads the models; `progress` is told of each model.
    ///
    /// # Errors
    /// For items that cannot be read, a scorer that does not know right from wrong, programs to be run and no sandbox, and
    /// models that cannot be loaded.
    pub fn prepare(file: RunFile, setting: &Setting, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        // Before anything that uses the pool makes one of its own size.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(file.threads).build_global();
        // A pool that is there already, as in a second run of one process, stays.
        let threads = rayon::current_num_threads();
        if pool.is_err() && file.threads != 0 && file.threads != threads {
            return Err(Error::Machine(format!("{} threads asked for, {threads} run already", file.threads)));
        }
        let arms = file.arms()?;
        let data = setting.data.as_deref();
        let tasks: Vec<_> =
            file.tasks.iter().map(|task| Task::open(task, data)).collect::<crate::task::Result<_>>()?;
        for task in &tasks {
            for arm in &arms {
                suits(arm, task)?;
            }
        }
        let sandbox = match tasks.iter().any(|task| task.form.runs_programs()) {
            true if setting.unconfined => Some(Sandbox::unconfined()?),
            true => Some(Sandbox::probe()?),
            false => None,
        };
        let chosen = |task: &Task| task.chosen(file.seed, file.limits.items);
        let audits: Vec<_> = tasks.iter().map(|task| audit(task, &chosen(task), sandbox.as_ref())).collect();
        if let Some(failed) = audits.iter().find(|audit| !audit.is_good()) {
            return Err(Error::Audit(failed.clone()));
        }
        let cast = Cast::load(&file, &arms, progress)?;
        let meter = Meter::find(file.device()?);
        Ok(Self { file, arms, tasks, audits, sandbox, cast, threads, meter, mutation: None })
    }

    /// The same with a fault in what cache arms do.
    #[doc(hidden)]
    #[must_use]
    pub fn with_mutation(mut self, mutation: Option<Mutation>) -> Self {
        self.mutation = mutation;
        self
    }

    /// The run's record.
    ///
    /// # Errors
    /// None that a run file could cause.
    pub fn record(&self) -> Result<RunRecord> {
        let run = self.file.to_json()?;
        Ok(RunRecord {
            run_sha256: run_file::sha256(&run)?,
            run,
            arms: self.arms.iter().map(Arm::record).collect(),
            items: self.tasks.iter().map(|task| self.chosen(task).len() as u64).sum(),
            audits: self.audits.clone(),
            provenance: provenance::provenance(
                &self.cast,
                &self.tasks,
                self.sandbox.as_ref(),
                self.threads,
                &self.meter,
            ),
        })
    }

    /// The run file, every default written out.
    #[must_use]
    pub fn file(&self) -> &RunFile {
        &self.file
    }

    /// Ids of the arms.
    #[must_use]
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    fn chosen(&self, task: &Task) -> Vec<usize> {
        task.chosen(self.file.seed, self.file.limits.items)
    }

    /// All of a run that belongs to shard `index` of `of`, from 1.
    #[must_use]
    pub fn places(&self, index: u32, of: u32) -> Vec<Place> {
        let mut places = Vec::new();
        let mut number = 0;
        for (task, held) in self.tasks.iter().enumerate() {
            for item in self.chosen(held) {
                let ours = shard_of(&held.name, &held.items[item].id, of) == index;
                for (place, &layout) in self.file.layouts.iter().enumerate() {
                    for replicate in 0..self.file.replicates {
                        if ours {
                            // Counted item by item: within a layout every arm then begins as often as any other.
                            let turn = number + place + replicate as usize;
                            places.push(Place { task, item, layout, replicate, turn });
                        }
                    }
                }
                number += 1;
            }
        }
        places
    }

    /// Runs what a shard still lacks, and tells `watch` of every trace as it is made; an item's are on disk before the next one begins. Gives back whether all is there.
    ///
    /// # Errors
    /// For a folder that cannot be written, and for an oracle arm that disagrees; what was done before is kept.
    pub fn run(&self, shard: &mut Shard, watch: &mut dyn FnMut(&Trace) -> ControlFlow<()>) -> Result<bool> {
        let places = self.places(shard.index(), shard.of());
        let lacking = |place: &Place, shard: &Shard| -> Vec<&Arm> {
            // Each arm comes first as often as any other, so that none has the warm caches to itself.
            let first = place.turn % self.arms.len();
            let turns = self.arms[first..].iter().chain(&self.arms[..first]);
            turns.filter(|arm| !shard.has(self.key(place, &arm.id()))).collect()
        };
        let Some(begin) = places.iter().find(|place| !lacking(place, shard).is_empty()) else {
            shard.finish()?;
            return Ok(true);
        };
        for arm in &self.arms {
            // What fails here fails again where it is written down.
            let _ = self.scene(begin, arm, WARM_UP_TOKENS, &arm.id()).play();
        }
        for place in &places {
            let mut stop = ControlFlow::Continue(());
            let mut traces = Vec::new();
            let mut failed = None;
            for arm in lacking(place, shard) {
                match self.trace(place, arm) {
                    Ok(trace) => {
                        stop = watch(&trace);
                        traces.push(trace);
                    }
                    Err(error) => failed = Some(error),
                }
                if failed.is_some() || stop.is_break() {
                    break;
                }
            }
            shard.append(&traces)?;
            if let Some(error) = failed {
                if matches!(error, Error::Oracle { .. }) {
                    shard.condemn(&error.to_string())?;
                }
                return Err(error);
            }
            if stop.is_break() {
                return Ok(false);
            }
        }
        shard.finish()?;
        Ok(true)
    }

    /// What makes a trace one, without running it.
    fn key<'a>(&'a self, place: &Place, arm: &'a str) -> (&'a str, &'static str, &'a str, &'a str, u32) {
        let task = &self.tasks[place.task];
        (&task.name, place.layout.as_str(), &task.items[place.item].id, arm, place.replicate)
    }

    fn scene<'a>(&'a self, place: &Place, arm: &'a Arm, cut: usize, id: &'a str) -> Scene<'a> {
        let task = &self.tasks[place.task];
        let item = &task.items[place.item];
        Scene {
            cast: &self.cast,
            meter: &self.meter,
            file: &self.file,
            form: &task.form,
            decoding: &task.decoding,
            item,
            foreign: task.foreign(place.item),
            layout: place.layout,
            arm,
            purpose: Purpose {
                seed: self.file.seed,
                item: [&task.name, place.layout.as_str(), &item.id],
                arm: id,
                replicate: place.replicate,
            },
            mutation: self.mutation,
            cut,
        }
    }

    /// Plays one item under one arm.
    fn trace(&self, place: &Place, arm: &Arm) -> Result<Trace> {
        let id = arm.id();
        let scene = self.scene(place, arm, usize::MAX, &id);
        let (task, layout, item, _, replicate) = self.key(place, &id);
        let mut trace = Trace {
            task: task.to_owned(),
            layout: layout.to_owned(),
            item: item.to_owned(),
            arm: id.clone(),
            replicate,
            outcome: Outcome::Error,
            error: None,
            answer: None,
            gold: scene.item.answer.clone(),
            marks: BTreeMap::new(),
            nll: None,
            nll_tokens: 0,
            prompt_tokens: 0,
            agents: Vec::new(),
            wall_ms: 0.0,
            overhead_ms: 0.0,
            energy_j: BTreeMap::new(),
            peak_memory: 0,
        };
        let disagrees =
            |what: String| Error::Oracle { item: trace.item.clone(), layout: trace.layout.clone(), what };
        if *arm == Arm::Oracle {
            match scene.oracle() {
                Ok(Verdict::Agrees) => {}
                Ok(Verdict::Differs(what)) => return Err(disagrees(what)),
                // A message that cannot be read back is the codec's fault; anything else says nothing of a hand-over.
                Err(error) if error.class == avp::ErrorClass::Decode => {
                    return Err(disagrees(error.to_string()));
                }
                Err(error) => {
                    trace.error = Some(error.to_string());
                    trace.peak_memory = provenance::peak_memory();
                    return Ok(trace);
                }
            }
        }
        let done = scene.play().and_then(|played| self.fill(&mut trace, &scene, played));
        if let Err(error) = done {
            (trace.outcome, trace.error) = (Outcome::Error, Some(error.to_string()));
        }
        trace.peak_memory = provenance::peak_memory();
        Ok(trace)
    }

    fn fill(&self, trace: &mut Trace, scene: &Scene<'_>, played: Played) -> avp::Result<()> {
        let Played { agents, reply, finish, spent: Spent { times: [wall_ms, overhead_ms], energy_j }, last } =
            played;
        (trace.agents, trace.wall_ms, trace.overhead_ms, trace.energy_j) =
            (agents, wall_ms, overhead_ms, energy_j);
        let direct = scene.form.direct_prompt(scene.item)?;
        trace.prompt_tokens = count(cast::chat(scene.answerer(), &direct)?.len());
        let said = cast::reply_tokens(scene.answerer(), &direct, &scene.item.reply)?;
        trace.nll_tokens = count(said.len());
        trace.nll = Some(surprise(scene, &last, &said)?);
        let score = scene.form.score(scene.item, &reply, self.sandbox.as_ref());
        (trace.answer, trace.marks, trace.error) = (score.answer, score.marks, score.error);
        if trace.error.is_some() {
            trace.outcome = Outcome::Error;
            return Ok(());
        }
        let right = score.right;
        trace.outcome = match (right, finish, &trace.answer) {
            (true, _, _) => Outcome::Correct,
            (false, Finish::Length, _) => Outcome::Truncated,
            (false, _, None) => Outcome::NoAnswer,
            (false, _, Some(_)) => Outcome::Wrong,
        };
        Ok(())
    }
}

/// Refuses an arm that a task has no room for.
fn suits(arm: &Arm, task: &Task) -> Result<()> {
    let refused = |what: String| Err(crate::task::Error::Items { task: task.name.clone(), what }.into());
    let readers = task.form.readers().len();
    match arm.needs() {
        Some(Topology::FanOut) if task.form.topology() != Topology::FanOut => {
            return refused(format!(
                "agents that read each for itself for {}, or that arm left out",
                arm.id()
            ));
        }
        Some(Topology::Chain) if task.form.topology() != Topology::Chain || readers < 2 => {
            let found = format!("{readers} agents before the last one");
            return refused(format!(
                "a chain of two or more before the last one for {}, found {found}",
                arm.id()
            ));
        }
        _ => {}
    }
    if arm.takes_another_context() && (0..task.items.len()).any(|index| task.foreign(index).is_none()) {
        let id = arm.id();
        return refused(format!("a second context for {id}, or that arm left out; all items have the same"));
    }
    Ok(())
}

/// Negative log-likelihood of a reply behind what the last agent read.
fn surprise(scene: &Scene<'_>, last: &LastTurn, said: &[u32]) -> avp::Result<f64> {
    // Out of the message again: the context itself went into the answer.
    let contexts = last.messages.iter().map(|message| scene.receive(message)).collect::<avp::Result<_>>()?;
    let context = scene.together(contexts)?;
    let all = scene.answerer().surprises(context, &Prompt::Tokens(last.prompt.clone()), said)?;
    Ok((all.iter().sum::<f64>() * NLL_STEPS).round() / NLL_STEPS)
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
