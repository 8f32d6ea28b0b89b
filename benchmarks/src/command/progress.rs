//! A bar on standard error, with what each arm has come to so far.

use avp_bench::arm::Arm;
use avp_bench::engine::Engine;
use avp_bench::stats::Share;
use avp_bench::trace::{Outcome, Trace};
use indicatif::{ProgressBar, ProgressStyle};

/// Columns of the lines below the bar.
const WIDTH: usize = 100;

/// A bar, hidden where standard error is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    arms: Vec<(String, Share)>,
}

impl Progress {
    /// A bar of so many traces, some of which are there.
    pub(crate) fn new(length: u64, engine: &Engine, there: &[Trace]) -> Self {
        let template = "{prefix} {wide_bar} {pos}/{len} {elapsed} left {eta}\n{msg}";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(length).with_prefix(engine.file().name.clone());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let arms = engine.arms().iter().map(|arm: &Arm| (arm.id(), Share::default())).collect();
        let mut progress = Self { bar, arms };
        there.iter().for_each(|trace| progress.add(trace));
        progress.bar.set_position(there.len() as u64);
        // What was there already says nothing of how fast it goes now.
        progress.bar.reset_eta();
        progress
    }

    fn add(&mut self, trace: &Trace) {
        // As the table has it: what failed says nothing of the arm.
        if trace.outcome != Outcome::Error
            && let Some((_, share)) = self.arms.iter_mut().find(|(id, _)| *id == trace.arm)
        {
            share.count(trace.outcome == Outcome::Correct);
        }
    }

    /// One more.
    pub(crate) fn count(&mut self, trace: &Trace) {
        self.add(trace);
        self.bar.inc(1);
        if !self.bar.is_hidden() {
            self.bar.set_message(self.lines());
        }
    }

    fn lines(&self) -> String {
        let mut lines = vec![String::new()];
        for (id, share) in self.arms.iter().filter(|(_, share)| share.of > 0) {
            let entry = format!("{id} {:.0} %", share.value() * 100.0);
            let last = lines.len() - 1;
            if lines[last].is_empty() {
                lines[last] = entry;
            } else if lines[last].len() + entry.len() + 3 > WIDTH {
                lines.push(entry);
            } else {
                lines[last] = format!("{}   {entry}", lines[last]);
            }
        }
        lines.join("\n")
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
