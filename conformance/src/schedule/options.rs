//! How a run goes, and where its events go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::adapter::Lost;
use crate::case::Spec;
use crate::event::{Annotate, Event};

/// Time limit of a case that states none: long for any codec, short for a person who waits for a hang.
pub const CASE_LIMIT: Duration = Duration::from_secs(2);

/// Time limit of the first answer: a virtual machine or an interpreter with heavy imports starts in this time on a busy
/// machine.
pub const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// So many cases in a row without any answer mean that the adapter, not the cases, is at fault.
pub const DEATHS_IN_A_ROW: usize = 20;

/// How a run goes.
#[derive(Clone)]
pub struct RunOptions<'a> {
    /// Decides the order of the cases.
    pub seed: u64,
    /// Keeps the order of the cases as given.
    pub in_order: bool,
    /// Most children at a time; 0 for as many as there are cores. An adapter's `instances` caps it.
    pub workers: usize,
    /// Multiplies every time limit, for slow machines.
    pub timeout_scale: f64,
    /// What a failed honesty probe means.
    pub probes: ProbePolicy,
    /// Which cases carry their bytes in the event stream.
    pub dumps: Dumps,
    /// Dialects that were asked for by name. Empty: those that the adapter declares.
    pub specs: Vec<Spec>,
    /// Digest of the vectors, for the record.
    pub vectors: String,
    /// How the adapter is named on the command line, for the record: see [`crate::event::RunStart::repeat`].
    pub repeat: String,
    /// How the cases were selected, for the record.
    pub selection: Vec<String>,
    /// Requirements that a complete run tests, so that the record shows what a narrowed one leaves out.
    pub scope: Vec<String>,
    /// Explains bytes in dumps.
    pub annotate: &'a dyn Annotate,
    /// Ends the run soon after it is raised, with a complete event stream.
    pub stop: StopFlag,
    /// Makes failing generated cases small after the run; `None` leaves them as they are.
    pub shrink: Option<Shrinking<'a>>,
}

/// Says of the key of a case and the name of a check whether it is known that it is missed.
pub type Known<'a> = dyn Fn(&str, &str) -> bool + Sync + 'a;

/// Which failing generated cases are made small.
#[derive(Clone, Default)]
pub struct Shrinking<'a> {
    /// Ends the search soon after it is raised.
    pub stop: StopFlag,
    /// Which missed checks are known already, and left as they are.
    pub known: Option<&'a Known<'a>>,
}

impl RunOptions<'_> {
    /// All cases on as many workers as there are cores.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            in_order: false,
            workers: 0,
            timeout_scale: 1.0,
            probes: ProbePolicy::Stop,
            dumps: Dumps::Missed,
            specs: Vec::new(),
            vectors: String::new(),
            repeat: String::new(),
            selection: Vec::new(),
            scope: Vec::new(),
            annotate: &crate::event::Dissector,
            stop: StopFlag::default(),
            shrink: None,
        }
    }
}

/// What a failed honesty probe means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbePolicy {
    /// The run ends: none of its answers could be believed.
    Stop,
    /// It is recorded and the run goes on, for looking at an implementation that is known to be wrong.
    Record,
}

/// Which cases carry their bytes in the event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumps {
    /// Those with a missed check.
    Missed,
    /// All that were asked.
    All,
}

/// A flag that a person (or a signal handler) raises to end a run.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    raised: Arc<AtomicBool>,
    at: Option<Instant>,
}

impl StopFlag {
    /// The same flag, which also counts as raised from a moment on.
    pub fn at(&self, at: Instant) -> Self {
        Self { raised: self.raised.clone(), at: Some(at) }
    }

    /// Ends the run.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
    }

    /// Whether it was raised.
    pub fn raised(&self) -> bool {
        self.raised.load(Ordering::Acquire) || self.at.is_some_and(|at| Instant::now() >= at)
    }
}

/// Where the events of a run go.
pub trait Sink {
    /// Takes an event. The events of a run come one at a time, in the order of the stream.
    ///
    /// # Errors
    /// When it can't be kept; the run ends then, since a verdict without a record is none.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// The same with an event to keep, which need not be copied.
    ///
    /// # Errors
    /// As [`Sink::event`].
    fn keep(&mut self, event: Event) -> io::Result<()> {
        self.event(&event)
    }
}

/// Keeps the events, for tests.
impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.push(event.clone());
        Ok(())
    }
}

/// Why a run gave no verdict. Events that were sent before stand.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No case is left to run.
    #[error("nothing to run: {0}")]
    Nothing(String),
    /// The adapter did not start or did not introduce itself.
    #[error("the adapter can't be used: {what}")]
    Unusable {
        /// What happened.
        what: String,
        /// The end of its stderr.
        stderr: String,
    },
    /// It answers what it can't know: what its answers have in common, in one sentence. The probes are in the events.
    #[error("the adapter's answers can't be believed: {0}")]
    Dishonest(String),
    /// [`DEATHS_IN_A_ROW`] cases without an answer. The results so far are in the events.
    #[error("the adapter can't be used: {deaths} cases in a row were not answered; last: {last}")]
    Deaths {
        /// How many.
        deaths: usize,
        /// How the last was lost.
        last: Lost,
    },
    /// An event could not be kept.
    #[error("event: {0}")]
    Sink(#[from] io::Error),
}
