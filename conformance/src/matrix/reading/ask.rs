//! The asking: writers first, then every reader with everything that was written.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::facet::{Facets, of_answer, of_context, of_text};
use super::meaning::{Kind, Meaning, meanings};
use super::{CrossReading, Message, Participant, READINGS_VERSION, Read, Reading, Writing, Written};
use crate::adapter::{Answer, Blob, Hello, Instance, Launcher, Lost, Request, fresh_nonce};
use crate::case::Spec;
use crate::schedule::{CASE_LIMIT, HELLO_LIMIT};

/// So many times each limit: nothing here is about speed, and interpreters on a busy machine are slow.
const PATIENCE: u32 = 10;

/// Most bytes of a message that is handed on. The longest meaning is a few kilobytes.
const MESSAGE: usize = 1 << 20;

/// Most characters that are kept of an implementation's own words.
const WORDS: usize = 200;

/// Somebody who takes part.
pub struct Speaker<'a> {
    /// Starts it.
    pub launcher: &'a dyn Launcher,
    /// What it said of itself.
    pub hello: Hello,
}

impl<'a> Speaker<'a> {
    /// Starts an implementation and asks who it is.
    ///
    /// # Errors
    /// A sentence when it does not start or does not introduce itself.
    pub fn meet(launcher: &'a dyn Launcher) -> Result<Self, String> {
        let mut instance = launcher.launch().map_err(|lost| lost.to_string())?;
        let hello = greet(instance.as_mut());
        instance.close();
        Ok(Self { launcher, hello: hello? })
    }
}

fn greet(instance: &mut dyn Instance) -> Result<Hello, String> {
    let request = Hello::request(&[Spec::V02, Spec::V04], &fresh_nonce());
    let answer = instance.exchange(&request, HELLO_LIMIT * PATIENCE).map_err(|lost| lost.to_string())?;
    Hello::parse(&answer)
}

/// Lets everybody write, and everybody read. `told` hears of every participant before it is asked.
pub fn ask(speakers: &[Speaker<'_>], mut told: impl FnMut(&str)) -> CrossReading {
    let mut out = CrossReading {
        version: READINGS_VERSION,
        participants: Vec::new(),
        messages: Vec::new(),
        writings: Vec::new(),
        readings: Vec::new(),
    };
    let mut who = Vec::new();
    for speaker in speakers {
        let hello = &speaker.hello;
        let mut specs = hello.specs.clone();
        specs.sort_unstable();
        let absent = hello.features.iter().filter(|(_, there)| **there == Value::Bool(false));
        let lacks: Vec<String> = absent.map(|(name, _)| shortened(name)).collect();
        let make = |spec: Spec, auto: bool| Participant {
            name: hello.name.clone(),
            version: hello.version.clone(),
            spec,
            auto,
            several: hello.specs.len() > 1,
            lacks: lacks.clone(),
        };
        out.participants.extend(specs.iter().map(|spec| make(*spec, false)));
        who.extend(specs.iter().map(|_| speaker));
        if let Some(newest) = specs.last().filter(|_| hello.has_feature("auto_dialect")) {
            out.participants.push(make(*newest, true));
            who.push(speaker);
        }
    }
    let all = meanings();
    let mut known: HashMap<Message, usize> = HashMap::new();
    for (writer, speaker) in who.iter().enumerate().filter(|(index, _)| !out.participants[*index].auto) {
        let participant = &out.participants[writer];
        told(&format!("{} writes", participant.label()));
        let spec = participant.spec;
        let mut line = Line::new(speaker.launcher);
        for meaning in all.iter().filter(|meaning| meaning.specs.contains(&spec)) {
            let written = match write(&mut line, &speaker.hello, meaning, spec) {
                Ok(message) => {
                    let next = out.messages.len();
                    let index = *known.entry(message.clone()).or_insert(next);
                    if index == next {
                        out.messages.push(message);
                    }
                    Written::Message(index)
                }
                Err(written) => written,
            };
            out.writings.push(Writing { writer, meaning: meaning.name.to_owned(), written });
        }
    }
    for (reader, speaker) in who.iter().enumerate() {
        let participant = &out.participants[reader];
        told(&format!("{} reads", participant.label()));
        let mut line = Line::new(speaker.launcher);
        for (index, message) in out.messages.iter().enumerate() {
            let read = read(&mut line, &speaker.hello, message, participant);
            out.readings.push(Reading { reader, message: index, read });
        }
    }
    out
}

/// One instance after another of an implementation: what is lost with one is asked of the next.
struct Line<'a> {
    launcher: &'a dyn Launcher,
    instance: Option<Box<dyn Instance>>,
}

