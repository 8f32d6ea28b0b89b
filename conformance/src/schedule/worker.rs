//! One thread with one child at a time.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};

use super::attempt::{Attempt, attempt, request_of};
use super::failures::{Before, Failures};
use super::plan::Unit;
use super::record::{Recorder, tail};
use super::starter::{Child, Starter, scaled};
use super::{CASE_LIMIT, DEATHS_IN_A_ROW, RunError, RunOptions, StopFlag};
use crate::adapter::{Hello, Lost, Request};
use crate::case::Case;
use crate::event::{AdapterExit, CaseEvent, Event};
use crate::judge::{Observed, Reply};

/// How often a case is asked whose answer takes too long, before that counts.
const TIME_TRIES: usize = 3;

/// What ends a run early.
pub(super) struct Halt {
    by_hand: StopFlag,
    halted: AtomicBool,
    error: Mutex<Option<RunError>>,
    /// Cases without an answer since the last answer.
    deaths: AtomicUsize,
}

impl Halt {
    pub(super) fn new(by_hand: StopFlag) -> Self {
        Self { by_hand, halted: AtomicBool::new(false), error: Mutex::new(None), deaths: AtomicUsize::new(0) }
    }

    pub(super) fn halted(&self) -> bool {
        self.by_hand.raised() || self.halted.load(Ordering::Acquire)
    }

    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    pub(super) fn into_error(self) -> Option<RunError> {
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn fail(&self, error: RunError) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.halt();
    }

    fn answered(&self) {
        self.deaths.store(0, Ordering::Release);
    }

    fn died(&self, last: &Lost) {
        let deaths = self.deaths.fetch_add(1, Ordering::AcqRel) + 1;
        if deaths >= DEATHS_IN_A_ROW {
            self.fail(RunError::Deaths { deaths, last: last.clone() });
        }
    }
}

/// What the workers of a run share.
pub(super) struct Shared<'a> {
    pub(super) cases: &'a [Case],
    pub(super) hello: &'a Hello,
    pub(super) starter: &'a Starter<'a>,
    pub(super) recorder: &'a Recorder<'a>,
    pub(super) halt: &'a Halt,
    pub(super) failures: &'a Failures,
    pub(super) options: &'a RunOptions<'a>,
}

