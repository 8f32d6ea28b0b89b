//! Fresh children, introduced.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::failures::Asked;
use super::{HELLO_LIMIT, RunError, RunOptions};
use crate::adapter::{Hello, Instance, Launcher, fresh_nonce};
use crate::case::Spec;

/// A child that has said hello.
pub(super) struct Child {
    pub(super) instance: Box<dyn Instance>,
    /// What it was told in its hello.
    pub(super) nonce: String,
    /// Cases it has answered.
    pub(super) answered: usize,
    /// Which, in order.
    pub(super) asked: Asked,
}

/// Starts children and counts them.
pub(super) struct Starter<'a> {
    launcher: &'a dyn Launcher,
    limit: Duration,
    children: AtomicUsize,
}

impl<'a> Starter<'a> {
    pub(super) fn new(launcher: &'a dyn Launcher, options: &RunOptions<'_>) -> Self {
        Self { launcher, limit: scaled(HELLO_LIMIT, options), children: AtomicUsize::new(0) }
    }

    /// Starts one.
    ///
    /// # Errors
    /// [`RunError::Unusable`] when it does not start or does not introduce itself.
    pub(super) fn start(&self) -> Result<(Child, Hello), RunError> {
        let unusable = |what: String, stderr: String| RunError::Unusable { what, stderr };
        let mut instance =
            self.launcher.launch().map_err(|lost| unusable(lost.to_string(), String::new()))?;
        self.children.fetch_add(1, Ordering::Relaxed);
        let nonce = fresh_nonce();
        let request = Hello::request(&[Spec::V02, Spec::V04], &nonce);
        let hello = instance.exchange(&request, self.limit).map_err(|lost| format!("hello: {lost}"));
        match hello.and_then(|answer| Hello::parse(&answer)) {
            Ok(hello) => Ok((Child { instance, nonce, answered: 0, asked: Asked::default() }, hello)),
            Err(what) => Err(unusable(what, instance.stderr_tail())),
        }
    }

    pub(super) fn children(&self) -> usize {
        self.children.load(Ordering::Relaxed)
    }
}

/// A time limit on this machine.
pub(super) fn scaled(limit: Duration, options: &RunOptions<'_>) -> Duration {
    // A year stands for "for ever" where the product makes no sense.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
    Duration::try_from_secs_f64(limit.as_secs_f64() * options.timeout_scale).unwrap_or(LONGEST).min(LONGEST)
}
