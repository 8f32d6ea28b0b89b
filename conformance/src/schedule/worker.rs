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
use crate::event::{AdapterExit, CaseEvent, Event};
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
            Unit::Alone(index) => self.alone(&self.cases[*index]),
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
            match request_of(case, &case.steps[0], &[], None) {
                Ok(request) => pending.push((case, request)),
                // It takes something from an answer that can't be there; alone, that is what gets recorded.
                Err(_) => self.alone(case),
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
                        let observed =
                            Observed { request: Some(request), reply, rss_growth: None, files: None };
                        judged.push((case, Attempt { observed: vec![observed], took: timed.took }));
                    }
                }
            }
            self.answered(judged.len());
            for (case, attempt) in judged {
                let stderr = || self.stderr();
                self.send_case(self.recorder.judged(case, &attempt, stderr));
            }
            let Some(lost) = done.lost else { return };
            let stderr = self.stderr();
            self.retire(&lost.to_string());
            // Requests go out in order, so only the first of the unanswered can have been in flight.
            let rest = unanswered.split_off(unanswered.len().min(window));
            self.suspects(unanswered.into_iter().map(|(case, _)| case).collect(), &lost, &stderr);
            pending = rest;
        }
    }

    /// A case with the child for itself.
    fn alone(&mut self, case: &'a Case) {
        let options = self.options;
        let Some(child) = self.child() else { return };
        let attempt = attempt(case, child, options);
        let stderr = self.stderr();
        let Some(lost) = attempt.lost().cloned() else {
            self.answered(1);
            return self.send_case(self.recorder.judged(case, &attempt, || stderr));
        };
        self.retire(&lost.to_string());
        self.suspects(vec![case], &lost, &stderr);
    }

    /// Asks cases again that were in flight when a child was lost, each alone: what counts is what a fresh child does
    /// with it. A death that none of them repeats is not swallowed: it is told of the first, which in a child that
    /// answers in order is the one it was busy with.
    fn suspects(&mut self, cases: Vec<&'a Case>, lost: &Lost, stderr: &str) {
        let many = cases.len();
        let again: Vec<(&Case, Attempt, String)> = cases
            .into_iter()
            .map_while(|case| self.confirmed(case).map(|(attempt, stderr)| (case, attempt, stderr)))
            .collect();
        let whole = again.len() == many;
        let explained = matches!(lost, Lost::Timeout { .. })
            || again.iter().any(|(_, attempt, _)| attempt.lost().is_some());
        for (index, (case, attempt, own_stderr)) in again.iter().enumerate() {
            let unexplained = index == 0 && whole && !explained;
            let stderr = if unexplained { stderr } else { own_stderr };
            let mut event = self.recorder.judged(case, attempt, || stderr.to_owned());
            event.first_try = Some(lost.to_string());
            if unexplained {
                self.recorder.add_unsteady(&mut event, case, attempt, lost, many, stderr);
            }
            self.send_case(event);
        }
    }

    /// What comes of a case alone. A loss counts in a child that was asked nothing else before; in one that was, it is
    /// asked once more. `None` when the run ends.
    fn confirmed(&mut self, case: &Case) -> Option<(Attempt, String)> {
        loop {
            let options = self.options;
            if self.halt.halted() {
                return None;
            }
            let child = self.child()?;
            let fresh = child.answered == 0;
            let attempt = attempt(case, child, options);
            let stderr = self.stderr();
            let Some(lost) = attempt.lost() else {
                self.answered(1);
                return Some((attempt, stderr));
            };
            self.retire(&lost.to_string());
            if fresh {
                self.halt.died(lost);
                return Some((attempt, stderr));
            }
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

    fn stderr(&self) -> String {
        self.child.as_ref().map(|child| child.instance.stderr_tail()).unwrap_or_default()
    }

    fn send_case(&self, event: CaseEvent) {
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
