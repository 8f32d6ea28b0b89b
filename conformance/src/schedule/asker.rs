//! One implementation that is asked one case at a time.

use super::attempt::attempt;
use super::starter::{Child, Starter};
use super::{RunError, RunOptions};
use crate::adapter::{Hello, Launcher};
use crate::case::Case;
use crate::judge::Observed;

/// An implementation that is asked one case at a time, in a child that is replaced when it is lost: for whoever holds
/// answers against each other, or asks about cases that come up only while asking.
pub struct Asker<'a> {
    starter: Starter<'a>,
    options: &'a RunOptions<'a>,
    child: Option<Child>,
    hello: Hello,
}

impl<'a> Asker<'a> {
    /// Starts the first child.
    ///
    /// # Errors
    /// [`RunError::Unusable`] when it does not start or does not introduce itself.
    pub fn new(launcher: &'a dyn Launcher, options: &'a RunOptions<'a>) -> Result<Self, RunError> {
        let starter = Starter::new(launcher, options);
        let (child, hello) = starter.start()?;
        Ok(Self { starter, options, child: Some(child), hello })
    }

    /// What it says of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What comes of a case: an entry a step, up to the first without an answer. A loss counts in a child that was asked
    /// nothing else before; in one that was, the case is asked once more.
    ///
    /// # Errors
    /// [`RunError::Unusable`] when no further child starts.
    pub fn ask(&mut self, case: &Case) -> Result<Vec<Observed>, RunError> {
        loop {
            let mut child = match self.child.take() {
                Some(child) => child,
                None => self.starter.start()?.0,
            };
            let fresh = child.answered == 0;
            let attempt = attempt(case, &mut child, self.options);
            if attempt.lost().is_none() {
                child.answered += 1;
                self.child = Some(child);
                return Ok(attempt.observed);
            }
            child.instance.close();
            if fresh {
                return Ok(attempt.observed);
            }
        }
    }

    /// Children started so far.
    pub fn children(&self) -> usize {
        self.starter.children()
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.instance.close();
        }
    }
}
