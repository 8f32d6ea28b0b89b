//! One file a subcommand.

pub(crate) mod audit;
pub(crate) mod card;
pub(crate) mod claims;
pub(crate) mod compare;
pub(crate) mod data;
mod dry_run;
pub(crate) mod evaluate;
pub(crate) mod list;
pub(crate) mod merge;
mod progress;
pub(crate) mod quick;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod train;

use std::io::Write as _;

/// Writes to standard output; a reader that went away is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// A progress bar on standard error; nothing where that is no terminal.
pub(crate) fn bar(length: u64, message: &str) -> indicatif::ProgressBar {
    let template = "{msg} {wide_bar} {pos}/{len} {elapsed} left {eta}";
    let style = indicatif::ProgressStyle::with_template(template);
    let bar = indicatif::ProgressBar::new(length).with_message(message.to_owned());
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    bar
}
