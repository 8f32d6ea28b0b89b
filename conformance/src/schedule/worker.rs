//! One thread with one child at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};

use super::attempt::{Attempt, attempt, request_of};
use super::plan::Unit;
use super::record::{Recorder, tail};
use super::starter::{Child, Starter, scaled};
use super::{CASE_LIMIT, DEATHS_IN_A_ROW, RunError, RunOptions, StopFlag};
use crate::adapter::{Hello, Lost, Request};
use crate::case::Case;
use crate::event::{AdapterExit, Event};
use crate::judge::{Observed, Reply};

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

/// One thread with one child at a time.
pub(super) struct Worker<'a> {
    cases: &'a [Case],
    window: usize,
    starter: &'a Starter<'a>,
    recorder: &'a Recorder<'a>,
    halt: &'a Halt,
    events: SyncSender<Event>,
    child: Option<Child>,
    options: &'a RunOptions<'a>,
}

impl<'a> Worker<'a> {
    #[expect(clippy::too_many_arguments, reason = "what a worker shares with the others, once")]
    pub(super) fn new(
        cases: &'a [Case],
        hello: &Hello,
        starter: &'a Starter<'a>,
        recorder: &'a Recorder<'a>,
        halt: &'a Halt,
        events: SyncSender<Event>,
        child: Option<Child>,
        options: &'a RunOptions<'a>,
    ) -> Self {
        Self { cases, window: hello.inflight, starter, recorder, halt, events, child, options }
    }

    pub(super) fn run(&mut self, unit: &Unit) {
        match unit {
            Unit::Together(indices) => self.together(indices),
            Unit::Alone(index) => self.alone(&self.cases[*index], None),
        }
    }

    /// Ends the child.
    pub(super) fn close(&mut self) {
        self.retire("end of run");
    }

    /// Cases in a window. When the child is lost, those that may have been in flight are asked again one by one, and the
    /// rest goes on in a window.
    fn together(&mut self, indices: &[usize]) {
        let mut pending = Vec::with_capacity(indices.len());
        for case in indices.iter().map(|index| &self.cases[*index]) {
            match request_of(case, &case.steps[0], &[]) {
                Ok(request) => pending.push((case, request)),
                // It takes something from an answer that can't be there; alone, that is what gets recorded.
                Err(_) => self.alone(case, None),
            }
        }
        let (limit, window) = (scaled(CASE_LIMIT, self.options), self.window);
        while !pending.is_empty() && !self.halt.halted() {
            let requests: Vec<Request> = pending.iter().map(|(_, request)| request.clone()).collect();
            let Some(child) = self.child() else { return };
            let done = child.instance.exchange_all(&requests, limit, window);
            let mut unanswered = Vec::new();
            let mut judged = Vec::new();
            for ((case, request), timed) in pending.into_iter().zip(done.answers) {
                match timed {
                    None => unanswered.push((case, request)),
                    Some(timed) => {
                        let reply = Reply::Answered(timed.answer);
                        let observed = Observed { request: Some(request), reply, rss_growth: None };
                        judged.push((case, Attempt { observed: vec![observed], took: timed.took }));
                    }
                }
            }
            self.answered(judged.len());
            for (case, attempt) in judged {
                self.judged(case, &attempt, None);
            }
            let Some(lost) = done.lost else { return };
            self.retire(&lost.to_string());
            // Requests go out in order, so only the first of the unanswered can have been in flight.
            let rest = unanswered.split_off(unanswered.len().min(self.window));
            for (case, _) in unanswered {
                self.alone(case, Some(lost.clone()));
            }
            pending = rest;
        }
    }

    /// A case with the child for itself. What is lost is asked once more in a fresh child, and that counts.
    fn alone(&mut self, case: &Case, mut first_try: Option<Lost>) {
        while !self.halt.halted() {
            let options = self.options;
            let Some(child) = self.child() else { return };
            let fresh = child.answered == 0;
            let attempt = attempt(case, child, options);
            let Some(lost) = attempt.lost().cloned() else {
                self.answered(1);
                return self.judged(case, &attempt, first_try.map(|lost| lost.to_string()));
            };
            if fresh && first_try.is_some() {
                self.halt.died(&lost);
                self.judged(case, &attempt, first_try.map(|lost| lost.to_string()));
                return self.retire(&lost.to_string());
            }
            self.retire(&lost.to_string());
            first_try.get_or_insert(lost);
        }
    }

    fn answered(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.halt.answered();
        if let Some(child) = &mut self.child {
            child.answered += count;
        }
    }

    fn judged(&self, case: &Case, attempt: &Attempt, first_try: Option<String>) {
        let stderr = || self.child.as_ref().map(|child| child.instance.stderr_tail()).unwrap_or_default();
        let event = self.recorder.judged(case, attempt, first_try, stderr);
        self.send(Event::Case(Box::new(event)));
    }

    /// The child, a fresh one when there is none.
    fn child(&mut self) -> Option<&mut Child> {
        if self.child.is_none() {
            match self.starter.start() {
                Ok((child, _)) => self.child = Some(child),
                Err(error) => {
                    self.halt.fail(error);
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
        // The receiver lives as long as the workers do.
        let _ = self.events.send(event);
    }
}