/// One thread with one child at a time.
pub(super) struct Worker<'a> {
    shared: &'a Shared<'a>,
    events: SyncSender<Vec<Event>>,
    /// What the unit at hand has come to: whoever takes events is woken once a unit, not once a case.
    told: RefCell<Vec<Event>>,
    child: Option<Child>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, events: SyncSender<Vec<Event>>, child: Option<Child>) -> Self {
        Self { shared, events, told: RefCell::default(), child }
    }

    pub(super) fn run(&mut self, unit: &Unit) {
        match unit {
            Unit::Together(indices) => self.together(indices),
            Unit::Alone(index) => self.alone(*index),
        }
        self.tell();
    }

    /// Ends the child.
    pub(super) fn close(&mut self) {
        self.retire("end of run");
        self.tell();
    }

    /// Cases in a window. When the child is lost, those that may have been in flight are asked again one by one, and the
    /// rest goes on in a window.
    fn together(&mut self, indices: &[usize]) {
        let shared = self.shared;
        let mut pending = Vec::with_capacity(indices.len());
        for &index in indices {
            let case = &shared.cases[index];
            match request_of(case, &case.steps[0], &[], None) {
                Ok(request) => pending.push((index, request)),
                // It takes something from an answer that can't be there; alone, that is what gets recorded.
                Err(_) => self.alone(index),
            }
        }
        let (limit, window) = (scaled(CASE_LIMIT, shared.options), shared.hello.inflight);
        while !pending.is_empty() && !shared.halt.halted() {
            let requests: Vec<Request> = pending.iter().map(|(_, request)| request.clone()).collect();
            let Some(child) = self.child() else { return };
            let done = child.instance.exchange_all(&requests, limit, window);
            let mut unanswered = Vec::new();
            let mut judged = Vec::new();
            for ((index, request), timed) in pending.into_iter().zip(done.answers) {
                match timed {
                    None => unanswered.push((index, request)),
                    Some(timed) => {
                        let reply = Reply::Answered(timed.answer);
                        let observed = Observed {
                            request: Some(request),
                            reply,
                            rss_growth: None,
                            took: None,
                            files: None,
                        };
                        judged.push((index, Attempt { observed: vec![observed], took: timed.took }));
                    }
                }
            }
            for (index, attempt) in judged {
                self.judged(index, &attempt);
            }
            let Some(lost) = done.lost else { return };
            let (stderr, before) = (self.stderr(), self.before());
            self.retire(&lost.to_string());
            // Requests go out in order, so only the first of the unanswered can have been in flight.
            let rest = unanswered.split_off(unanswered.len().min(window));
            let indices: Vec<usize> = unanswered.into_iter().map(|(index, _)| index).collect();
            self.suspects(&indices, &lost, &stderr, before);
            pending = rest;
        }
    }

    /// A case with the child for itself.
    fn alone(&mut self, index: usize) {
        let shared = self.shared;
        let Some(child) = self.child() else { return };
        let mut tried = attempt(&shared.cases[index], child, shared.options);
        // A machine that is busy with something else is no fault of the child; who needs the time needs it each time.
        for _ in 1..TIME_TRIES {
            if tried.slow() && tried.lost().is_none() {
                tried = attempt(&shared.cases[index], child, shared.options);
            }
        }
        let Some(lost) = tried.lost().cloned() else { return self.judged(index, &tried) };
        let (stderr, before) = (self.stderr(), self.before());
        self.retire(&lost.to_string());
        self.suspects(&[index], &lost, &stderr, before);
    }

    /// Judges an answered case and sends what came of it.
    fn judged(&mut self, index: usize, attempt: &Attempt) {
        let shared = self.shared;
        let event = shared.recorder.judged(&shared.cases[index], attempt, || self.stderr());
        self.send_case(index, event, self.before());
        self.answered(index);
    }

    /// Asks cases again that were in flight when a child was lost, each alone: what counts is what a fresh child does
    /// with it. A death that none of them repeats is not swallowed: it is told of the first, which in a child that
    /// answers in order is the one it was busy with.
    fn suspects(&mut self, indices: &[usize], lost: &Lost, stderr: &str, before: Before) {
        let shared = self.shared;
        let again: Vec<(usize, Attempt, String, _)> = indices
            .iter()
            .map_while(|&index| {
                self.confirmed(index).map(|(attempt, stderr, before)| (index, attempt, stderr, before))
            })
            .collect();
        let whole = again.len() == indices.len();
        let explained = matches!(lost, Lost::Timeout { .. })
            || again.iter().any(|(_, attempt, _, _)| attempt.lost().is_some());
        for (at, (index, attempt, own_stderr, own_before)) in again.into_iter().enumerate() {
            let case = &shared.cases[index];
            let unexplained = at == 0 && whole && !explained;
            let stderr = if unexplained { stderr } else { &own_stderr };
            let mut event = shared.recorder.judged(case, &attempt, || stderr.to_owned());
            event.first_try = Some(lost.to_string());
            if unexplained {
                shared.recorder.add_unsteady(&mut event, case, &attempt, lost, indices.len(), stderr);
            }
            let before = if unexplained { before.clone() } else { own_before };
            self.send_case(index, event, before);
        }
    }

    /// What comes of a case alone, and what its child was asked before. A loss counts in a child that was asked nothing else
    /// before; in one that was, it is asked once more. `None` when the run ends.
    fn confirmed(&mut self, index: usize) -> Option<(Attempt, String, Before)> {
        let shared = self.shared;
        loop {
            if shared.halt.halted() {
                return None;
            }
            let child = self.child()?;
            let fresh = child.answered == 0;
            let attempt = attempt(&shared.cases[index], child, shared.options);
            let (stderr, before) = (self.stderr(), self.before());
            let Some(lost) = attempt.lost() else {
                self.answered(index);
                return Some((attempt, stderr, before));
            };
            self.retire(&lost.to_string());
            if fresh {
                shared.halt.died(lost);
                return Some((attempt, stderr, before));
            }
        }
    }

    fn answered(&mut self, index: usize) {
        self.shared.halt.answered();
        if let Some(child) = &mut self.child {
            child.answered += 1;
            // Cases are counted in thousands.
            child.asked.lock().unwrap_or_else(PoisonError::into_inner).push(index as u32);
        }
    }

    /// What the child was asked so far.
    fn before(&self) -> Before {
        self.child.as_ref().map(|child| (child.asked.clone(), child.answered))
    }

    fn stderr(&self) -> String {
        self.child.as_ref().map(|child| child.instance.stderr_tail()).unwrap_or_default()
    }

    fn send_case(&self, index: usize, event: CaseEvent, before: Before) {
        if event.missed() {
            self.shared.failures.add(index, &self.shared.cases[index], &event, before);
        }
        self.send(Event::Case(Box::new(event)));
    }

    /// The child, a fresh one when there is none.
    fn child(&mut self) -> Option<&mut Child> {
        if self.child.is_none() {
            match self.shared.starter.start() {
                Ok((child, _)) => self.child = Some(child),
                Err(error) => {
                    self.shared.halt.fail(error);
                    return None;
                }
            }
        }
        self.child.as_mut()
    }

    fn retire(&mut self, why: &str) {
        let Some(mut child) = self.child.take() else { return };
        let status = child.instance.close();
        let well = status.as_deref().is_none_or(|status| status == "exit status: 0");
        let stderr = if well { String::new() } else { tail(&child.instance.stderr_tail()) };
        self.send(Event::AdapterExit(AdapterExit { why: why.to_owned(), status, stderr }));
    }

    fn send(&self, event: Event) {
        self.told.borrow_mut().push(event);
    }

    fn tell(&self) {
        let told = self.told.take();
        if !told.is_empty() {
            // The receiver lives as long as the workers do.
            let _ = self.events.send(told);
        }
    }
}
