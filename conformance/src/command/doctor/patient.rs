//! The adapter that is looked at.

use std::time::Duration;

use avp_conformance::{
    adapter::{Answer, Blob, Hello, Instance, Launcher, Lost, Request, fresh_nonce},
    case::Spec,
    schedule::HELLO_LIMIT,
};
use serde_json::Map;

/// Time limit of a question: a person waits for it.
const LIMIT: Duration = Duration::from_secs(10);

/// The adapter with what is known of it so far.
pub(super) struct Patient<'a> {
    launcher: &'a dyn Launcher,
    instance: Option<Box<dyn Instance>>,
    pub(super) hello: Option<Hello>,
    pub(super) nonce: String,
    /// It is started once for every request.
    pub(super) exec: bool,
    stderr: String,
}

impl<'a> Patient<'a> {
    pub(super) fn new(launcher: &'a dyn Launcher, exec: bool) -> Self {
        Self { launcher, instance: None, hello: None, nonce: fresh_nonce(), exec, stderr: String::new() }
    }

    /// Starts it anew.
    pub(super) fn start(&mut self) -> Result<(), Lost> {
        self.instance = None;
        self.instance = Some(self.launcher.launch()?);
        Ok(())
    }

    /// Asks who it is, of a child that was just started.
    pub(super) fn greet(&mut self) -> Result<Answer, Lost> {
        let request = Hello::request(&[Spec::V02, Spec::V04], &self.nonce);
        self.exchange(&request, HELLO_LIMIT)
    }

    /// Asks, in a fresh child when the last one is gone.
    pub(super) fn ask(&mut self, op: &str, parts: Vec<(&str, Vec<u8>)>) -> Result<Answer, Lost> {
        if self.instance.is_none() {
            self.start()?;
            self.greet()?;
        }
        let blob = |(name, bytes): (&str, Vec<u8>)| Blob {
            name: name.to_owned(),
            dtype: None,
            shape: None,
            bytes: bytes.into(),
        };
        let request = Request {
            op: op.to_owned(),
            spec: self.spec().as_str(),
            args: Map::new(),
            parts: parts.into_iter().map(blob).collect(),
        };
        self.exchange(&request, LIMIT)
    }

    /// The newest dialect that it speaks.
    pub(super) fn spec(&self) -> Spec {
        let specs = self.hello.as_ref().map(|hello| hello.specs.as_slice()).unwrap_or_default();
        specs.iter().copied().max().unwrap_or(Spec::V04)
    }

    /// Whether it says that it answers `op`.
    pub(super) fn answers(&self, op: &str) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.ops.iter().any(|known| known == op))
    }

    /// Ends its input and says how it ended.
    pub(super) fn close(&mut self) -> Option<String> {
        let mut instance = self.instance.take()?;
        let status = instance.close();
        self.stderr = instance.stderr_tail();
        status
    }

    /// The last of what it wrote there.
    pub(super) fn stderr(&self) -> String {
        self.instance.as_ref().map_or_else(|| self.stderr.clone(), |instance| instance.stderr_tail())
    }

    fn exchange(&mut self, request: &Request, limit: Duration) -> Result<Answer, Lost> {
        let Some(instance) = &mut self.instance else {
            return Err(Lost::NotStarted { what: "it was not started".to_owned() });
        };
        let answer = instance.exchange(request, limit);
        if answer.is_err() {
            self.stderr = instance.stderr_tail();
            self.instance = None;
        }
        answer
    }
}
