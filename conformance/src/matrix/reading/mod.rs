//! Every writer's messages read by every reader.
//!
//! Each implementation is asked to write a fixed set of [meanings](meaning), and each is given what all of them wrote. What
//! came of it is [recorded](CrossReading) without a verdict; [`judge`](CrossReading::judge) holds it against what was meant,
//! with the harness's own dissector to say whose doing a misunderstanding is.

mod ask;
pub mod era;
mod facet;
mod judge;
pub mod meaning;
pub mod table;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use self::ask::{Speaker, ask};
pub use self::facet::Facets;
pub use self::judge::{Blame, Difference, Judged, Verdict, told};
use self::meaning::{Kind, Meaning, meanings};
use crate::case::Spec;

/// Version of the recorded form. It rises when an old recording would be misread.
pub const READINGS_VERSION: u32 = 1;

/// What all writers wrote and all readers read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossReading {
    /// [`READINGS_VERSION`].
    pub version: u32,
    /// Who took part: an implementation in one of its dialects.
    pub participants: Vec<Participant>,
    /// Everything that was written, each once however many wrote it.
    pub messages: Vec<Message>,
    /// What each writer made of each meaning.
    pub writings: Vec<Writing>,
    /// What each reader made of each message.
    pub readings: Vec<Reading>,
}

/// An implementation in one of its dialects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Name of the implementation.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The dialect that it writes, and reads unless it finds it out by itself.
    pub spec: Spec,
    /// It only reads, and finds out the dialect by itself.
    pub auto: bool,
    /// It has another dialect too, so that its name alone does not tell which is meant.
    pub several: bool,
    /// Features that it declares absent.
    pub lacks: Vec<String>,
}

impl Participant {
    /// `avp-python 0.2.3`; `avp 0.1.0 as 0.2` where there are several dialects.
    pub fn label(&self) -> String {
        let name = if self.version.is_empty() {
            self.name.clone()
        } else {
            format!("{} {}", self.name, self.version)
        };
        match (self.auto, self.several) {
            (true, _) => format!("{name}, any dialect"),
            (false, true) => format!("{name} as {}", self.spec.as_str()),
            (false, false) => name,
        }
    }
}

/// Bytes that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// How it is to be read.
    pub kind: Kind,
    /// The bytes.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

/// A writer and a meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writing {
    /// Index of the participant.
    pub writer: usize,
    /// Name of the meaning.
    pub meaning: String,
    /// What came.
    pub written: Written,
}

/// What came of the wish to have something written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// Index of the message.
    Message(usize),
    /// It is not written, and why.
    Not(String),
    /// The writer died, hung or broke the protocol.
    Lost(String),
}

/// A reader and a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Index of the participant.
    pub reader: usize,
    /// Index of the message.
    pub message: usize,
    /// What came.
    pub read: Read,
}

/// What a reader made of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// This.
    Understood(Facets),
    /// It refused, with that class.
    Refused(String),
    /// It has no operation for it.
    NotRead(String),
    /// It died, hung or broke the protocol.
    Lost(String),
}

impl CrossReading {
    /// What a writer made of a meaning.
    pub fn written(&self, writer: usize, meaning: &str) -> Option<&Written> {
        let found = self.writings.iter().find(|one| one.writer == writer && one.meaning == meaning);
        found.map(|one| &one.written)
    }

    /// The verdict on every reader, writer and meaning that was written, in the order of the participants.
    pub fn judge(&self) -> Vec<Judged> {
        let meanings: HashMap<&str, Meaning> =
            meanings().into_iter().map(|meaning| (meaning.name, meaning)).collect();
        let readings: HashMap<(usize, usize), &Read> =
            self.readings.iter().map(|one| ((one.reader, one.message), &one.read)).collect();
        let mut judged = Vec::new();
        for one in &self.writings {
            let Written::Message(index) = one.written else { continue };
            let (Some(meaning), Some(message), Some(writer)) = (
                meanings.get(one.meaning.as_str()),
                self.messages.get(index),
                self.participants.get(one.writer),
            ) else {
                continue;
            };
            for (reader, participant) in self.participants.iter().enumerate() {
                let Some(read) = readings.get(&(reader, index)) else { continue };
                let verdict = judge::judge(meaning, message, writer.spec, participant, read);
                judged.push(Judged { writer: one.writer, reader, meaning: meaning.name, verdict });
            }
        }
        judged
    }

    /// Whether indices point at something and the form is known: a recording comes from a file.
    pub fn is_sound(&self) -> bool {
        let participant = |index: usize| index < self.participants.len();
        let message = |index: usize| index < self.messages.len();
        self.version == READINGS_VERSION
            && self.writings.iter().all(|one| {
                participant(one.writer)
                    && match one.written {
                        Written::Message(index) => message(index),
                        Written::Not(_) | Written::Lost(_) => true,
                    }
            })
            && self.readings.iter().all(|one| participant(one.reader) && message(one.message))
    }
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
