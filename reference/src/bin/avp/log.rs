//! What a server says of its work, on standard error.

use std::io;

use anyhow::Context as _;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where the filter stands; the second one is what other programs go by.
const VARIABLES: [&str; 2] = ["AVP_LOG", "RUST_LOG"];
/// Every request, in one line.
const DEFAULT_FILTER: &str = "info";

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to write events. Those of this crate alone, whatever the filter says: they hold ids, sizes and statuses, and never
/// what peers send; nobody promises that of the libraries below.
pub(crate) fn begin(form: Form) -> anyhow::Result<()> {
    let found = VARIABLES.iter().find_map(|name| {
        std::env::var(name).ok().filter(|text| !text.trim().is_empty()).map(|text| (*name, text))
    });
    let (name, text) = found.unwrap_or_else(|| (VARIABLES[0], DEFAULT_FILTER.to_owned()));
    let filter = EnvFilter::try_new(&text).with_context(|| format!("{name} is no filter of log events"))?;
    let own = filter_fn(|event| event.target().split("::").next() == Some("avp"));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match form {
        Form::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            layer.with_ansi(colours).with_filter(filter).with_filter(own).boxed()
        }
        Form::Json => layer.json().flatten_event(true).with_filter(filter).with_filter(own).boxed(),
    };
    registry().with(layer).try_init().context("logs were begun twice")
}
