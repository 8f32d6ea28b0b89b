//! The same client for threads that wait.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::{ClientOptions, HandedOver, Handshake, Reply, Upload};
use crate::error::{Error, ErrorClass, Result};
use crate::session::TextMessage;

/// A [client](super::Client) whose calls wait for their answer. Its connections run on a thread of its own, so that it may
/// also be used where another runtime runs; there it blocks the thread that it is called on, as any wait does.
///
/// ```no_run
/// use avp::transport::client::{ClientOptions, Upload, blocking::Client};
///
/// let client = Client::new("https://solver.example:8443", ClientOptions::default())?;
/// client.health()?;
/// let reply = client.transmit(Upload::file("plan.avp".as_ref())?)?;
/// println!("{:?}", reply.request_id());
/// # Ok::<(), avp::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: super::Client,
    worker: Arc<Worker>,
}

impl Client {
    /// As [`super::Client::new`].
    ///
    /// # Errors
    /// As there, and `configuration` when there is no thread or no runtime to be had.
    pub fn new(url: &str, options: ClientOptions) -> Result<Self> {
        Ok(Self { inner: super::Client::new(url, options)?, worker: Arc::new(Worker::start()?) })
    }

    /// As [`super::Client::idempotent`].
    #[must_use]
    pub fn idempotent(&self) -> Self {
        Self { inner: self.inner.idempotent(), worker: Arc::clone(&self.worker) }
    }

    /// As [`super::Client::options`].
    pub fn options(&self) -> &ClientOptions {
        self.inner.options()
    }

    /// As [`super::Client::handshake`].
    ///
    /// # Errors
    /// As there.
    pub fn handshake(&self) -> Result<Handshake> {
        self.worker.wait(self.inner.handshake())
    }

    /// As [`super::Client::session`].
    ///
    /// # Errors
    /// As there.
    pub fn session(&self) -> Result<Arc<Handshake>> {
        self.worker.wait(self.inner.session())
    }

    /// As [`super::Client::forget_session`].
    pub fn forget_session(&self) {
        self.worker.wait(self.inner.forget_session());
    }

    /// As [`super::Client::transmit`].
    ///
    /// # Errors
    /// As there.
    pub fn transmit(&self, message: impl Into<Upload>) -> Result<Reply> {
        self.worker.wait(self.inner.transmit(message))
    }

    /// As [`super::Client::text`].
    ///
    /// # Errors
    /// As there.
    pub fn text(&self, message: &TextMessage) -> Result<Reply> {
        self.worker.wait(self.inner.text(message))
    }

    /// As [`super::Client::health`].
    ///
    /// # Errors
    /// As there.
    pub fn health(&self) -> Result<()> {
        self.worker.wait(self.inner.health())
    }

    /// As [`super::Client::models`].
    ///
    /// # Errors
    /// As there.
    pub fn models(&self) -> Result<Vec<String>> {
        self.worker.wait(self.inner.models())
    }

    /// As [`super::Client::hand_over`].
    ///
    /// # Errors
    /// As there.
    pub fn hand_over<C, T>(&self, context: C, text: T) -> Result<HandedOver>
    where
        C: FnMut(&Handshake) -> Result<Upload>,
        T: FnMut(&Handshake) -> Result<String>,
    {
        self.worker.wait(self.inner.hand_over(context, text))
    }

    /// As [`super::Client::ask`].
    ///
    /// # Errors
    /// As there.
    pub fn ask(&self, text: impl Into<String>) -> Result<Reply> {
        self.worker.wait(self.inner.ask(text))
    }
}

/// A thread that runs connections and clocks. Calls run on the threads that make them.
#[derive(Debug)]
struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorClass::Configuration, "client", "a thread for connections", error.to_string())
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // Ends with a message or with the sender.
            let _ = runtime.block_on(stopped);
        };
        let thread = thread::Builder::new().name("avp-client".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Waits for a future on this thread. Not `Handle::block_on`: that panics where another runtime runs.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            let polled = {
                let _entered = self.handle.enter();
                future.as_mut().poll(&mut context)
            };
            match polled {
                Poll::Ready(value) => return value,
                // Woken before this: the token is there, and this returns at once.
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A callback that owns the last client runs on the thread itself, which can't wait for its own end.
        if let Some(thread) =
            self.thread.take().filter(|worker| worker.thread().id() != thread::current().id())
        {
            // It does not panic, and if it did there is nothing to be saved.
            let _ = thread.join();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
