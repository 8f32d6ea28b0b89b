//! Everything that is logged while a test listens, by whatever crate.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

static LISTENING: AtomicUsize = AtomicUsize::new(0);
static LOGGED: Mutex<String> = Mutex::new(String::new());
static INSTALLED: Once = Once::new();

fn logged() -> MutexGuard<'static, String> {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listener;

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

fn log(metadata: &Metadata<'_>, record: impl FnOnce(&mut Line<'_>)) {
    let mut line = format!("{} {} {}", metadata.target(), metadata.level(), metadata.name());
    record(&mut Line(&mut line));
    let mut logged = logged();
    logged.push_str(&line);
    logged.push('\n');
}

impl Subscriber for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        LISTENING.load(Ordering::Relaxed) > 0
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        log(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut logged()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        log(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Runs `work`, and returns what was logged meanwhile at every level, one line an event: of all threads, and so of other
/// tests as well.
pub(crate) fn during(work: impl FnOnce()) -> String {
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
    LISTENING.fetch_add(1, Ordering::Relaxed);
    work();
    LISTENING.fetch_sub(1, Ordering::Relaxed);
    logged().clone()
}
