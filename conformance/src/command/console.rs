//! Colours, widths and output that is piped.

use std::io::{self, Write};

use avp_conformance::report::text::{DEFAULT_WIDTH, Layout};
use clap::{Args, ValueEnum};

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set or the terminal is dumb
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Shared by everything that prints for people.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct ColorArgs {
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, global = true)]
    pub(super) color: Color,
}

/// How to lay out what goes to stdout.
pub(super) fn layout(color: Color) -> Layout {
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    };
    let width = terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0));
    Layout { color, width }
}

/// Writes to stdout in one piece. A closed pipe is an error like any other, and told apart at the end.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
