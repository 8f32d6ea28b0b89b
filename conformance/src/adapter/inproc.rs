//! An implementation inside the harness's own process: for tests of the harness.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use super::child::spawn_thread;
use super::{Answer, Instance, Launcher, Lost, Request};

/// Something that answers requests. The first is `hello`.
pub trait Implementation: Send {
    /// Answers one request. A panic counts as a fault.
    fn answer(&mut self, request: &Request) -> Answer;
}

impl<F: FnMut(&Request) -> Answer + Send> Implementation for F {
    fn answer(&mut self, request: &Request) -> Answer {
        self(request)
    }
}

/// Starts implementations on threads.
pub struct InProcessLauncher<F> {
    name: String,
    make: F,
}

impl<F> InProcessLauncher<F> {
    /// Starts what `make` makes.
    pub fn new(name: impl Into<String>, make: F) -> Self {
        Self { name: name.into(), make }
    }
}

impl<F, I> Launcher for InProcessLauncher<F>
where
    F: Fn() -> I + Send + Sync,
    I: Implementation + 'static,
{
    fn launch(&self) -> Result<Box<dyn Instance>, Lost> {
        let mut implementation = (self.make)();
        let (to, requests) = mpsc::sync_channel::<Request>(1);
        let (sender, from) = mpsc::sync_channel(1);
        spawn_thread("implementation", move || {
            while let Ok(request) = requests.recv() {
                let answer = catch_unwind(AssertUnwindSafe(|| implementation.answer(&request)))
                    .unwrap_or_else(|panic| Answer::Fault(panic_text(panic.as_ref())));
                if sender.send(answer).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| Lost::NotStarted { what: error.to_string() })?;
        Ok(Box::new(InProcess { to, from, lost: None }))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".into())
}

/// A thread that answers. One that hangs is left behind: a thread can't be ended from outside.
struct InProcess {
    to: SyncSender<Request>,
    from: Receiver<Answer>,
    lost: Option<Lost>,
}

impl Instance for InProcess {
    fn exchange(&mut self, request: &Request, limit: Duration) -> Result<Answer, Lost> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let died = || Lost::Died { status: "its thread ended".into() };
        let answer = self.to.send(request.clone()).map_err(|_| died()).and_then(|()| {
            self.from.recv_timeout(limit).map_err(|error| match error {
                RecvTimeoutError::Timeout => Lost::Timeout { limit },
                RecvTimeoutError::Disconnected => died(),
            })
        });
        self.lost = answer.as_ref().err().cloned();
        answer
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn panics_are_faults_and_hangs_are_timeouts() {
        let launcher = InProcessLauncher::new("test", || {
            |request: &Request| match request.op.as_str() {
                "panic" => panic!("no {}", "way"),
                "hang" => loop {
                    std::thread::park();
                },
                _ => Answer::Unsupported(request.op.clone()),
            }
        });
        let mut instance = launcher.launch().unwrap();
        let request = |op: &str| Request { op: op.into(), spec: "0.4", args: Map::new(), parts: Vec::new() };
        let limit = Duration::from_secs(20);
        assert_eq!(instance.exchange(&request("x"), limit), Ok(Answer::Unsupported("x".into())));
        assert_eq!(instance.exchange(&request("panic"), limit), Ok(Answer::Fault("no way".into())));
        let limit = Duration::from_millis(50);
        let hang = instance.exchange(&request("hang"), limit);
        assert_eq!(hang, Err(Lost::Timeout { limit }));
        assert_eq!(instance.exchange(&request("x"), limit), hang);
    }
}
