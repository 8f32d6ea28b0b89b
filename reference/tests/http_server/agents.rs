//! An agent whose answers last as long as a test wants.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use avp::Result;
use avp::session::{ModelIdentity, Session};
use avp::transport::{Agent, Answer, Prompt, Question, Received};
use serde_json::{Map, Value};

use crate::peers::{Echo, PATIENCE};

/// What an agent has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was asked something that takes long.
    Asked,
    /// Its answer was given up by whoever asked.
    GivenUp,
}

/// Answers `wait`, and takes messages of the model `wait`, once it is let go; answers `long` with 2 MB, `endless` for as long as somebody listens, and all else as [`Echo`] does.
pub(crate) struct Held {
    echo: Echo,
    told: Sender<Event>,
    let_go: Mutex<Receiver<()>>,
}

/// The other end of a [`Held`] agent. Dropped, it lets everything go.
pub(crate) struct Holder {
    events: Receiver<Event>,
    let_go: Sender<()>,
}

pub(crate) fn held() -> (Held, Holder) {
    let ((told, events), (let_go, going)) = (channel(), channel());
    (Held { echo: Echo::new(), told, let_go: Mutex::new(going) }, Holder { events, let_go })
}

impl Holder {
    pub(crate) fn wait_for(&self, event: Event) {
        while self.events.recv_timeout(PATIENCE).unwrap() != event {}
    }

    pub(crate) fn let_one_go(&self) {
        self.let_go.send(()).unwrap();
    }
}

impl Held {
    fn tell(&self, event: Event) {
        // A test that is over hears nothing any more.
        let _ = self.told.send(event);
    }
}

impl Agent for Held {
    fn agent_id(&self) -> &str {
        "held"
    }

    fn identity(&self) -> &ModelIdentity {
        &self.echo.identity
    }

    fn answers(&self) -> bool {
        true
    }

    fn receive(&self, message: &Received, session: Option<&Session>) -> Result<Map<String, Value>> {
        if message.metadata.model_id == "wait" {
            self.tell(Event::Asked);
            let _ = self.let_go.lock().unwrap().recv();
        }
        self.echo.receive(message, session)
    }

    fn answer(&self, question: Question, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Answer> {
        let asked = match &question.prompt {
            Prompt::Text(message) => message.content.clone(),
            Prompt::Chat(messages) => messages.iter().map(|(_, content)| content.as_str()).collect(),
        };
        match asked.as_str() {
            "wait" => {
                self.tell(Event::Asked);
                let _ = self.let_go.lock().unwrap().recv();
            }
            "long" => {
                self.tell(Event::Asked);
                // More than goes into any buffer on its way to a peer that takes 100 bytes.
                if (0..400).any(|_| on_text(&"word ".repeat(1000)).is_break()) {
                    self.tell(Event::GivenUp);
                }
            }
            "endless" => {
                self.tell(Event::Asked);
                while on_text(&"word ".repeat(1000)).is_continue() {}
                self.tell(Event::GivenUp);
            }
            _ => {}
        }
        self.echo.answer(question, on_text)
    }
}