impl<'a> Line<'a> {
    fn new(launcher: &'a dyn Launcher) -> Self {
        Self { launcher, instance: None }
    }

    fn exchange(&mut self, request: &Request) -> Result<Answer, Lost> {
        let instance = match &mut self.instance {
            Some(instance) => instance,
            empty => {
                let mut instance = self.launcher.launch()?;
                greet(instance.as_mut()).map_err(|what| Lost::NotStarted { what })?;
                empty.insert(instance)
            }
        };
        let answer = instance.exchange(request, CASE_LIMIT * PATIENCE);
        if answer.is_err() {
            self.instance = None;
        }
        answer
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if let Some(mut instance) = self.instance.take() {
            instance.close();
        }
    }
}

fn write(line: &mut Line<'_>, hello: &Hello, meaning: &Meaning, spec: Spec) -> Result<Message, Written> {
    if !hello.ops.iter().any(|op| op == meaning.op) {
        return Err(Written::Not(format!("no operation {}", meaning.op)));
    }
    let lost = |what: &str| Err(Written::Lost(shortened(what)));
    match line.exchange(&meaning.request(spec)) {
        Ok(Answer::Ok { parts, .. }) => {
            let Some(part) = parts.into_iter().find(|part| part.name == meaning.kind.part()) else {
                return lost(&format!("the answer has no part {}", meaning.kind.part()));
            };
            if part.bytes.len() > MESSAGE {
                return lost(&format!("a message of {} bytes", part.bytes.len()));
            }
            Ok(Message { kind: meaning.kind, bytes: part.bytes.to_vec() })
        }
        Ok(Answer::Err { code, detail, .. }) => {
            Err(Written::Not(shortened(&format!("refused: {code}: {detail}"))))
        }
        Ok(Answer::Unsupported(why)) => Err(Written::Not(shortened(&why))),
        Ok(Answer::Fault(text)) => lost(&text),
        Err(error) => lost(&error.to_string()),
    }
}

fn read(line: &mut Line<'_>, hello: &Hello, message: &Message, participant: &Participant) -> Read {
    let op = message.kind.reading_op();
    if !hello.ops.iter().any(|known| known == op) {
        return Read::NotRead(format!("no operation {op}"));
    }
    if participant.auto && message.kind != Kind::Message {
        return Read::NotRead(format!("{op} takes one dialect"));
    }
    let mut args = Map::new();
    if participant.auto {
        args.insert("dialect".to_owned(), "auto".into());
    }
    let part = Blob {
        name: message.kind.part().to_owned(),
        dtype: None,
        shape: None,
        bytes: message.bytes.as_slice().into(),
    };
    let request = Request { op: op.to_owned(), spec: participant.spec.as_str(), args, parts: vec![part] };
    match line.exchange(&request) {
        Ok(Answer::Ok { ok, parts }) => {
            Read::Understood(understood(message.kind, &ok, &parts, participant.spec))
        }
        Ok(Answer::Err { code, .. }) => Read::Refused(shortened(&code)),
        Ok(Answer::Unsupported(why)) => Read::NotRead(shortened(&why)),
        Ok(Answer::Fault(text)) => Read::Lost(shortened(&text)),
        Err(error) => Read::Lost(shortened(&error.to_string())),
    }
}

fn understood(kind: Kind, ok: &Map<String, Value>, parts: &[Blob], spec: Spec) -> Facets {
    match kind {
        Kind::Message => {
            // Who finds out the dialect by itself says which it found.
            let found = ok.get("dialect").and_then(Value::as_str);
            let found = [Spec::V02, Spec::V04].into_iter().find(|known| found == Some(known.as_str()));
            of_answer(ok, parts, found.unwrap_or(spec))
        }
        Kind::Context => {
            let tensors: Vec<(&str, &[u8])> =
                parts.iter().map(|part| (part.name.as_str(), &part.bytes[..])).collect();
            of_context(ok, &tensors)
        }
        Kind::Text => ok.get("message").and_then(Value::as_object).map(of_text).unwrap_or_default(),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WORDS) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
