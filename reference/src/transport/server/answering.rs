//! Questions to the agent: how many run, how many wait, and when one is given up.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::exchange::Exchange;
use crate::error::Result;
use crate::transport::agent::{Answer, Question};
use crate::transport::refusal::Refusal;

/// A place among the questions that run or wait. It is given back when the question has ended.
pub(super) struct Place {
    /// When whoever asks is told that it took too long, the wait for the turn included.
    deadline: Instant,
    _waiting: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

/// Gives the question up when it is dropped: the peer has gone, or it took too long.
pub(super) struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Place {
    /// Waits for its turn.
    ///
    /// # Errors
    /// 429 when too many wait; 501 when the agent answers no questions (AVP-HTTP-010).
    pub(super) async fn wait(exchange: &Exchange) -> Result<Self, Refusal> {
        if !exchange.agent.answers() {
            return Err(Refusal::new(501, "engine_unavailable", "this agent answers no text"));
        }
        let busy = || Refusal::new(429, "busy", "too many questions wait for the model").retry_after(1);
        let waiting = Arc::clone(&exchange.waiting).try_acquire_owned().map_err(|_| busy())?;
        let running = Arc::clone(&exchange.answering).acquire_owned();
        // The semaphore is never closed; if it were, nothing could be answered.
        let deadline = Instant::now() + exchange.limits.answer_timeout;
        let running = timeout_at(deadline, running).await.map_err(|_| busy())?;
        Ok(Self { deadline, _waiting: waiting, _running: running.map_err(|_| busy())? })
    }
}

/// Asks, on a thread for blocking work. The work ends soon after what it returns is dropped: with the next piece of text.
pub(super) async fn ask(
    exchange: &Arc<Exchange>,
    place: Place,
    question: Question,
    mut on_text: impl FnMut(&str) -> ControlFlow<()> + Send + 'static,
) -> Result<Answer, Refusal> {
    let given_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&given_up);
    let _guard = GivenUp(given_up);
    let asked = Arc::clone(exchange);
    let deadline = place.deadline;
    let work = tokio::task::spawn_blocking(move || {
        // The place is taken for as long as the model works, whoever still waits for it.
        let _place = place;
        asked.agent.answer(question, &mut |piece| {
            if seen.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { on_text(piece) }
        })
    });
    match timeout_at(deadline, work).await {
        Ok(Ok(answer)) => Ok(answer?),
        Ok(Err(_)) => {
            tracing::error!("an answer panicked");
            Err(Refusal::new(500, "internal", "the server failed; it goes on with other requests"))
        }
        // Without a time to try again: the work was begun, and would be begun anew.
        Err(_) => Err(Refusal::new(503, "timeout", "the answer took too long")),
    }
}
