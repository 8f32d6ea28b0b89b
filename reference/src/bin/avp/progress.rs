//! Progress on standard error, where somebody looks.

use std::io::{self, IsTerminal as _};
#[cfg(feature = "files")]
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a spinner turns.
#[cfg(feature = "files")]
const TICK: Duration = Duration::from_millis(100);

fn bar(length: Option<u64>, template: &str, message: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(message.to_owned());
    bar
}

/// So many steps.
#[cfg(feature = "files")]
pub(crate) fn steps(count: u64, message: &str) -> ProgressBar {
    bar(Some(count), "{msg} [{bar:30}] {pos}/{len}", message)
}

/// Bytes, of a number that is told later.
#[cfg(feature = "hub")]
pub(crate) fn bytes(message: &str) -> ProgressBar {
    bar(Some(0), "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}", message)
}

/// So many bytes.
#[cfg(feature = "http")]
pub(crate) fn upload(length: u64, message: &str) -> ProgressBar {
    bar(Some(length), "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}", message)
}

/// Work of unknown length.
#[cfg(feature = "files")]
pub(crate) fn spinner(message: &str) -> ProgressBar {
    let bar = bar(None, "{spinner} {msg}", message);
    bar.enable_steady_tick(TICK);
    bar
}
